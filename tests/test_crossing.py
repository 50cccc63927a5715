"""Cross-validation: every clip judged once, by a detector that had not heard it, and the log that says so."""

import numpy as np
import pandas as pd
import pytest
import yaml
from sklearn.metrics import roc_auc_score

from whalelib import config, crossing, ensembles, experiment, ledger, stages
from whalelib.errors import InputError
from whalelib.experiment.keeping import write_json


def said_of(clips, fold, seed=0):
    """Held-out scores of one fold: noisy, and the noise depends on the seed."""
    rows = np.arange(fold * clips, (fold + 1) * clips)
    truth = (rows % 3 == 0).astype(float)
    table = pd.DataFrame({"recording": [f"r{k}" for k in rows], "onset": 0.0, "seconds": 2.0, "channel": 1})
    table = table.assign(group=table["recording"], call=truth)
    noise = np.random.default_rng([fold, seed]).normal(0, 0.5, clips)
    return ensembles.held_out(table, (truth + noise)[:, None], ["call"])


@pytest.fixture
def asked(tmp_path):
    """An experiment of three folds and two seeds, its runs as if they had been done."""
    file = tmp_path / "experiments" / "cross.yaml"
    file.parent.mkdir()
    about = {"title": "Crossed", "question": "?", "expectation": "!", "metric": "validation_auc", "stages": ["train"]}
    knobs = {"base": {"n_folds": 3}, "grid": {"validation_fold": [0, 1, 2]}, "seeds": [0, 1]}
    file.write_text(yaml.safe_dump({**about, **knobs}))
    asked = experiment.load_experiment(file)
    for run in experiment.runs(asked):
        ensembles.save(said_of(60, run.config.validation_fold, run.seed), run.folder)
        (run.folder / "config.yaml").write_text(yaml.safe_dump(run.config.flat()))
        result = {"status": "done", "finished": "2026-01-01T00:00:00+00:00", "seconds": 60.0, "left_out": []}
        write_json(run.folder / "result.json", {**result, "values": {"validation_auc": 0.5}})
    return asked


def test_all_folds_are_judged_together_for_each_seed_and_for_their_mean(asked):
    table = pd.read_csv(crossing.judge_folds(asked), dtype={"seed": str}).set_index("seed")
    assert table["folds"].tolist() == [3, 3, 3]
    assert table["clips"].tolist() == [180, 180, 180]
    folds = {seed: pd.concat([said_of(60, k, seed) for k in range(3)]) for seed in (0, 1)}
    for seed, held in folds.items():
        assert table.loc[str(seed), "auc"] == pytest.approx(roc_auc_score(held["call"], held["call score"]))
        assert table.loc[str(seed), "auc_low"] < table.loc[str(seed), "auc"] < table.loc[str(seed), "auc_high"]
    mean = (folds[0]["call score"] + folds[1]["call score"]) / 2
    assert table.loc["all together", "auc"] == pytest.approx(roc_auc_score(folds[0]["call"], mean))


def test_the_log_shows_what_all_folds_say_together(asked, tmp_path):
    crossing.judge_folds(asked)
    text = ledger.render(tmp_path)
    row = next(line for line in text.splitlines() if "| all together |" in line)
    auc = pd.read_csv(asked.folder / experiment.FOLDS)["auc"].iloc[-1]
    assert "| as given | all together | 3 | 180 |" in row
    assert f"{auc:.4f} (" in row


def test_folds_are_repetitions_and_no_cases_to_compare(asked, tmp_path):
    text = ledger.render(tmp_path).removeprefix(ledger.HEAD)
    assert "| case | folds | validation_auc | minutes a run | made | notebooks |" in text
    assert "| as given | 3 | 0.500 ± 0.000 | 1.0 |" in text
    assert "(negative)" not in text
    assert " against " not in text


def test_folds_that_are_not_done_yet_are_not_counted(asked):
    for run in experiment.runs(asked):
        if run.config.validation_fold == 2 or run.seed == 1:
            (run.folder / ensembles.FILE).unlink()
    table = pd.read_csv(crossing.judge_folds(asked))
    assert table[["folds", "clips"]].to_numpy().tolist() == [[2, 120]]


def test_a_fold_that_failed_or_was_made_with_other_knobs_is_not_counted(asked):
    failed, stale = (run for run in experiment.runs(asked) if run.seed == 0 and run.config.validation_fold < 2)
    result = failed.result | {"status": "failed"}
    write_json(failed.folder / "result.json", result)
    (stale.folder / "config.yaml").write_text(yaml.safe_dump(stale.config.flat() | {"epochs": 99}))
    table = pd.read_csv(crossing.judge_folds(asked), dtype={"seed": str}).set_index("seed")
    assert table["folds"].to_dict() == {"0": 1, "1": 3, "all together": 1}


def test_an_experiment_without_folds_has_no_such_table(asked, tmp_path):
    for run in experiment.runs(asked):
        (run.folder / ensembles.FILE).unlink()
    assert crossing.judge_folds(asked) is None
    assert "judged together" not in ledger.render(tmp_path)


def test_a_clip_that_two_folds_hold_out_is_refused(asked):
    first, second = (run for run in experiment.runs(asked) if run.seed == 0 and run.config.validation_fold < 2)
    ensembles.save(ensembles.read(first.folder), second.folder)
    with pytest.raises(InputError, match="held out twice"):
        crossing.judge_folds(asked)


def test_only_a_run_of_a_cross_validation_keeps_what_it_said(tmp_path, monkeypatch):
    asked_for = []
    monkeypatch.setattr(stages, "held_out", lambda knobs, parts, fold: asked_for.append(fold) or said_of(5, 0))
    crossed, plain = config.resolve({"n_folds": 3}), config.resolve()
    crossing.keep_held_out(plain, None, str(tmp_path))
    crossing.keep_held_out(crossed, None, "")
    assert asked_for == []
    crossing.keep_held_out(crossed, None, str(tmp_path))
    assert asked_for == ["validation"]
    assert len(ensembles.read(tmp_path)) == 5
