"""What it costs to fill a clip store and to read it back."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import soundfile

from whalelib.bench.measuring import RATE, in_own_process, peak_mib, write_noise

if TYPE_CHECKING:
    from whalelib.clips import Store
    from whalelib.sources import Survey


def store_speed(folder: Path) -> None:
    """Load, cut and store the right-whale clips, against a bare loop of soundfile over the same files."""
    from whalelib import sources

    data = os.environ.get("WHALELIB_DATA")
    if not data:
        print("store: skipped, because WHALELIB_DATA is not set and there are no real recordings")
        return
    place = Path(data) / "right_whale"
    print("right-whale clips of 2 s: load, cut and store, against a bare loop of soundfile; best of five")
    bare, load, store = [], [], []
    for k in range(5):
        begin = time.perf_counter()
        survey = sources.load("clip_folder", place)
        loaded = time.perf_counter()
        table = cut(survey)
        stored(folder / str(k), survey.recordings, survey.events, table, survey.exhaustive)
        done = time.perf_counter()
        for path in survey.recordings["path"]:
            soundfile.read(path)
        bare.append(time.perf_counter() - done)
        load.append(loaded - begin)
        store.append(done - loaded)
    print(
        f"  {len(table):,} clips: bare loop {min(bare):.2f} s, load {min(load):.2f} s, cut and store {min(store):.2f} s"
    )
    print(f"  load, cut and store, to the bare loop: {(min(load) + min(store)) / min(bare):.2f}")
    print(f"  cut and store, to the bare loop: {min(store) / min(bare):.2f}")


def copies_speed(folder: Path) -> None:
    """Look for copies among the right-whale clips, and find again what was found."""
    from whalelib import likeness, sources

    data = os.environ.get("WHALELIB_DATA")
    if not data:
        print("copies: skipped, because WHALELIB_DATA is not set and there are no real recordings")
        return
    recordings = sources.load("clip_folder", Path(data) / "right_whale").recordings
    taken = []
    for _ in range(2):
        begin = time.perf_counter()
        found = likeness.near_equal(recordings, folder=folder, progress=False)
        taken.append(time.perf_counter() - begin)
    begin = time.perf_counter()
    for path in recordings["path"]:
        soundfile.read(path)
    bare = time.perf_counter() - begin
    print(f"copies among {len(recordings):,} right-whale clips of 2 s: {len(found.pairs)} pairs")
    print(f"  looked for {taken[0]:.1f} s, found again {taken[1]:.2f} s, a bare loop of soundfile {bare:.2f} s")


def store_memory(folder: Path) -> None:
    """Peak memory of storing ten thousand and a hundred thousand clips, each in a process of its own."""
    print("clips of 2 s at 2 kHz stored, each store in a process of its own")
    peaks = {}
    for thousands in (10, 100):
        place = folder / str(thousands)
        place.mkdir()
        seconds, peaks[thousands] = in_own_process("_store", place)
        print(f"  {thousands},000 clips: {seconds:6.1f} s, peak {peaks[thousands]:,.0f} MiB")
        shutil.rmtree(place)
    print(f"  peak memory, 100,000 to 10,000: {peaks[100] / peaks[10]:.3f}")


def store_cost(folder: Path) -> tuple[float, float]:
    """Seconds and peak memory of storing as many thousand clips as the folder's name says."""
    begin = time.perf_counter()
    synthetic_store(folder, 1000 * int(folder.name))
    return time.perf_counter() - begin, peak_mib()


def store_reading(folder: Path) -> None:
    """Clips a second of a shuffled epoch in batches of 64, on one core; against the plain reading of `datasets`."""
    print("a shuffled epoch of 20,000 clips of 2 s at 2 kHz, batches of 64, one core")
    fast, plain = in_own_process("_read", folder)
    print(f"  {fast:,.0f} clips/s; with_format('numpy') of datasets: {plain:,.0f} clips/s; ratio {fast / plain:.1f}")


def reading_speed(folder: Path) -> tuple[float, float]:
    """Clips a second through `Store.batch`, best of three epochs, and through `datasets` alone."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    store = synthetic_store(folder, 20_000)
    n = len(store.folds["train"])
    order = np.random.default_rng(0).permutation(n)
    batches = [order[first : first + 64] for first in range(0, n, 64)]
    best = np.inf
    for _ in range(3):
        begin = time.perf_counter()
        for rows in batches:
            store.batch("train", rows)
        best = min(best, time.perf_counter() - begin)
    arrays = store.folds["train"].select_columns(["waveform", "targets", "frames", "weight"]).with_format("numpy")
    begin = time.perf_counter()
    for rows in batches[:32]:
        arrays[rows]
    return n / best, 32 * 64 / (time.perf_counter() - begin)


def synthetic_store(folder: Path, how_many: int, held_out: int = 0) -> Store:
    """Clips from anywhere in ten hours of noise with a call each minute; the last `held_out` of them validate."""
    from whalelib import clips, tables

    rng = np.random.default_rng(0)
    write_noise(folder / "noise.wav", 10)
    row = {"recording": "noise", "path": str(folder / "noise.wav"), "start": pd.NaT, "seconds": 36000.0}
    recordings = tables.check_recordings(pd.DataFrame([{**row, "sample_rate": RATE, "channels": 1, "group": "day"}]))
    onsets = np.arange(600) * 60.0
    events = tables.events(pd.DataFrame({"recording": "noise", "onset": onsets, "offset": onsets + 1, "label": "call"}))
    table = pd.DataFrame({"recording": "noise", "onset": np.sort(rng.uniform(0, 35998, how_many)), "seconds": 2.0})
    last = np.arange(how_many) >= how_many - held_out
    table = table.assign(weight=1.0, group="day", fold=np.where(last, "validation", "train"))
    targets = clips.label(table, events, ["call"], min_overlap=0.5, exhaustive=True)
    return stored(folder / "store", recordings, events, pd.concat([table, targets], axis=1), exhaustive=True)


def cut(survey: Survey) -> pd.DataFrame:
    """Clips of two seconds of all that a survey holds, in the usual folds."""
    from whalelib import clips

    return clips.cut(
        survey.recordings,
        survey.events,
        clips.class_list(survey.events),
        clips.split(survey.recordings),
        exhaustive=survey.exhaustive,
        clip_seconds=2.0,
    )


def stored(
    folder: Path, recordings: pd.DataFrame, events: pd.DataFrame, table: pd.DataFrame, exhaustive: bool
) -> Store:
    """These clips of two seconds in a store."""
    from whalelib import clips

    return clips.build_store(
        folder,
        recordings,
        events,
        table,
        exhaustive=exhaustive,
        sample_rate=RATE,
        clip_seconds=2.0,
        progress=False,
    )
