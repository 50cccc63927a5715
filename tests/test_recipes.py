"""Published sets in miniature, and the recipes that run on them: one path away from the real sets."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from whalelib import config, experiment, sources, stages, synth
from whalelib.errors import InputError

ROOT = Path(__file__).parents[1]
RECIPES = ["dclde2013", "rfcx", "birdclef2024", "birdclef2023"]
EXPERIMENTS = sorted((ROOT / "experiments").glob("*.yaml"))


@pytest.fixture(scope="module")
def miniatures(tmp_path_factory):
    """Each miniature, made when it is first asked for."""
    folder, made = tmp_path_factory.mktemp("miniatures"), {}

    def of(name):
        if name not in made:
            made[name] = synth.miniature(name, folder / name)
        return made[name]

    return of


def asked(name):
    return experiment.load_experiment(ROOT / "experiments" / f"{name}.yaml")


# Miniatures


@pytest.mark.parametrize("name", synth.MINIATURES)
def test_a_miniature_is_read_by_the_source_of_its_name_and_nothing_is_left_out(miniatures, name):
    survey = sources.load(name, miniatures(name), exhaustive=True)
    assert [problem for problem in survey.problems if "no rating" not in problem] == []
    on_disk = [path for path in miniatures(name).rglob("*") if path.suffix in (".wav", ".flac", ".ogg")]
    assert len(survey.recordings) == len(on_disk)
    assert {"present"} < set(survey.events["truth"])
    assert survey.recordings["group"].nunique() >= 5  # enough to be split


def test_another_seed_gives_other_sounds_under_the_same_layout(miniatures, tmp_path):
    other = synth.miniature("birdclef", tmp_path / "other", seed=1)
    table = (miniatures("birdclef") / "train_metadata.csv").read_text()
    assert (other / "train_metadata.csv").read_text() != table
    assert (other / "train_metadata.csv").read_text().splitlines()[0] == table.splitlines()[0]


def test_a_miniature_is_made_once_and_never_over_something_else(miniatures, tmp_path):
    before = {path: path.stat().st_mtime_ns for path in miniatures("rfcx").rglob("*")}
    synth.miniature("rfcx", miniatures("rfcx"))
    assert {path: path.stat().st_mtime_ns for path in miniatures("rfcx").rglob("*")} == before
    with pytest.raises(InputError, match="seed is 0 there, 1 here"):
        synth.miniature("rfcx", miniatures("rfcx"), seed=1)
    (tmp_path / "letter.txt").write_text("dear whale")
    with pytest.raises(InputError, match="holds no miniature"):
        synth.miniature("rfcx", tmp_path)
    with pytest.raises(InputError, match="did you mean 'birdclef'"):
        synth.miniature("birdclef2024", tmp_path / "new")


def test_what_a_miniature_denies_was_not_sung(miniatures):
    """In the RFCX miniature a false positive's kind is not among the true positives of its minute."""
    events = sources.load("rfcx", miniatures("rfcx"), song_types=True).events
    kinds = {truth: set(map(tuple, rows[["recording", "label"]].to_numpy())) for truth, rows in events.groupby("truth")}
    assert not kinds["present"] & kinds["absent"]
    silent = events[events["truth"] == "absent"].groupby("recording")["onset"].agg(["nunique", "size"])
    assert ((silent["nunique"] == 1) & (silent["size"] == 5)).any()  # a stretch where all are denied, which is noise


def test_a_call_of_the_dclde_miniature_lies_where_its_log_says(miniatures):
    """In its box a call stands out of the seconds around it, for most of those that are sure and not short of room."""
    survey = sources.load("dclde2013", miniatures("dclde2013"))
    paths, louder = survey.recordings.set_index("recording")["path"], []
    sure = survey.events[survey.events["truth"] == "present"]
    for call in sure[(sure["onset"] > 3) & (sure["offset"] < 57)].head(60).itertuples():
        sound, rate = soundfile.read(paths[call.recording])

        def level(onset, call=call, sound=sound, rate=rate):
            return synth.in_band_rms(sound, rate, onset, onset + call.offset - call.onset, call.low_hz, call.high_hz)

        around = [level(call.onset + shift) for shift in (-2.5, -1.7, 1.7, 2.5)]
        louder.append(level(call.onset) > np.median(around))
    assert np.mean(louder) > 0.85


# The path of a miniature, in place of a folder


def test_a_miniature_is_a_path_and_says_that_it_is_no_real_data(miniatures, tmp_path, monkeypatch):
    monkeypatch.setenv("WHALELIB_CACHE", str(tmp_path / "cache"))
    knobs = config.resolve({"source": "birdclef", "data_path": "miniature://birdclef"})
    survey = stages.survey(knobs)
    assert "says nothing about that set" in survey.problems[0]
    (made,) = (tmp_path / "cache").glob("miniature-birdclef-*")
    for path in made.rglob("*.*"):  # the same seed, the same set; an ogg stream has a serial number of its own
        other = miniatures("birdclef") / path.relative_to(made)
        if path.suffix == ".ogg":
            np.testing.assert_array_equal(soundfile.read(path)[0], soundfile.read(other)[0])
        else:
            assert path.read_bytes() == other.read_bytes()
    same = stages.survey(config.resolve({"source": "birdclef", "data_path": str(made)}))
    assert same.fingerprint() == survey.fingerprint()
    assert not any("no real data" in problem for problem in same.problems)
    for path in ("miniature://", "miniature://birds"):
        with pytest.raises(InputError, match="there is no miniature of"):
            stages.survey(config.resolve({"source": "birdclef", "data_path": path}))


# The recipes


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.stem)
def test_every_knob_of_every_run_of_every_experiment_is_sound(path):
    given = config.read_yaml(path)
    if "question" not in given:
        config.resolve(given, where=str(path))
        return
    planned = experiment.runs(experiment.load_experiment(path))
    assert len({run.label for run in planned}) == len(planned)


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_builds_its_detector_for_what_its_miniature_holds(miniatures, name):
    (run,) = experiment.runs(asked(name))
    knobs = run.config
    assert knobs.data_path == f"{stages.MINIATURE}{knobs.source}"
    given = knobs.flat(["reading"]) | {"folder": miniatures(knobs.source)}
    survey = sources.load(knobs.source, **{k: v for k, v in given.items() if v not in ("", [])})
    detector = stages.fresh_detector(knobs, sorted(survey.events["label"].unique()))
    assert detector.frames > 1
    learning = [name for name, parameter in detector.named_parameters() if parameter.requires_grad]
    assert any(name.startswith("head.") for name in learning)  # also where the network is frozen or has LoRA
    if knobs.lora_rank:
        assert any("lora" in name for name in learning)
        assert all("lora" in name for name in learning if name.startswith("network."))
    if knobs.freeze:
        assert any(name.startswith("neck.") for name in learning)
        assert not any(name.startswith("network.") for name in learning)


SMOKE = {
    "dclde2013": {"epochs": 1, "depth": 1, "width": 16, "mlflow_server": ""},
    "rfcx": {"epochs": 1, "test_crops": 4, "test_speeds": [1.0, 1.1]},
    "birdclef2024": {"epochs": 1, "clips_per_call": 1},
    "birdclef2023": {"epochs": 1, "hop_seconds": 0.128},
}


@pytest.mark.recipe
@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_runs_from_end_to_end(tmp_path, monkeypatch, name):
    monkeypatch.setenv("WHALELIB_HOME", str(tmp_path))
    monkeypatch.delenv("WHALELIB_CACHE", raising=False)
    (tmp_path / "experiments").mkdir()
    shutil.copy(ROOT / "experiments" / f"{name}.yaml", tmp_path / "experiments")
    plan = experiment.load_experiment(tmp_path / "experiments" / f"{name}.yaml")
    plan.base.update(SMOKE[name])
    (run,) = experiment.run_grid(plan)
    assert run.result["status"] == "done", run.result["reason"]
    values = run.result["values"]
    assert np.isfinite(values[plan.metric])
    assert values["scan_seconds_per_hour"] > 0
    assert any("no real data" in sentence for sentence in run.result["left_out"])
