"""Build a clip store: cut with all cores, shard by shard, so that a build that was killed goes on where it stopped."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

import whalelib
from whalelib.audio import is_uri
from whalelib.audio.systems import local_path
from whalelib.clips import shards
from whalelib.clips.labels import CELL_SECONDS, UNKNOWN, Marks, cells_of, classes_of, frame_grids, on_own_channels
from whalelib.clips.reading import Windows, read_windows
from whalelib.clips.store import ABOUT, FOLDS, FORMAT, TABLES, Store, open_store, read_about
from whalelib.clips.workplace import publish, workplace
from whalelib.errors import InputError

# A store has about this many shards at most; a small one has shards of at least so many bytes.
_SHARDS, _SHARD_BYTES = 128, 8 << 20
_BLOCK_BYTES = 8 << 20  # of waveforms that one worker holds at a time
_VERSIONS = ("numpy", "pandas", "pyarrow", "soundfile", "soxr")


def build_store(
    folder: str | Path,
    recordings: pd.DataFrame,
    events: pd.DataFrame,
    clips: pd.DataFrame,
    *,
    exhaustive: bool,
    sample_rate: int,
    clip_seconds: float,
    padding: str = "reflect",
    clip_from: str = "window",
    seed: int = 0,
    made_from: dict[str, Any] | None = None,
    left_out: Sequence[str] = (),
    workers: int | None = None,
    progress: bool = True,
) -> Store:
    """Cut all clips and keep them in a folder; a folder that holds this very store is opened instead, unless its
    recordings were changed since, or a clip that was left out can be read by now: then it is cut again.

    A clip that cannot be read is left out and named in `problems`. The store appears only when it is whole; a build
    that was killed goes on with the shards it had finished. `workers` threads cut (by default one a core); the bytes of
    the store depend neither on them nor on interruptions. With the clips go the tables they were cut from, and what the
    caller has to say of them: `made_from`, the knobs, and `left_out`, what the source could not use.
    """
    folder = Path(folder)
    plan = _Plan.of(
        recordings,
        events,
        clips,
        exhaustive,
        sample_rate,
        clip_seconds,
        padding,
        clip_from,
        seed,
        made_from or {},
        list(left_out),
    )
    if not (folder / ABOUT).exists() and folder.exists() and any(folder.iterdir()):
        raise InputError(f"{folder} is there already and holds no clip store: name a new or an empty folder.")
    old = _written(folder) if _is_outdated(folder, plan) else None

    def finished() -> bool:
        return _written(folder) not in (None, old)

    with workplace(folder, plan.key, finished) as part:
        if part is not None:
            try:
                _build(part, plan, workers or cores(), progress)
                publish(part, folder, finished, replace=old is not None)
            except OSError as error:
                if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS):
                    raise
                raise InputError(
                    f"{part} cannot be written ({error.strerror}): make room or name another folder, then build "
                    "again; what is finished is kept."
                ) from None
    store = open_store(folder, classes=plan.classes, sample_rate=sample_rate, clip_seconds=clip_seconds)
    if store.about["source"]["fingerprint"] != plan.fingerprint:
        raise InputError(f"{folder} holds a store of other clips or knobs: delete it or name a new folder.")
    return store


def _written(folder: Path) -> tuple[int, int] | None:
    """What tells the store that lies here from one that takes its place; None if there is none."""
    try:
        found = (folder / ABOUT).stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns


def _is_outdated(folder: Path, plan: _Plan) -> bool:
    """Was this store cut from other files, or without clips that can be read by now? One of other clips is the user's
    to delete, and one whose recordings are not all here any more cannot be cut better."""
    if not (folder / ABOUT).exists():
        return False
    about = read_about(folder)
    if about["source"]["fingerprint"] != plan.fingerprint:
        return False
    cut_from = about["source"].get("files", plan.files)
    return (cut_from != plan.files and plan.all_here) or (bool(about["problems"]) and _can_be_completed(folder, plan))


def _can_be_completed(folder: Path, plan: _Plan) -> bool:
    """Can a clip be read that the store lacks? The first of each recording and channel is tried."""
    store = open_store(folder)
    keys = ["recording", "onset", "channel"]
    held = pd.concat([store.table(fold)[keys] for fold in FOLDS])
    lacking = plan.table[~pd.MultiIndex.from_frame(plan.table[keys]).isin(pd.MultiIndex.from_frame(held))]
    tried = lacking.drop_duplicates(["recording", "channel"]).index.to_numpy()
    for row in tried:
        _, fine, _ = read_windows(
            plan.windows.take(np.array([row])), plan.sample_rate, plan.length, plan.padding, plan.seed
        )
        if fine.all():
            return True
    return False


@dataclass(frozen=True)
class _Plan:
    """All that decides what is in a store."""

    windows: Windows
    rows: dict[str, np.ndarray]  # of each fold
    table: pd.DataFrame  # recording, onset, seconds and channel of the clips, for the frame targets
    group: np.ndarray
    weight: np.ndarray
    targets: np.ndarray
    marks: Marks
    classes: list[str]
    exhaustive: bool
    sample_rate: int
    clip_seconds: float
    padding: str
    clip_from: str
    seed: int
    about: dict[str, Any]
    fingerprint: str  # of clips, events and knobs: what the store is
    files: str  # of the names, sizes and times of the local files: what it is cut from
    all_here: bool  # are all local files there?
    key: str  # of these, the files and the versions: whose shards may be gone on with
    tables: tuple[pd.DataFrame, pd.DataFrame]  # recordings and events, as they were given

    @classmethod
    def of(
        cls,
        recordings: pd.DataFrame,
        events: pd.DataFrame,
        clips: pd.DataFrame,
        exhaustive: bool,
        sample_rate: int,
        clip_seconds: float,
        padding: str,
        clip_from: str,
        seed: int,
        made_from: dict[str, Any],
        left_out: list[str],
    ) -> _Plan:
        classes = classes_of(clips)
        given = events
        events = on_own_channels(events, recordings)
        other = sorted(set(clips["fold"]) - set(FOLDS))
        if other:
            raise InputError(f"a clip is in the fold {other[0]!r}: a store has the folds {', '.join(FOLDS)}.")
        if not round(clip_seconds * sample_rate):
            raise InputError(
                f"a clip of {clip_seconds:g} s has no sample at {sample_rate} Hz: make clip_seconds longer."
            )
        of = pd.Index(recordings["recording"]).get_indexer(clips["recording"])
        if (of < 0).any():
            raise InputError(f"a clip is of {clips['recording'].to_numpy()[of < 0][0]!r}, which is no recording.")
        table = clips[["recording", "onset", "seconds"]].reset_index(drop=True)
        table = table.assign(channel=clips["channel"].to_numpy() if "channel" in clips else 1)
        paths = recordings["path"].to_numpy(dtype=object)
        windows = Windows(
            table["recording"].to_numpy(dtype=object),
            paths[of],
            table["onset"].to_numpy(dtype=float),
            table["seconds"].to_numpy(dtype=float),
            table["channel"].to_numpy(dtype=int),
            recordings["sample_rate"].to_numpy(dtype=int)[of],
            np.arange(len(clips)),
        )
        fold = clips["fold"].to_numpy(dtype=object)
        knobs = {
            "classes": classes,
            "sample_rate": sample_rate,
            "clip_seconds": clip_seconds,
            "padding": padding,
            "clip_from": clip_from,
            "exhaustive": exhaustive,
            "seed": seed,
        }
        targets = clips[classes].to_numpy(dtype=np.float32)
        weight = clips["weight"].to_numpy(dtype=np.float32)
        texts = [json.dumps(knobs), *windows.recording, *fold, *clips["group"], *events["recording"], *events["label"],
                 *events["truth"]]  # fmt: skip
        # Rounded, so that the last digit of another machine is no other store.
        times = [windows.onset, windows.seconds, events["onset"].to_numpy(), events["offset"].to_numpy()]
        numbers = [np.round(np.asarray(t, dtype=float), 4) + 0.0 for t in times]
        numbers += [targets, weight, windows.channel, events["channel"].to_numpy(dtype=int)]
        fingerprint = _hash(texts, numbers)
        local = [local_path(path) for path in paths[np.unique(of)] if not is_uri(path)]
        files = _hash(sorted(f"{Path(path).name} {_state(path)}" for path in local), [])
        about = {
            **knobs,
            "made_from": made_from,
            "left_out": left_out,
            "source": {
                "fingerprint": fingerprint,
                "files": files,
                "recordings": len(np.unique(of)),
                "hours": round(float(recordings["seconds"].to_numpy()[np.unique(of)].sum()) / 3600, 4),
                "events": len(events),
                "clips": len(clips),
            },
            "versions": _versions(),
        }
        key = _hash([json.dumps(about, default=str), str(FORMAT), *paths[np.unique(of)]], [])
        return cls(
            windows, {name: np.flatnonzero(fold == name) for name in FOLDS}, table,
            clips["group"].to_numpy(dtype=object), weight, targets, Marks(events, classes), classes, exhaustive,
            sample_rate, clip_seconds, padding, clip_from, seed, about, fingerprint, files, all(map(_state, local)),
            key, (recordings, given),
        )  # fmt: skip

    @property
    def length(self) -> int:
        return round(self.clip_seconds * self.sample_rate)

    def frames_of(self, rows: np.ndarray) -> np.ndarray:
        """The frame targets of these clips, [clips, cells, classes]."""
        clips = self.table.iloc[rows]
        grid = frame_grids(clips, self.marks, clip_seconds=self.clip_seconds, exhaustive=self.exhaustive)
        seconds = clips["seconds"].to_numpy()
        if self.clip_from == "call":
            grid[:] = UNKNOWN  # the padding repeats or shifts the sound, so its frames are no longer in place
        elif self.padding in ("centre", "random"):
            grid[seconds < self.clip_seconds] = UNKNOWN
        # What is padded is no recording.
        real = np.arange(grid.shape[1]) < np.ceil(seconds / CELL_SECONDS)[:, None]
        grid[~real] = UNKNOWN
        return grid


def _build(part: Path, plan: _Plan, workers: int, progress: bool) -> None:
    """Write every shard that is not there yet, then store.json."""
    work = _shards_of(plan)
    total = sum(len(rows) for _, _, rows in work)
    stop = Event()
    with tqdm(total=total, desc="cutting clips", leave=False, disable=None if progress else True) as bar:

        def write(one: tuple[str, str, np.ndarray]) -> dict[str, Any]:
            _, name, rows = one
            receipt = shards.finished(part / name)
            if receipt is None:
                receipt = _write_shard(part / name, plan, rows, stop, bar)
            else:
                bar.update(len(rows))
            return receipt

        receipts = shards.written_at_once(work, write, workers, stop)
    about = {
        "format": FORMAT,
        **plan.about,
        "samples": plan.length,
        "clips": dict.fromkeys(FOLDS, 0),
        "problems": [],
        "shards": {fold: [] for fold in FOLDS},
        "tables": [write_table(part / name, table) for name, table in zip(TABLES, plan.tables, strict=True)],
    }
    for (fold, name, _), receipt in zip(work, receipts, strict=True):
        about["problems"] += receipt.pop("problems")
        about["clips"][fold] += receipt["clips"]
        about["shards"][fold].append({"file": name, **receipt})
    for _, name, _ in work:
        shards.receipt_of(part / name).unlink()
    (part / ABOUT).write_text(json.dumps(about, indent=1), encoding="utf-8")


def _shards_of(plan: _Plan) -> list[tuple[str, str, np.ndarray]]:
    """(fold, file, clips) of every shard; every fold has one at least."""
    size = max(plan.length * 2, 1)
    each = max(_SHARD_BYTES, size * len(plan.windows) // _SHARDS) // size + 1
    work = []
    for fold, rows in plan.rows.items():
        for number, first in enumerate(range(0, max(len(rows), 1), each)):
            work.append((fold, f"{fold}-{number:05d}.arrow", rows[first : first + each]))
    return work


def _write_shard(path: Path, plan: _Plan, rows: np.ndarray, stop: Event, bar: tqdm) -> dict[str, Any]:
    problems: list[str] = []
    each = max(_BLOCK_BYTES // max(plan.length * 2, 1), 1)
    columns = shards.schema(plan.length, len(plan.classes), cells_of(plan.clip_seconds))
    with shards.Writer(path, columns) as writer:
        for first in range(0, len(rows), each):
            if stop.is_set():
                raise InterruptedError("another shard could not be written")
            block = rows[first : first + each]
            waveforms, fine, says = read_windows(
                plan.windows.take(block), plan.sample_rate, plan.length, plan.padding, plan.seed
            )
            problems += says
            frames = plan.frames_of(block)
            if not fine.all():
                block, waveforms, frames = block[fine], waveforms[fine], frames[fine]
            windows = plan.windows.take(block)
            writer.write(
                waveform=waveforms,
                targets=plan.targets[block],
                frames=frames,
                weight=plan.weight[block],
                recording=windows.recording,
                onset=windows.onset,
                seconds=windows.seconds,
                channel=windows.channel,
                group=plan.group[block],
            )
            bar.update(len(fine))
    return shards.finish(path, problems)


def write_table(path: Path, table: pd.DataFrame) -> dict[str, Any]:
    """Keep a table beside the clips; of a local path only the name, for the folder is nowhere else."""
    if "path" in table:
        table = table.assign(path=[str(p) if is_uri(p) else Path(p).name for p in table["path"]])
    mixed = [name for name in table if pd.api.types.is_object_dtype(table[name])]  # one a source has added may be so
    table = table.assign(**{name: table[name].map(str, na_action="ignore") for name in mixed})
    table.to_parquet(path, index=False)
    return {"file": path.name, "bytes": path.stat().st_size, "sha256": shards.checksum(path)}


def cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not everywhere
        return os.cpu_count() or 1


def _versions() -> dict[str, str]:
    found = {name: import_module(name).__version__ for name in _VERSIONS}
    return {"whalelib": whalelib.__version__, "python": platform.python_version(), **found}


def _state(path: str) -> str:
    """What tells that a file was changed, without reading it; empty if it is not there."""
    try:
        found = os.stat(path)
    except OSError:
        return ""
    return f"{found.st_size} {found.st_mtime_ns}"


def _hash(texts: Sequence[Any], numbers: Sequence[np.ndarray]) -> str:
    digest = hashlib.sha256("\0".join(map(str, texts)).encode())
    for column in numbers:
        digest.update(f"{column.dtype} {column.shape}".encode() + np.ascontiguousarray(column).tobytes())
    return digest.hexdigest()[:16]
