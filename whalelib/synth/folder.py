"""The ocean on disk: written once, whole or not at all, and read back ever after."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile

from whalelib import tables
from whalelib.errors import InputError
from whalelib.synth.calls import SPECIES
from whalelib.synth.recording import day_of, make_recording, rng_for, site_of
from whalelib.synth.song import UNITS, make_song
from whalelib.synth.waves import Wave, db
from whalelib.synth.whole import made_once

FULL_SCALE_DB = 150.0
MOST_WAV_BYTES = 2**32 - 2**12
GENERATOR = 3  # Counts up when the same arguments begin to give another ocean, or more of it.


def ocean(
    folder: str | Path,
    *,
    ocean_seed: int = 0,
    ocean_days: int = 20,
    ocean_sites: int = 2,
    ocean_minutes: float = 1.5,
    ocean_rate: int = 2000,
    ocean_density: float = 1.0,
    ocean_song: bool = False,
    progress: bool = False,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The recordings and events of a synthetic ocean, made in `folder` if it is not there yet.

    The folder gets `audio/*.wav`, one recording a site and day; `raven/*.selections.txt` and `noaa_log.csv`, the calls
    as annotators would hand them in; `truth.csv`, which adds each call's level over the noise and its range; and
    `noise.csv`, when a ship, rain, an air gun or a knock was heard. It appears only when it is whole. Events carry the
    extra columns `snr_db` and `range_km`. With `ocean_song` humpbacks sing all day and nobody else calls: the labels
    are those of their units.
    """
    folder = Path(folder)
    args = {
        "ocean_seed": int(ocean_seed),
        "ocean_days": int(ocean_days),
        "ocean_sites": int(ocean_sites),
        "ocean_minutes": float(ocean_minutes),
        "ocean_rate": int(ocean_rate),
        "ocean_density": float(ocean_density),
        "generator": GENERATOR,
    }
    if ocean_song:  # an ocean made before there was song is the same ocean
        args["ocean_song"] = True
    if 2 * ocean_minutes * 60 * ocean_rate > MOST_WAV_BYTES:
        raise InputError(
            f"{ocean_minutes:g} min at {ocean_rate} Hz do not fit into a WAV file: lower ocean_minutes or ocean_rate."
        )
    made_once(folder, "ocean", args, lambda draft: _write(draft, args, progress))
    recordings = _recordings(folder, args)
    return recordings, _events(folder)


def _recordings(folder: Path, args: dict) -> pd.DataFrame:
    """The recordings table of an ocean, which follows from its arguments."""
    rate = args["ocean_rate"]
    seconds = round(args["ocean_minutes"] * 60 * rate) / rate
    rows = []
    for number in range(args["ocean_days"]):
        start = day_of(args["ocean_seed"], number, seconds).start
        for site in range(args["ocean_sites"]):
            name = f"{site_of(args['ocean_seed'], site).name}_{start:%Y%m%d_%H%M%S}"
            path = str(folder / "audio" / f"{name}.wav")
            rows.append((name, path, start, seconds, rate, 1, f"{start:%Y-%m-%d}"))
    return tables.check_recordings(pd.DataFrame(rows, columns=list(tables.RECORDINGS)))


def _write(folder: Path, args: dict, progress: bool) -> None:
    """Make the ocean in this folder."""
    from whalelib import formats

    (folder / "audio").mkdir(parents=True)
    (folder / "raven").mkdir()
    seed, rate = args["ocean_seed"], args["ocean_rate"]
    recordings, truth, noise = _recordings(folder, args), [], []
    for k, row in enumerate(recordings.itertuples()):
        day, site = divmod(k, args["ocean_sites"])
        if args.get("ocean_song"):
            sound, rows, heard = make_song(seed, day, site, row.seconds, rate)
        else:
            sound, rows, heard = make_recording(seed, day, site, row.seconds, rate, args["ocean_density"])
        write_wav(Path(row.path), sound, rate, rng_for(seed, 4, day, site).normal(0, 2))
        truth += [{"recording": row.recording, "channel": 1, **event} for event in rows]
        noise += [{"recording": row.recording, **stretch} for stretch in heard]
        if progress:
            end = "\n" if k + 1 == len(recordings) else ""
            print(f"\rocean: recording {k + 1} of {len(recordings)}", end=end, file=sys.stderr, flush=True)
    columns = [*tables.EVENTS, "snr_db", "range_km"]
    pd.DataFrame(truth, columns=columns).to_csv(folder / "truth.csv", index=False)
    pd.DataFrame(noise, columns=list(tables.NOISE)).round(3).to_csv(folder / "noise.csv", index=False)
    events = _events(folder)
    formats.write_noaa_log(folder / "noaa_log.csv", events, recordings)
    for recording, one in recordings.groupby("recording"):
        here = events[events["recording"] == recording].reset_index(drop=True)
        formats.write_raven(folder / "raven" / f"{recording}.selections.txt", here, one.reset_index(drop=True))


def write_wav(path: Path, sound: Wave, rate: int, gain_db: float) -> None:
    """A 16-bit file at the recorder's gain, turned down only where it would clip."""
    loudest = max(float(sound.max()), -float(sound.min()))
    scale = np.float32(min(db(gain_db - FULL_SCALE_DB), 0.98 / loudest))
    with soundfile.SoundFile(path, "w", rate, 1, "PCM_16") as file:
        for first in range(0, len(sound), 2**20):
            file.write(sound[first : first + 2**20] * scale)


def _events(folder: Path) -> pd.DataFrame:
    """The events of a written ocean, with their level over the noise and their range."""
    types = {**tables.EVENTS, "snr_db": "float64", "range_km": "float64"}
    truth = pd.read_csv(folder / "truth.csv", dtype=types)
    return tables.check_events(truth, classes=[*SPECIES, *UNITS], where=str(folder / "truth.csv"))


def noises(folder: str | Path) -> pd.DataFrame:
    """When what was heard in an ocean besides whales and the murmur that is always there."""
    return pd.read_csv(Path(folder) / "noise.csv", dtype=tables.NOISE)
