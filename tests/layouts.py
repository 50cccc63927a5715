"""Data sets in the layouts in which they are published, in miniature: `python tests/layouts.py FOLDER` makes them all.

The tests of the sources read them; made by hand, they show what a folder must look like.
"""

import argparse
import io
from pathlib import Path

import layouts_logs
import numpy as np
import soundfile

from whalelib.synth.miniatures import BIRDCLEF_HEADER, RFCX_HEADER, bird_row, write_table

RATE = 1000


def write_sound(path, seconds=1.0, rate=RATE):
    """A short sound of its own, in the format of the file's ending."""
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = np.random.default_rng(len(path.name)).normal(0, 0.1, round(seconds * rate))
    ending = path.suffix[1:].upper()
    soundfile.write(path, samples, rate, format="AIFF" if ending == "AIF" else ending)


def sound_bytes(seconds=1.0, kind="WAV"):
    """The bytes of such a sound."""
    buffer = io.BytesIO()
    soundfile.write(buffer, np.full(round(seconds * RATE), 0.1), RATE, format=kind)
    return buffer.getvalue()


def write_csv(path, header, *rows):
    write_table(path, header, rows)


def labelled(folder):
    """A csv of file, label, species and tape beside a folder of clips."""
    for name, seconds in (("a.wav", 1.0), ("b.flac", 2.0), ("c.wav", 0.5)):
        write_sound(folder / "audio" / name, seconds)
    write_csv(
        folder / "labels.csv",
        ["file", "label", "species", "tape"],
        ["a.wav", "upcall", "Fin, Finback Whale", "62018"],
        ["b.flac", "noise", "Minke Whale", "62018"],
        ["c.wav", "upcall", "Minke Whale", "71001"],
    )


def kaggle_whales(folder):
    """Kaggle's Whale Detection Challenge: train.csv with 0 and 1, clips in train, unlabelled ones in test."""
    names = ["20090328_000000_002s3ms_TRAIN0_0.aif", "20090328_000000_010s6ms_TRAIN1_1.aif", "train3.aiff"]
    for name in names:
        write_sound(folder / "train" / name, 2.0, 2000)
    write_sound(folder / "test" / "test1.aif", 2.0, 2000)
    write_csv(folder / "train.csv", ["clip_name", "label"], *zip(names, (0, 1, 1), strict=True))


def class_folders(folder):
    """A folder for each class; inside it loose clips, or those of a tape together."""
    for name in ("minke/a.wav", "minke/20090328_120000.wav", "minke/tape7/b.wav", "noise/a.wav", "noise/tape7/c.wav"):
        write_sound(folder / name)


def animal_spot(folder):
    """Flat names that say everything, also where the files lie in folders."""
    for name in (
        "call-Orca-A12_929_2019_Rec-031-2018-10-19_2949326_2949919.wav",
        "call-_930_2019_Rec-031-2018-10-19_2950000_2951000.wav",
        "noise-_2381_2010_101BC_149817_150055.wav",
        "GOLDEN/warbler-song_5_2010_101BC_0_1000.wav",
    ):
        write_sound(folder / name)


def rfcx(folder):
    """Kaggle's RFCX set: two tables, minutes in train; ours last six seconds."""
    for name in ("003bec244", "006ab765f", "00834f88e"):
        write_sound(folder / "train" / f"{name}.flac", 6.0)
    write_csv(
        folder / "train_tp.csv",
        RFCX_HEADER,
        ["003bec244", 14, 1, 4.544, 231.25, 5.1307, 431.25],
        ["006ab765f", 23, 1, 0.9615, 35.16, 2.0452, 283.4],
        ["006ab765f", 23, 4, 3.0, 35.16, 3.5, 283.4],
    )
    write_csv(folder / "train_fp.csv", RFCX_HEADER, ["00834f88e", 14, 1, 1.0, 100, 2.5, 300])


def birdclef(folder):
    """BirdCLEF 2023 and 2024: a folder a species, file names with their folder, 0.0 or nothing for no rating."""
    rows = [
        bird_row("abethr1", "[]", "Rolf A. de By", 4.0, "abethr1/XC128013.ogg"),
        bird_row("abethr1", "['asbfly', 'combul2']", "James Bradley", 2.0, "abethr1/XC363501.ogg"),
        bird_row("abethr1", "[]", "James Bradley", 0.0, "abethr1/XC363502.ogg"),
        bird_row("asbfly", "['']", "Matt Slaymaker", "", "asbfly/XC134896.ogg"),
    ]
    for row in rows:
        write_sound(folder / "train_audio" / row[-1], 2.0, 8000)
    write_csv(folder / "train_metadata.csv", BIRDCLEF_HEADER, *rows)


def hub_table():
    """Three rows of sound as bytes, with class labels, tapes, and what the set's maker wrote of the columns."""
    import datasets
    import pyarrow as pa

    features = datasets.Features(
        audio=datasets.Audio(decode=False),
        label=datasets.ClassLabel(names=["noise", "upcall"]),
        tape=datasets.Value("string"),
    )
    rows = {
        "audio": [
            {"bytes": sound_bytes(1.0), "path": "clips/first one.wav"},
            {"bytes": sound_bytes(2.0, "FLAC"), "path": None},
            {"bytes": sound_bytes(0.5), "path": "SITE_20090328_120000.wav"},
        ],
        "label": [0, 1, 1],
        "tape": ["x", "y", None],
    }
    return pa.table(rows, schema=features.arrow_schema)


def hub_disk(folder):
    """A data set of two splits as save_to_disk leaves it."""
    import datasets

    datasets.disable_progress_bars()
    whole = datasets.Dataset(hub_table())
    parts = datasets.DatasetDict(train=whole.select(range(2)), test=whole.select(range(2, 3)))
    parts.save_to_disk(str(folder))


def hub_parquet(folder):
    """The same data set as the hub stores it: parquet files named by split."""
    import pyarrow.parquet as pq

    (folder / "data").mkdir(parents=True, exist_ok=True)
    table = hub_table()
    pq.write_table(table.slice(0, 2), folder / "data" / "train-00000-of-00001.parquet")
    pq.write_table(table.slice(2), folder / "data" / "test-00000-of-00001.parquet")


LAYOUTS = [
    labelled, kaggle_whales, class_folders, animal_spot, rfcx, birdclef, hub_disk, hub_parquet,
    layouts_logs.detector_reviews, layouts_logs.audacity_tracks, layouts_logs.noaa_sites, layouts_logs.dclde,
]  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where to make them; a folder each")
    here = parser.parse_args().folder
    for make in LAYOUTS:
        make(here / make.__name__)
        print(f"{make.__name__:16} {(make.__doc__ or '').strip()}")
