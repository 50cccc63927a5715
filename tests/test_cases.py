"""Cases and searches of experiment files: written out, checked as a whole, drawn again alike."""

import math

import pytest
import yaml
from toys import PLAN, lay, written

from whalelib import experiment
from whalelib.errors import InputError
from whalelib.experiment.keeping import write_json

SPANS = {
    "learning_rate": {"low": 1e-4, "high": 1e-1, "log": True},
    "n_mels": {"low": 16, "high": 64, "step": 8},
    "dropout": {"low": 0.0, "high": 0.5},
    "padding": ["wrap", "zeros"],
}


@pytest.fixture
def toy(tmp_path, monkeypatch):
    return lay(tmp_path, monkeypatch)


def cases_of(toy, **change):
    plan = {**{key: value for key, value in PLAN.items() if key != "grid"}, "seeds": [0], **change}
    return [run.case for run in experiment.runs(experiment.load_experiment(written(toy, plan)))]


def test_a_list_of_cases_is_taken_as_it_is_and_may_be_named(toy):
    given = [{"name": "as published", "n_mels": 32}, {"padding": "wrap"}, {}]
    assert cases_of(toy, cases=given) == [{"n_mels": 32}, {"padding": "wrap"}, {}]
    labels = [run.label for run in experiment.runs(experiment.load_experiment(toy))]
    assert labels == ["as published,seed=0", "padding=wrap,seed=0", "seed=0"]


def test_each_case_meets_each_setting_of_a_grid(toy):
    given = {"cases": [{"name": "few", "n_mels": 16}, {"n_mels": 32}], "grid": {"padding": ["wrap", "zeros"]}}
    assert cases_of(toy, **given) == [{"n_mels": n, "padding": p} for n in (16, 32) for p in ("wrap", "zeros")]
    labels = [run.label for run in experiment.runs(experiment.load_experiment(toy))]
    assert labels[0] == "few,padding=wrap,seed=0"
    assert labels[2] == "n_mels=32,padding=wrap,seed=0"


def test_knobs_in_one_axis_move_together(toy):
    grid = {"n_mels, hop_seconds": [[16, 0.02], [32, 0.01]]}
    assert cases_of(toy, grid=grid) == [{"n_mels": 16, "hop_seconds": 0.02}, {"n_mels": 32, "hop_seconds": 0.01}]


def test_an_axis_counts_only_when_it_is_to(toy):
    grid = {"padding": ["wrap", "zeros"], "n_mels": {"values": [16, 32], "when": {"padding": ["zeros"]}}}
    assert cases_of(toy, grid=grid) == [
        {"padding": "wrap"},
        {"padding": "zeros", "n_mels": 16},
        {"padding": "zeros", "n_mels": 32},
    ]
    grid = {"n_mels": {"values": [16, 32], "when": {"padding": "zeros"}}}
    assert len(cases_of(toy, grid=grid, base={"padding": "zeros"})) == 2
    assert cases_of(toy, grid=grid, base={"padding": "wrap"}) == [{}]


def test_folders_are_called_so_that_every_file_system_takes_them(toy):
    long = [f"gain p=0.{n} db=1..2" for n in range(1, 9)]
    cases_of(toy, cases=[{"augmentations": long}, {"augmentations": long[:-1]}, {"name": "a/b"}])
    labels = [run.label for run in experiment.runs(experiment.load_experiment(toy))]
    assert len({*labels}) == 3
    assert labels[2] == "a_b,seed=0"
    assert all(len(label) <= 160 and "/" not in label for label in labels)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"cases": "wrap"}, "cases must be a list of knobs"),
        ({"cases": [{"name": "a"}, {"name": "a", "n_mels": 3}]}, "no other case has"),
        ({"cases": [{"n_mels": 8}, {"n_mels": 8}]}, "is there twice"),
        ({"cases": [{"seed": 8}]}, "seed is not part of the grid"),
        ({"grid": {"n_mels, padding": [[1]]}}, "must be a list of 2"),
        ({"grid": {"n_mels": {"values": [1], "when": {"pading": "wrap"}}}}, "did you mean 'padding'"),
        ({"grid": {"n_mels": {"values": [8], "when": {"padding": "wrap"}}, "padding": ["wrap"]}}, "before it"),
        ({"search": {"ranges": {}}}, "search needs ranges"),
        ({"search": {"ranges": {"n_mels": [8]}, "trial": 3}}, "unknown key 'trial'"),
        ({"search": {"ranges": {"n_mels": [8]}, "trials": 0}}, "whole number of 1 or more"),
        ({"search": {"ranges": {"n_mels": [8]}, "method": "grid"}}, "one of random, tpe"),
        ({"search": {"ranges": {"n_mels": {"low": 3, "high": 1}}}}, "low below high"),
        ({"search": {"ranges": {"n_mels": {"low": 0, "high": 1, "log": True}}}}, "low above 0"),
        ({"search": {"ranges": {"n_mels": {"low": 3}}}}, "have low and high"),
        ({"search": {"ranges": {"n_mels": [8]}}, "grid": {"padding": ["wrap"]}}, "a search draws its cases itself"),
        ({"matters": "much"}, "matters must be a number"),
        ({"beside": "train_seconds"}, "beside must be a list"),
        ({"base": {"source": "raven", "data_path": "/no/such/folder"}}, "/no/such/folder is not there"),
        ({"base": {"source": "raven", "data_path": "$NO_SUCH_SET/a"}}, "a variable that is not set"),
        ({"base": {"source": "raven"}}, "the source raven needs data_path"),
        ({"search": {"ranges": {"n_mels": {"low": -5, "high": 8}}}}, "n_mels cannot be -5"),
    ],
)
def test_what_cannot_be_is_one_sentence_before_anything_starts(toy, change, says):
    plan = {**{key: value for key, value in PLAN.items() if key != "grid"}, **change}
    with pytest.raises(InputError, match=says) as error:
        experiment.check(experiment.load_experiment(written(toy, plan)))
    assert "\n" not in str(error.value)


def test_a_name_on_the_hub_is_no_folder_that_is_missing(toy):
    plan = {**PLAN, "base": {"source": "hub", "data_path": "someone/whales"}}
    assert len(experiment.check(experiment.load_experiment(written(toy, plan)))) == 4


def test_everything_that_is_wrong_is_said_at_once(toy):
    plan = {**PLAN, "grid": {"padding": ["wrap", "wrop"], "n_mels": [16, -1]}}
    with pytest.raises(InputError) as error:
        experiment.check(experiment.load_experiment(written(toy, plan)))
    lines = str(error.value).splitlines()
    assert len(lines) >= 3
    assert any("wrop" in line for line in lines)
    assert any("n_mels cannot be -1" in line for line in lines)


class Sea:
    """Does runs without a notebook: their metric is how near their knobs come to a secret."""

    def __init__(self, stop_after=math.inf):
        self.stop_after, self.done = stop_after, 0

    def width(self):
        return 1

    def results(self, due):
        for run in due:
            if self.done == self.stop_after:
                raise KeyboardInterrupt
            score = -abs(math.log10(run.config.learning_rate) + 2) - run.config.dropout
            result = {"status": "done", "seconds": 1.0, "finished": "now", "values": {"score": score}}
            write_json(run.folder / "result.json", result)
            (run.folder / "config.yaml").write_text(yaml.safe_dump(run.config.flat()))
            self.done += 1
            yield run, result


def searched(toy, method, dealer, trials=12, **more):
    plan = {key: value for key, value in PLAN.items() if key not in ("grid", "base")} | {"seeds": [0]}
    plan["search"] = {"method": method, "trials": trials, "ranges": SPANS, **more}
    return [run.case for run in experiment.run_grid(experiment.load_experiment(written(toy, plan)), dealer=dealer)]


@pytest.mark.parametrize("method", ["random", "tpe"])
def test_an_interrupted_search_goes_on_as_if_it_had_not_been(tmp_path, monkeypatch, method):
    whole, broken = (lay(tmp_path / name, monkeypatch) for name in ("whole", "broken"))
    expected = searched(whole, method, Sea())
    with pytest.raises(KeyboardInterrupt):
        searched(broken, method, Sea(stop_after=5))
    rest = Sea()
    assert searched(broken, method, rest) == expected
    assert rest.done == 7
    for case in expected:
        assert 1e-4 <= case["learning_rate"] <= 1e-1
        assert case["n_mels"] in range(16, 65, 8)
        assert 0 <= case["dropout"] <= 0.5
        assert case["padding"] in ("wrap", "zeros")


def test_a_search_that_learns_comes_nearer_than_chance_does(toy):
    cases = searched(toy, "tpe", Sea(), trials=40)
    off = [abs(math.log10(case["learning_rate"]) + 2) + case["dropout"] for case in cases]
    assert sum(off[20:]) < sum(off[:10]) * 2


def test_a_search_goes_the_other_way_when_it_is_told_to(toy):
    cases = searched(toy, "tpe", Sea(), trials=40, direction="minimize")
    off = [abs(math.log10(case["learning_rate"]) + 2) + case["dropout"] for case in cases]
    assert sum(off[20:]) > sum(off[:10]) * 2
