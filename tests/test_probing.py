"""What a grid will take, told before it begins: trials of one epoch, reckoned up, and nothing of them left."""

import nbformat
import pytest
from toys import PLAN, lay, written
from typer.testing import CliRunner

from whalelib import experiment
from whalelib.cli import app
from whalelib.errors import InputError
from whalelib.experiment.keeping import write_json

# It claims to have learnt for 100 s an epoch, and leaves the clips and the detector that its knobs ask for.
CELLS = """
from whalelib import config, experiment
knobs = config.from_notebook(globals())
if knobs.padding == "edge":
    raise RuntimeError("the toy broke")
for product in ("clips", "detector"):
    experiment.cache(knobs, product, data="toy").mkdir(parents=True, exist_ok=True)
experiment.record(run_folder, "train", knobs, score=1.0, train_seconds=100.0 * knobs.epochs)
"""


@pytest.fixture
def toy(tmp_path, monkeypatch):
    path = lay(tmp_path, monkeypatch)
    notebook = nbformat.read(path.parents[1] / "notebooks" / "03_train.ipynb", as_version=4)
    notebook.cells[1]["source"] = CELLS
    nbformat.write(notebook, path.parents[1] / "notebooks" / "03_train.ipynb")
    return path


def asked(toy, **change):
    return experiment.load_experiment(written(toy, {**PLAN, "base": {"epochs": 5}, **change}))


def test_a_trial_of_one_epoch_tells_what_five_take_and_leaves_only_clips(toy):
    plan = asked(toy)
    wrap, zeros = experiment.expected(plan)
    assert (wrap.case, wrap.runs, zeros.case, zeros.runs) == ("padding=wrap", 2, "padding=zeros", 2)
    for trial in (wrap, zeros):
        assert 400 < trial.seconds < 500  # four epochs that were not run, and what the trial itself took
    left = sorted(path.name for path in experiment.cache_root().iterdir() if path.name != "locks")
    assert left == sorted(experiment.cache(run.config, "clips", data="toy").name for run in experiment.runs(plan)[::2])
    assert not any(run.folder.exists() for run in experiment.runs(plan))


def test_a_case_that_has_been_run_is_not_tried(toy):
    plan = asked(toy, grid={"padding": ["edge"]})
    run = experiment.runs(plan)[0]
    experiment.keep_knobs(run.config, run.folder)
    write_json(run.folder / "result.json", {"status": "done", "seconds": 70.0, "values": {}})
    assert list(experiment.expected(plan)) == [experiment.Expected("padding=edge", 1, 70.0)]


def test_a_named_case_under_several_settings_is_tried_under_each(toy):
    plan = asked(toy, cases=[{"name": "few", "n_mels": 16}])
    assert [trial.case for trial in experiment.expected(plan)] == ["few,padding=wrap", "few,padding=zeros"]


def test_runs_at_once_share_the_time_but_none_is_cut():
    trials = [experiment.Expected("a", 4, 10.0), experiment.Expected("b", 1, 30.0), experiment.Expected("c", 2, None)]
    assert [experiment.at_once(trials, width) for width in (1, 2, 7)] == [70.0, 35.0, 30.0]
    assert experiment.at_once([], 2) == 0.0


def test_the_command_tells_case_by_case_and_begins_nothing(toy):
    asked(toy, grid={"padding": ["wrap", "edge"]})
    done = CliRunner().invoke(app, ["grid", str(toy), "--probe", "--jobs", "2"])
    assert done.exit_code == 1
    assert "padding=wrap: 2 runs, about 7 min each" in done.stdout
    assert "padding=edge: 2 runs, cannot be run: RuntimeError: the toy broke" in done.stdout
    assert "2 runs, about 7 min in all, 2 at a time; none was begun." in done.stdout


def test_a_search_is_not_tried(toy):
    search = {"trials": 2, "ranges": {"n_mels": {"low": 16, "high": 64}}}
    plan = {key: value for key, value in PLAN.items() if key != "grid"}
    with pytest.raises(InputError, match="draws its cases one by one"):
        list(experiment.expected(experiment.load_experiment(written(toy, {**plan, "search": search}))))
