"""Experiment files, run folders, and grids: skipped when done, kept when failed, gone on with after a kill."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import nbformat
import pytest
import yaml
from toys import PLAN, begun, lay, written

from whalelib import experiment, ledger
from whalelib.config import resolve
from whalelib.errors import InputError


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """A home with one experiment, whose training notebook is a toy."""
    return lay(tmp_path, monkeypatch)


def test_a_grid_is_every_case_with_every_seed(toy):
    labels = [run.label for run in experiment.runs(experiment.load_experiment(toy))]
    assert labels == ["padding=wrap,seed=0", "padding=wrap,seed=1", "padding=zeros,seed=0", "padding=zeros,seed=1"]


def test_a_base_may_be_a_file_and_knobs_over_it(toy):
    written(toy.parent / "small.yaml", {"epochs": 3, "width": 16})
    base = experiment.load_experiment(written(toy, {**PLAN, "base": ["small.yaml", {"epochs": 2}]})).base
    assert base == {"epochs": 2, "width": 16}


def test_a_grid_leaves_notebook_knobs_and_result_of_every_run(toy):
    for run in experiment.run_grid(experiment.load_experiment(toy)):
        assert run.result["status"] == "done"
        assert run.result["values"] == {"score": run.seed + 0.5}
        assert yaml.safe_load((run.folder / "config.yaml").read_text())["padding"] == run.case["padding"]
        executed = nbformat.read(run.folder / "03_train.ipynb", 4)
        assert any(f"seed = {run.seed}" in cell.source for cell in executed.cells)


def test_a_second_grid_runs_nothing(toy):
    asked = experiment.load_experiment(toy)
    experiment.run_grid(asked)
    experiment.run_grid(asked)
    assert sorted(begun(toy)) == ["wrap 0", "wrap 1", "zeros 0", "zeros 1"]


def test_a_changed_knob_makes_the_results_stale_and_runs_again(toy):
    experiment.run_grid(experiment.load_experiment(toy))
    changed = experiment.load_experiment(written(toy, {**PLAN, "base": {"epochs": 2}}))
    assert not any(run.fresh for run in experiment.runs(changed))
    experiment.run_grid(changed)
    assert len(begun(toy)) == 8


def test_another_path_of_the_data_runs_again(toy):
    made = {**PLAN, "base": {"source": "birdclef", "data_path": "miniature://birdclef"}}
    experiment.run_grid(experiment.load_experiment(written(toy, made)))
    real = {**PLAN, "base": {"source": "birdclef", "data_path": "/data/birdclef-2024"}}
    assert not any(run.fresh for run in experiment.runs(experiment.load_experiment(written(toy, real))))
    assert all(run.fresh for run in experiment.runs(experiment.load_experiment(written(toy, made))))


def test_a_failed_run_is_kept_and_the_others_go_on(toy, monkeypatch):
    monkeypatch.setenv("TOY_FAILS", "wrap 1")
    runs = experiment.run_grid(experiment.load_experiment(toy))
    assert [run.result["status"] for run in runs] == ["done", "failed", "done", "done"]
    assert "the toy broke" in runs[1].result["reason"]
    assert "RuntimeError: the toy broke" in (runs[1].folder / "failure.txt").read_text()
    assert "the toy broke" in (runs[1].folder / "03_train.ipynb").read_text()


def test_a_failed_run_is_tried_again_only_on_request(toy, monkeypatch):
    asked = experiment.load_experiment(toy)
    monkeypatch.setenv("TOY_FAILS", "wrap 1")
    experiment.run_grid(asked)
    monkeypatch.delenv("TOY_FAILS")
    assert experiment.run_grid(asked)[1].result["status"] == "failed"
    assert experiment.run_grid(asked, retry=True)[1].result["status"] == "done"
    assert not (experiment.runs(asked)[1].folder / "failure.txt").exists()
    assert len(begun(toy)) == 5


def test_a_killed_grid_goes_on_and_loses_no_finished_run(toy):
    script = f"from whalelib import experiment; experiment.run_grid(experiment.load_experiment({str(toy)!r}))"
    process = subprocess.Popen(
        [sys.executable, "-c", script], env={**os.environ, "TOY_SECONDS": "3"}, start_new_session=True
    )
    deadline = time.monotonic() + 60
    while len(begun(toy)) < 2 and time.monotonic() < deadline:  # the second run has begun
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    runs = experiment.runs(experiment.load_experiment(toy))
    finished = [run.label for run in runs if run.result]
    assert finished == ["padding=wrap,seed=0"]
    before = runs[0].result
    runs = experiment.run_grid(experiment.load_experiment(toy))
    assert [run.result["status"] for run in runs] == ["done"] * 4
    assert runs[0].result == before
    assert sorted(begun(toy)) == ["wrap 0", "wrap 1", "wrap 1", "zeros 0", "zeros 1"]


def test_executed_notebooks_do_not_carry_the_machines_paths(toy, tmp_path):
    run = experiment.run_grid(experiment.load_experiment(toy))[0]
    for path in run.folder.glob("*"):
        assert str(tmp_path) not in path.read_text(), path.name


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"grit": {}}, "unknown key 'grit'"),
        ({"question": None}, "lacks 'question'"),
        ({"grid": {"padding": "wrap"}}, "grid must give each knob a list"),
        ({"grid": {"seed": [1, 2]}}, "seed is not part of the grid"),
        ({"seeds": [0, 0]}, "different whole numbers"),
        ({"seeds": 3}, "different whole numbers"),
        ({"base": "missing.yaml"}, "missing.yaml"),
        ({"stages": ["trian"]}, "no stage 'trian'"),
    ],
)
def test_a_wrong_experiment_file_is_one_sentence(toy, change, says):
    with pytest.raises(InputError, match=says) as error:
        experiment.load_experiment(written(toy, {**PLAN, **change}))
    assert "\n" not in str(error.value)


def test_every_runs_knobs_are_checked_before_the_first_starts(toy):
    plan = {**PLAN, "grid": {"padding": ["wrap", "wrop"]}}
    with pytest.raises(InputError, match="did you mean 'wrap'"):
        experiment.run_grid(experiment.load_experiment(written(toy, plan)))
    assert begun(toy) == []


def test_a_stage_is_skipped_until_something_it_depends_on_changes(toy, tmp_path):
    folder = tmp_path / "run"
    for values, runs in (({}, 1), ({}, 1), ({"min_seconds": 0.5}, 1), ({"epochs": 2}, 2)):
        experiment.run_stages(resolve(values), ["train"], folder)
        assert len(begun(toy)) == runs, values
    experiment.run_stages(resolve({"epochs": 2}), ["train"], folder, again=True)
    assert len(begun(toy)) == 3


def test_other_data_in_another_folder_is_not_taken_for_done(tmp_path):
    here, there = (resolve({"source": "raven", "data_path": str(tmp_path / name)}) for name in "ab")
    assert experiment.stage_signature(here, "train") != experiment.stage_signature(there, "train")


def test_results_are_plain_json_without_nan(tmp_path):
    import numpy as np

    values = {"a": np.float32(0.5), "b": float("nan"), "c": [np.int64(3), {"d": float("inf")}], "e": np.array([1.0])}
    experiment.record(tmp_path, "train", resolve({}), **values)
    kept = json.loads((tmp_path / "train.json").read_text())["values"]
    assert kept == {"a": 0.5, "b": None, "c": [3, {"d": None}], "e": [1.0]}


def test_by_hand_nothing_is_recorded(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    experiment.record("", "train", resolve({}), score=1.0)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_two_runs_of_one_experiment_give_the_same_table(tmp_path, monkeypatch):
    """In two homes with nothing in common, but for the days and the minutes."""
    tables = []
    for place in ("here", "there"):
        home = tmp_path / place
        (home / "experiments").mkdir(parents=True)
        monkeypatch.setenv("WHALELIB_HOME", str(home))
        monkeypatch.setenv("WHALELIB_CACHE", str(home / "cache"))
        knobs = {
            "ocean_days": 5,
            "ocean_minutes": 1.0,
            "ocean_density": 2.0,
            "width": 8,
            "epochs": 2,
            "keep_sound": False,
        }
        plan = {**PLAN, "base": knobs, "grid": {"padding": ["wrap"]}, "metric": "test_ap"}
        experiment.run_grid(experiment.load_experiment(written(home / "experiments" / "twice.yaml", plan)))
        ledger.write_log(home)
        rows = [
            line for line in (home / ledger.LOG).read_text().splitlines() if line.startswith(("|", "**Found", "- "))
        ]
        assert len(rows) > 3
        tables.append([re.sub(r"\| [\d.]+ \| \d{4}-\d\d-\d\d \|", "|", row) for row in rows])
    assert tables[0] == tables[1]
    assert "test_ap" in tables[0][0]
