"""The products of a configuration: the right one for the knobs, made once, found again; defaults written once."""

import inspect
import shutil

import pytest

from whalelib import clips, config, features, models, post, predict, sources, stages, synth, train
from whalelib.errors import InputError

TAKES_KNOBS = [
    synth.ocean,
    sources.synthetic.synthetic,
    clips.split,
    clips.cut,
    features.Spectrogram,
    models.Detector,
    train.fit,
    predict.scan,
    post.detect,
    post.choose_thresholds,
]


@pytest.mark.parametrize("function", TAKES_KNOBS, ids=lambda f: f"{f.__module__}.{f.__name__}")
def test_a_functions_defaults_are_the_knobs_defaults(function):
    knobs = {**config.resolve().flat(), "seed": 0}
    defaults = {
        name: parameter.default
        for name, parameter in inspect.signature(function).parameters.items()
        if name in knobs and parameter.default is not inspect.Parameter.empty
    }
    assert defaults, "this function takes no knob"
    assert defaults == {name: knobs[name] for name in defaults}


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.setenv("WHALELIB_CACHE", str(tmp_path / "cache"))
    return tmp_path


@pytest.fixture
def tiny():
    return {"ocean_days": 3, "ocean_minutes": 0.5, "ocean_density": 3.0, "width": 4, "epochs": 1, "clips_per_call": 1}


def raven_folder(tiny, folder):
    """The tiny ocean as a folder of recordings and selection tables, as a user would have it."""
    synth.ocean(folder / "made", **{k: v for k, v in tiny.items() if k.startswith("ocean")})
    for part in ("audio", "raven"):
        shutil.copytree(folder / "made" / part, folder / "own" / part)
    return {**{k: v for k, v in tiny.items() if not k.startswith("ocean")}, "source": "raven", "exhaustive": True,
            "data_path": str(folder / "own")}  # fmt: skip


def test_the_whole_path_by_hand(here, tiny):
    knobs = config.resolve(tiny)
    parts = stages.split(knobs)
    assert set(parts.folds) == {"train", "validation", "test"}
    assert stages.fit(knobs, parts, progress=False).best_epoch == 1
    detections, scores, thresholds = stages.detections(knobs, parts)
    assert set(scores["recording"]) == set(parts.recordings("test")["recording"])
    assert set(detections["recording"]) <= set(scores["recording"])
    assert set(thresholds) == set(parts.classes)


def test_a_threshold_that_is_given_is_used(here, tiny):
    knobs = config.resolve({**tiny, "threshold": 0.9})
    parts = stages.split(knobs)
    stages.fit(knobs, parts, progress=False)
    _, _, thresholds = stages.detections(knobs, parts)
    assert set(thresholds.values()) == {0.9}


def test_without_a_trained_detector_the_way_is_shown(here, tiny):
    knobs = config.resolve(tiny)
    with pytest.raises(InputError, match="run notebook 03"):
        stages.trained(knobs, stages.split(knobs))


def test_products_are_shared_by_runs_that_differ_later(here, tiny):
    """Seeds and thresholds do not cut the clips again; another clip length does."""

    def stores():
        return sorted(path.name for path in (here / "cache").glob("clips-*"))

    for change, count in (({}, 1), ({"seed": 1}, 1), ({"min_seconds": 0.5}, 1), ({"clip_seconds": 2.0}, 2)):
        knobs = config.resolve({**tiny, **change})
        stages.store(knobs, stages.split(knobs))
        assert len(stores()) == count, change


def test_two_folders_with_the_same_knobs_are_two_data_sets_and_a_moved_one_is_the_same(here, tiny, tmp_path):
    values = raven_folder(tiny, tmp_path)
    knobs = config.resolve(values)
    first = stages.store(knobs, stages.split(knobs)).folder
    moved = config.resolve({**values, "data_path": str(shutil.move(values["data_path"], tmp_path / "moved"))})
    assert stages.store(moved, stages.split(moved)).folder == first
    table = sorted((tmp_path / "moved" / "raven").glob("*.txt"))[0]
    lines = table.read_text().splitlines(keepends=True)
    table.write_text("".join(lines[:-1]))  # one annotation less
    other = stages.store(moved, stages.split(moved)).folder
    assert other != first


def test_a_source_that_needs_a_folder_says_so(here):
    with pytest.raises(InputError, match="needs data_path"):
        stages.survey(config.resolve({"source": "raven"}))


def test_classes_come_from_training_days(here, tiny):
    knobs = config.resolve({**tiny, "classes": ["blue_whale_dcall"]})
    parts = stages.split(knobs)
    assert parts.classes == ["blue_whale_dcall"]
    assert set(parts.events("train", "validation", "test")["label"]) == {"blue_whale_dcall"}
    assert stages.fresh_detector(knobs, parts.classes).classes == ["blue_whale_dcall"]
