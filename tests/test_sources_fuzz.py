"""Every source with each of its files broken in many ways: it is read, or refused in a sentence, and nothing else."""

import shutil
from pathlib import Path

import layouts
import layouts_logs
import pytest
from mutation import mutants

from whalelib import sources, tables
from whalelib.errors import InputError

REVIEWED = {"verdict_column": "Prediction/Comments", "absent_tables": ["allnoise"], "default_label": "humpback"}
BOXED = {"song_types": True, "group_column": "recording_id"}


NUMBER = 25  # of mutants of each file; hundreds were tried when this was written

# What is broken: a source, its layout, the file, and options that make it look at every column.
CASES = [
    ("raven", layouts_logs.detector_reviews, "raven/*allcalls.txt", REVIEWED),
    ("audacity", layouts_logs.audacity_tracks, "A*.txt", {}),
    ("noaa_log", layouts_logs.noaa_sites, "north/logs/log.csv", {}),
    ("dclde2013", layouts_logs.dclde, layouts_logs.UPCALLS, {"logs": "both"}),
    ("clip_folder", layouts.labelled, "labels.csv", {"label_column": "species", "group_column": "tape"}),
    ("clip_folder", layouts.kaggle_whales, "train.csv", {}),
    ("rfcx", layouts.rfcx, "train_tp.csv", BOXED),
    ("rfcx", layouts.rfcx, "train_fp.csv", BOXED),
    ("birdclef", layouts.birdclef, "train_metadata.csv", {}),
    ("hub", layouts.hub_parquet, "data/train*.parquet", {"group_column": "tape"}),
    ("hub", layouts.hub_disk, "train/*.arrow", {"group_column": "tape"}),
    ("hub", layouts.hub_disk, "train/state.json", {}),
    ("hub", layouts.hub_disk, "train/*.arrow", {"label_column": "tape"}),
]


@pytest.mark.parametrize("case", range(len(CASES)), ids=[f"{c[0]}-{c[2].rsplit('/')[-1]}" for c in CASES])
def test_a_source_reads_or_refuses_what_happened_to_its_files(tmp_path, monkeypatch, case):
    source, make, pattern, options = CASES[case]
    monkeypatch.setenv("WHALELIB_CACHE", str(tmp_path / "cache"))
    make(tmp_path / "set")
    (path,) = (tmp_path / "set").glob(pattern)
    assert len(sources.load(source, tmp_path / "set", **options).events)
    spoken = 0
    for data in mutants(path.read_bytes(), NUMBER):
        path.write_bytes(data)
        spoken += loaded(source, tmp_path / "set", options)
        shutil.rmtree(tmp_path / "cache", ignore_errors=True)
    assert spoken


def loaded(source, folder, options):
    """Load a source; did it have something to say? Whatever it gives holds to the rules of the tables."""
    try:
        survey = sources.load(source, folder, **options)
    except InputError as error:
        assert "\n" not in str(error) and str(error).endswith((".", "?"))
        return True
    tables.check_events(survey.events, survey.recordings)
    assert all("\n" not in sentence and sentence.endswith((".", "?")) for sentence in survey.problems)
    return bool(survey.problems)


@pytest.mark.parametrize("source", ["raven", "clip_folder", "class_folder", "hub"])
def test_a_broken_sound_costs_no_other(tmp_path, monkeypatch, source):
    """One of several sounds broken in many ways: the others are always there."""
    monkeypatch.setenv("WHALELIB_CACHE", str(tmp_path / "cache"))
    case = next((c for c in CASES if c[0] == source), (source, layouts.class_folders, "", {}))
    case[1](tmp_path / "set")
    survey = sources.load(source, tmp_path / "set", **case[3])
    first, *others = survey.recordings.sort_values("path").itertuples()
    assert others
    path = Path(first.path)
    whole = path.read_bytes()
    for start in mutants(whole[:64], 10):
        path.write_bytes(start + whole[64:])
        survey = sources.load(source, tmp_path / "set", **case[3])
        assert {row.path for row in others} <= set(survey.recordings["path"])
        loaded(source, tmp_path / "set", case[3])
