"""Published data sets in miniature: made sounds in the layout, under the names and with the tables of the real set.

A recipe runs on one from end to end, and on the real set when its path is given instead. What is measured on a
miniature says nothing about the real set.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import soundfile

from whalelib.errors import InputError, suggestion
from whalelib.synth.folder import write_wav
from whalelib.synth.recording import FIRST_DAY, make_recording, rng_for
from whalelib.synth.songs import Song, forest, song_of, sung
from whalelib.synth.waves import Wave
from whalelib.synth.whole import made_once

MINIATURE_VERSION = 1  # counts up when the same seed begins to give other miniatures

NOAA_HEADER = (
    "Selection", "Channel", "Start_DateTime_ISO8601", "End_DateTime_ISO8601", "Low.Freq..Hz.", "High.Freq..Hz.",
    "Species", "Detection_Confidence",
)  # fmt: skip
UPCALLS = "detections/NEFSC_SBNMS_200903_NOPP6_CH10_upcall-detection-log.csv"
BALEEN = "detections/NEFSC_SBNMS_200903_NOPP6_CH10_allbaleen-detection-log_updated.csv"
RFCX_HEADER = ("recording_id", "species_id", "songtype_id", "t_min", "f_min", "t_max", "f_max")
BIRDCLEF_HEADER = (
    "primary_label", "secondary_labels", "type", "latitude", "longitude", "scientific_name", "common_name", "author",
    "license", "rating", "url", "filename",
)  # fmt: skip

_NOAA_SPECIES = {
    "right_whale_upcall": "RIWH", "fin_whale_20hz": "FIWH", "blue_whale_dcall": "BLWH", "humpback_unit": "HUWH",
    "minke_pulse_train": "MIWH",
}  # fmt: skip
_FOREST_RATE = 32000


def miniature(name: str, folder: str | Path, seed: int = 0) -> Path:
    """The folder with the miniature of this data set, made if it is not there yet; it appears only when it is whole."""
    if name not in MINIATURES:
        known = ", ".join(MINIATURES)
        raise InputError(f"there is no miniature of {name!r}{suggestion(name, MINIATURES, f'there are {known}')}.")
    folder = Path(folder).expanduser()
    args = {"set": name, "seed": int(seed), "version": MINIATURE_VERSION}
    made_once(folder, "miniature", args, lambda draft: MINIATURES[name](draft, seed))
    return folder


def write_table(path: Path, header: Iterable[str], rows: Iterable[Iterable[Any]]) -> Path:
    """A csv with commas."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([tuple(header), *rows])
    return path


def dclde2013(folder: Path, seed: int) -> None:
    """A week off Stellwagen Bank: four recordings a day in place of 96, of a minute each, with both logs."""
    seconds, rate, a_day = 60.0, 2000, 4
    (folder / "source-audio").mkdir(parents=True)
    calls = []
    for number in range(7 * a_day):
        start = FIRST_DAY.tz_localize(None) + pd.Timedelta(hours=number * 24 / a_day)
        sound, rows, _ = make_recording(seed, number, 0, seconds, rate, 2.5)
        name = f"NOPP6_EST_{start:%Y%m%d_%H%M%S}_CH10.wav"
        write_wav(folder / "source-audio" / name, sound, rate, 0.0)
        calls += [(start, row) for row in rows]
    for log, species in ((UPCALLS, ["RIWH"]), (BALEEN, list(_NOAA_SPECIES.values()))):
        said = [(start, row) for start, row in calls if _NOAA_SPECIES[row["label"]] in species]
        write_table(folder / log, NOAA_HEADER, (_logged(k, *call) for k, call in enumerate(said, 1)))


def _logged(number: int, start: pd.Timestamp, row: dict) -> tuple:
    """A line of a NOAA detection log; its times are those of the file names, without a zone."""
    onset, offset = (
        (start + pd.Timedelta(row[end], unit="s")).isoformat(timespec="milliseconds") for end in ("onset", "offset")
    )
    confidence = "Detected" if row["truth"] == "present" else "Possibly_Detected"
    return number, 10, onset, offset, row["low_hz"], row["high_hz"], _NOAA_SPECIES[row["label"]], confidence


def rfcx(folder: Path, seed: int) -> None:
    """Two dozen minutes of a forest in place of five thousand, in which somebody checked a few songs: there, or not."""
    rng = rng_for(seed, 5)
    kinds = [(species, song) for species, types in ((3, 1), (14, 1), (18, 1), (23, 2)) for song in range(1, types + 1)]
    songs = {kind: song_of(rng) for kind in kinds}
    there, not_there = [], []
    for _ in range(24):
        name = rng.bytes(5).hex()[:9]
        sound = forest(rng, _FOREST_RATE, 60.0)
        singing = rng.permutation(len(kinds))[: rng.integers(0, 4)]
        # A kind that does not sing in this minute is known to be absent from any part of it; where none does, all
        # are denied at once.
        denied = float(rng.uniform(1.0, 50.0))
        for k, kind in enumerate(kinds):
            if k in singing:  # of several singings one is checked, as in the real set
                ends = [sung(rng, _FOREST_RATE, sound, float(begin), songs[kind]) for begin in rng.uniform(1, 55, 3)]
                there.append(_checked(name, kind, *ends[0], songs[kind]))
            elif not len(singing):
                not_there.append(_checked(name, kind, denied, denied + 6.0, songs[kind]))
            elif rng.random() < 0.7:
                onset = float(rng.uniform(1.0, 55.0))
                not_there.append(_checked(name, kind, onset, onset + rng.uniform(1.0, 4.0), songs[kind]))
        _write_quietly(folder / "train" / f"{name}.flac", sound)
    write_table(folder / "train_tp.csv", RFCX_HEADER, there)
    write_table(folder / "train_fp.csv", RFCX_HEADER, not_there)


def _checked(name: str, kind: tuple[int, int], onset: float, offset: float, song: Song) -> tuple:
    low_hz, high_hz = sorted((song.first_hz, song.last_hz))
    return (name, *kind, round(onset, 4), round(0.9 * low_hz, 2), round(offset, 4), round(1.1 * high_hz, 2))


def birdclef(folder: Path, seed: int) -> None:
    """Fifty recordings of six birds by nine people, some common and some rare, some well recorded and some badly."""
    rng = rng_for(seed, 6)
    counts = {"abethr1": 16, "asbfly": 11, "bkwsti": 8, "comsan": 6, "hoopoe": 5, "zitcis1": 4}
    songs = {bird: [song_of(rng), song_of(rng)] for bird in counts}
    rows = []
    for bird, count in counts.items():
        for number in range(count):
            seconds = float(rng.uniform(6, 26))
            sound, others = forest(rng, _FOREST_RATE, seconds), [b for b in counts if b != bird]
            behind = [str(b) for b in rng.choice(others, int(rng.random() < 0.3), replace=False)]
            for who, every in ((bird, 2.0), *((b, 6.0) for b in behind)):
                for begin in np.arange(rng.uniform(0, every), seconds - 1, every):
                    sung(rng, _FOREST_RATE, sound, float(begin), songs[who][rng.integers(2)])
            file = f"{bird}/XC{rng.integers(10**5, 10**6)}.ogg"
            _write_quietly(folder / "train_audio" / file, sound)
            # Each bird was recorded by several people, or a split by people could not hold it on every side.
            author = f"Recordist {'ABCDEFGHI'[(number + len(bird)) % 9]}"
            rating = float(rng.choice([0.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0]))
            rows.append(bird_row(bird, repr(behind), author, rating, file))
    write_table(folder / "train_metadata.csv", BIRDCLEF_HEADER, rows)


def bird_row(primary: str, secondary: str, author: str, rating: float | str, filename: str) -> list:
    """A row of BirdCLEF's train_metadata.csv; lists are written as Python writes them."""
    url = f"https://www.xeno-canto.org/{Path(filename).stem[2:]}"
    return [primary, secondary, "['call']", 4.39, 38.3, "Genus species", "A bird", author, "CC", rating, url, filename]


def _write_quietly(path: Path, sound: Wave) -> None:
    """A file in the format of its ending, in blocks (long writes are more than the Vorbis encoder bears)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scale = np.float32(min(0.02, 0.9 / float(np.abs(sound).max())))
    with soundfile.SoundFile(path, "w", _FOREST_RATE, 1, format=path.suffix[1:].upper()) as file:
        for first in range(0, len(sound), 2**16):
            file.write(sound[first : first + 2**16] * scale)


MINIATURES: dict[str, Callable[[Path, int], None]] = {"dclde2013": dclde2013, "rfcx": rfcx, "birdclef": birdclef}
