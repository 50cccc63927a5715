"""Recall at a rate, the reverse, and ways compared: against the plain reports, and against drawing days by hand."""

import numpy as np
import pandas as pd
import pytest

from whalelib import metrics, post, tables
from whalelib.errors import InputError

DAYS = ["d0", "d1", "d2", "d3"]
GROUPS = pd.Series(DAYS, index=DAYS)
HOURS = pd.DataFrame(1.0, index=pd.Index(DAYS, name="recording"), columns=["a", "b"])


def events_of(day, label, scores, first=0):
    """Events ten seconds apart, one a score."""
    rows = [{"onset": 10.0 * k, "offset": 10.0 * k + 2, "score": score} for k, score in enumerate(scores, first)]
    return tables.events([{"recording": day, "label": label, **row} for row in rows])


@pytest.fixture(scope="module")
def days():
    """Four calls of a class and day; each detection keeps its score, whatever the threshold."""
    rng = np.random.default_rng(0)
    truth = pd.concat([events_of(d, c, [np.nan] * 4) for d in DAYS for c in "ab"], ignore_index=True)
    found = pd.concat(
        [events_of(d, c, rng.random(4)) for d in DAYS for c in "ab"]
        + [events_of(d, c, rng.random(3) * 0.7, first=20) for d in DAYS for c in "ab"],
        ignore_index=True,
    )
    return truth, {t: found[found["score"] >= t] for t in np.round(np.arange(0, 1, 0.1), 2).tolist()}


def curve_of(truth, found, hours):
    return metrics.operating_points(truth, found, hours, ["a", "b"], exhaustive=True)


def test_figures_are_those_of_the_curve(days):
    truth, found = days
    ask = {"exhaustive": True, "groups": GROUPS, "false_per_hour": 0.5, "recall": 0.5}
    table = metrics.at_rates(truth, found, HOURS, ["a", "b"], **ask).set_index("class")
    curve = curve_of(truth, found, HOURS)
    recall = metrics.recall_at(curve, 0.5).set_index("class")["recall"]
    rate = metrics.false_per_hour_at(curve, 0.5).set_index("class")["false_per_hour"]
    assert table["recall"].to_dict() == pytest.approx(recall.to_dict())
    assert table["false_per_hour"].to_dict() == pytest.approx(rate.to_dict())
    for name in ("recall", "false_per_hour"):
        assert (table[f"{name}_low"] <= table[name]).all() and (table[name] <= table[f"{name}_high"]).all()


def test_the_point_of_a_threshold_is_the_nearest_one(days):
    truth, found = days
    points = metrics.points_at(curve_of(truth, found, HOURS), {"b": 0.52, "a": 0.98})
    assert points["class"].tolist() == ["b", "a"] and points["threshold"].tolist() == [0.5, 0.9]


def test_intervals_are_those_of_days_drawn_by_hand(days):
    truth, found = days
    draws, seed = 12, 3
    table = metrics.at_rates(
        truth, found, HOURS, ["a", "b"], exhaustive=True, groups=GROUPS, false_per_hour=0.5, draws=draws, seed=seed
    ).set_index("class")  # fmt: skip
    values = []
    for picked in np.random.default_rng(seed).integers(0, len(DAYS), (draws, len(DAYS))):

        def copied(frame, picked=picked):
            parts = [frame[frame["recording"] == DAYS[d]].assign(recording=f"copy {k}") for k, d in enumerate(picked)]
            return pd.concat(parts, ignore_index=True)

        hours = pd.DataFrame(1.0, index=[f"copy {k}" for k in range(len(DAYS))], columns=["a", "b"])
        curve = curve_of(copied(truth), {t: copied(f) for t, f in found.items()}, hours)
        values.append(metrics.recall_at(curve, 0.5).set_index("class")["recall"])
    low, high = pd.DataFrame(values).quantile(0.025), pd.DataFrame(values).quantile(0.975)
    assert table["recall_low"].to_dict() == pytest.approx(low.to_dict())
    assert table["recall_high"].to_dict() == pytest.approx(high.to_dict())


def test_what_cannot_be_had_is_infinite_and_what_cannot_be_judged_is_nothing():
    truth = events_of("d0", "a", [np.nan] * 2)
    found = {0.5: events_of("d0", "a", [0.9]), 0.1: events_of("d0", "a", [0.9])}
    one, hours = GROUPS.iloc[:1], HOURS.iloc[:1]
    table = metrics.at_rates(truth, found, hours, ["a", "b"], exhaustive=True, groups=one, recall=0.9)
    table = table.set_index("class")
    assert table.loc["a", "recall"] == 0.5 and table.loc["a", "false_per_hour"] == np.inf
    assert table.loc["b"].isna().all()
    assert table[["recall_low", "recall_high"]].isna().all(axis=None)  # of one day there is no interval
    with pytest.raises(InputError, match="no threshold"):
        metrics.at_rates(truth, {}, hours, ["a"], exhaustive=True, groups=one)


def test_ways_are_compared_on_the_same_days(days):
    truth, found = days
    ways = {"low": found[0.3], "same": found[0.3], "high": found[0.7]}
    table = metrics.compare(truth, ways, HOURS, ["a", "b"], exhaustive=True, groups=GROUPS).set_index("way")
    for name, detections in ways.items():
        report = metrics.event_report(truth, detections, HOURS, ["a", "b"], exhaustive=True, groups=GROUPS)
        total = report.set_index("class").loc["all"]
        same = ["hits", "false", "precision", "recall", "f1", "false_per_hour"]
        assert table.loc[name, same].to_dict() == pytest.approx(total[same].to_dict())
    assert table.loc["same", ["f1_change", "f1_change_low", "f1_change_high"]].tolist() == [0, 0, 0]
    assert table.loc["high", "f1_change"] == pytest.approx(table.loc["high", "f1"] - table.loc["low", "f1"])
    assert table.loc["high", "f1_change_low"] <= table.loc["high", "f1_change"] <= table.loc["high", "f1_change_high"]


# ---------------------------------------------------------------- steps left out


def test_each_step_at_work_is_left_out_once():
    steps = {"smoothing": "moving", "smooth_seconds": 0.2, "hysteresis": 0.0, "at_least": 1, "of_cells": 3,
             "merge_seconds": 0.25, "min_seconds": 0.3, "max_seconds": 0.0}  # fmt: skip
    ways = post.without_each(steps)
    assert list(ways) == [
        "all steps", "without smoothing", "without merging", "without least length", "the threshold alone",
    ]  # fmt: skip
    assert ways["all steps"] == steps and ways["without merging"] == {**steps, "merge_seconds": 0.0}
    scores = tables.check_scores(
        pd.DataFrame({"recording": "r", "onset": np.arange(6) / 10, "offset": np.arange(1, 7) / 10,
                      "a": [0.9, 0, 0.9, 0, 0, 0.9]}), ["a"],
    )  # fmt: skip
    alone = post.detect(scores, {"a": 0.5}, **ways["the threshold alone"])
    assert len(alone) == 3
    assert list(post.without_each({})) == ["all steps"]
