"""What validation days decide: calibration, thresholds by their aim; and counts with their intervals."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import poisson
from sklearn.linear_model import LogisticRegression

from whalelib import metrics, post, tables
from whalelib.errors import InputError

CELL = 0.1
PLAIN = {"smooth_seconds": 0.0, "merge_seconds": 0.0, "min_seconds": 0.0}


def scores_of(recording="r", cell=CELL, **columns):
    onset = np.arange(len(next(iter(columns.values())))) * cell
    frame = pd.DataFrame({"recording": recording, "onset": onset, "offset": onset + cell, **columns})
    return tables.check_scores(frame, list(columns))


def events_of(*rows):
    """Events of recording r from (label, onset, offset[, truth])."""
    names = ("label", "onset", "offset", "truth")
    return tables.events([{"recording": "r", **dict(zip(names, (*row, "present")[:4], strict=True))} for row in rows])


@pytest.fixture(scope="module")
def overconfident():
    """Cells whose logits are three times too large and one too high, and calls where the truth was drawn by them."""
    rng = np.random.default_rng(0)
    logit = rng.normal(-1, 1.2, 6000)
    held = rng.random(6000) < 1 / (1 + np.exp(-logit))
    scores = scores_of(a=1 / (1 + np.exp(-3 * logit - 1)), b=np.full(6000, 0.5))
    truth = events_of(*[("a", k * CELL, (k + 1) * CELL) for k in np.flatnonzero(held)])
    return scores, truth


def error(scores, truth):
    targets = metrics.cell_truth(scores, truth, ["a"])
    return metrics.calibration_error(metrics.reliability(targets, scores["a"]))


# ---------------------------------------------------------------- calibration


@pytest.mark.parametrize("how", ["isotonic", "platt", "temperature"])
def test_calibrated_scores_are_probabilities_in_the_same_order(overconfident, how):
    scores, truth = overconfident
    fitted = post.calibrate(scores, truth, ["a", "b"], how, exhaustive=True)
    changed = fitted.apply(scores)
    assert error(changed, truth) < 0.5 * error(scores, truth)
    order = np.argsort(scores["a"].to_numpy(), kind="stable")
    assert (np.diff(changed["a"].to_numpy()[order]) >= -1e-6).all()
    assert changed["a"].between(0, 1).all() and changed["b"].equals(scores["b"])  # b has no call to be fitted to


def test_platt_is_an_unpenalised_logistic_regression_of_the_logit(overconfident):
    scores, truth = overconfident
    changed = post.calibrate(scores, truth, ["a"], "platt", exhaustive=True).apply(scores)["a"]
    logit = np.log(scores["a"] / (1 - scores["a"])).to_numpy()[:, None]
    held = metrics.cell_truth(scores, truth, ["a"])[:, 0]
    expected = LogisticRegression(C=1e9, tol=1e-8).fit(logit, held).predict_proba(logit)[:, 1]
    assert changed.to_numpy() == pytest.approx(expected, abs=2e-3)


def test_a_temperature_leaves_one_half_where_it_is(overconfident):
    scores, truth = overconfident
    fitted = post.calibrate(scores, truth, ["a"], "temperature", exhaustive=True)
    assert fitted.apply(scores.assign(a=0.5))["a"].to_numpy() == pytest.approx(0.5, abs=1e-6)


def test_what_has_no_score_or_no_truth_stays_out(overconfident):
    scores, truth = overconfident
    plain = post.calibrate(scores, truth, ["a"], "platt", exhaustive=True)
    more = pd.concat([scores, scores_of(recording="s", a=[np.nan, 0.2], b=[0.1, 0.1])], ignore_index=True)
    hedged = pd.concat([truth, events_of(("a", 0, CELL, "possible")).assign(recording="s", offset=2 * CELL)])
    fitted = post.calibrate(more, hedged, ["a"], "platt", exhaustive=True)
    np.testing.assert_allclose(fitted.curves["a"], plain.curves["a"])
    assert np.isnan(fitted.apply(more)["a"].iloc[-2])
    unknown = post.calibrate(scores, truth, ["a"], "platt", exhaustive=False)
    assert unknown.curves == {}  # nothing is known to hold no call
    with pytest.raises(InputError, match="isotonic, platt, temperature"):
        post.calibrate(scores, truth, ["a"], "beta", exhaustive=True)


def test_a_class_told_apart_without_an_error_stays_finite():
    scores = scores_of(a=[0.0] * 10 + [1.0] * 10)
    changed = post.calibrate(scores, events_of(("a", 1, 2)), ["a"], "platt", exhaustive=True).apply(scores)
    assert changed["a"].between(0, 1).all() and changed["a"].iloc[-1] > 0.99 and changed["a"].iloc[0] < 0.01


# ---------------------------------------------------------------- thresholds by their aim


@pytest.fixture
def mixed():
    """Calls at 0.9, 0.7, 0.5 and 0.3, false alarms at 0.8, 0.4, 0.35 and 0.2, in an hour of which 6 s are scored."""
    peaks = [0.9, 0.8, 0.7, 0.5, 0.4, 0.35, 0.3, 0.2]
    values = np.zeros(8 * 10)
    for k, peak in enumerate(peaks):
        values[10 * k : 10 * k + 5] = peak
    truth = events_of(*[("a", k, k + 0.5) for k in (0, 2, 3, 6)])
    return scores_of(a=values), truth


@pytest.mark.parametrize(
    ("aims", "expected"),
    [
        ({"aim": "recall", "aim_recall": 0.5}, 0.7),
        ({"aim": "recall", "aim_recall": 0.75}, 0.5),
        ({"aim": "recall", "aim_recall": 1.0}, 0.3),
        ({"aim": "rate", "aim_rate": 3600 / 8}, 0.5),  # one false alarm in eight seconds
        ({"aim": "rate", "aim_rate": 0.0}, 0.9),
        ({"aim": "rate", "aim_rate": 1e6}, 0.3),
        ({"aim": "f1"}, 0.5),
    ],
)
def test_the_threshold_serves_its_aim(mixed, aims, expected):
    candidates = np.round(np.arange(0.1, 0.95, 0.1), 2)
    chosen = post.choose_thresholds(*mixed, ["a"], exhaustive=True, candidates=candidates, **PLAIN, **aims)
    assert chosen == {"a": expected}


def test_an_aim_out_of_reach_gets_as_near_as_it_can(mixed):
    scores, truth = mixed
    more = pd.concat([truth, events_of(("a", 7.6, 7.9))])  # a call without a score
    find = {"exhaustive": True, "candidates": [0.25, 0.5, 0.75], **PLAIN}
    assert post.choose_thresholds(scores, more, ["a"], aim="recall", aim_recall=1.0, **find) == {"a": 0.25}
    assert post.choose_thresholds(scores, more, ["a"], aim="rate", aim_rate=0.0, **find) == {"a": 0.5}
    with pytest.raises(InputError, match="f1, segments, recall, rate"):
        post.choose_thresholds(scores, truth, ["a"], aim="fame", **find)


def test_segments_choose_where_the_truth_is_windows():
    """A minute of calls, annotated as six windows: one long detection matches none, but fills their segments."""
    values = np.concatenate([np.full(60, 0.8), np.full(20, 0.4), np.zeros(40)])
    windows = events_of(*[("a", t, t + 10.0) for t in range(0, 60, 10)], ("a", 60.0, 80.0, "absent"))
    scores = scores_of(cell=1.0, a=values)
    find = {"exhaustive": False, "candidates": [0.2, 0.6, 0.9], "segment_seconds": 10.0, **PLAIN}
    assert post.choose_thresholds(scores, windows, ["a"], aim="segments", **find) == {"a": 0.6}
    for threshold in (0.2, 0.6):
        found = post.detect(scores, {"a": threshold}, **PLAIN)
        assert (metrics.judge(windows, found, exhaustive=False)["verdict"] != "hit").all()


def test_a_call_that_was_not_analysed_leaves_a_threshold_all_the_same():
    scores = scores_of(a=[np.nan] * 20 + [0.1] * 20)
    for aim in ("f1", "recall", "rate"):
        find = {"aim": aim, "exhaustive": False, "candidates": [0.25, 0.5, 0.75], **PLAIN}
        assert post.choose_thresholds(scores, events_of(("a", 0, 1)), ["a"], **find)["a"] in (0.5, 0.75)


def test_where_nobody_listened_false_alarms_do_not_raise_the_threshold(mixed):
    scores, truth = mixed
    candidates = [0.25, 0.45, 0.75]
    aims = {"aim": "rate", "aim_rate": 0.0, "candidates": candidates, **PLAIN}
    assert post.choose_thresholds(scores, truth, ["a"], exhaustive=True, **aims) == {"a": 0.45}
    assert post.choose_thresholds(scores, truth, ["a"], exhaustive=False, **aims) == {"a": 0.25}


# ---------------------------------------------------------------- deciding


def never():
    raise AssertionError("validation days were asked for")


def test_what_is_set_by_hand_asks_no_validation_day():
    decided = post.decide(never, events_of(), ["a", "b"], exhaustive=True, threshold=0.4, class_thresholds={"b": 0.7})
    assert decided.thresholds == {"a": 0.4, "b": 0.7} and decided.calibration is None
    for wrong, says in (({"c": 0.5}, "'c', which is no class: they are a, b"), ({"a": 1.5}, "outside 0 to 1")):
        with pytest.raises(InputError, match=says):
            post.decide(never, events_of(), ["a", "b"], exhaustive=True, class_thresholds=wrong)


def test_what_is_left_open_is_chosen(mixed):
    scores, truth = mixed
    scores = scores.assign(b=scores["a"])
    decided = post.decide(lambda: scores, truth, ["a", "b"], exhaustive=True, class_thresholds={"b": 0.7}, **PLAIN)
    assert decided.thresholds["b"] == 0.7
    assert decided.thresholds["a"] == post.choose_thresholds(scores, truth, ["a"], exhaustive=True, **PLAIN)["a"]


def test_thresholds_are_those_of_calibrated_scores(overconfident):
    scores, truth = overconfident
    decided = post.decide(lambda: scores, truth, ["a"], exhaustive=True, calibration="platt", threshold=0.8, **PLAIN)
    calibrated = post.calibrate(scores, truth, ["a"], "platt", exhaustive=True).apply(scores)
    pd.testing.assert_frame_equal(decided.detect(scores, **PLAIN), post.detect(calibrated, {"a": 0.8}, **PLAIN))
    assert len(decided.detect(scores, **PLAIN)) < len(post.detect(scores, {"a": 0.8}, **PLAIN))


# ---------------------------------------------------------------- counts


@pytest.fixture
def two_recordings():
    start = pd.Timestamp("2009-03-28T00:30:00Z")
    row = {"path": "x.wav", "seconds": 3600.0, "sample_rate": 2000, "channels": 1, "group": "d"}
    rows = [{"recording": "r", "start": start, **row}, {"recording": "s", "start": start + pd.Timedelta("3h"), **row}]
    recordings = tables.check_recordings(pd.DataFrame(rows))
    scores = pd.concat([scores_of(name, 60.0, a=[0.1] * 60, b=[0.1] * 60) for name in "rs"], ignore_index=True)
    return recordings, scores


def test_calls_are_counted_by_the_hour_they_begin_in(two_recordings):
    recordings, scores = two_recordings
    scores.loc[:9, "b"] = np.nan  # ten minutes that were not analysed
    scores.loc[scores["recording"] == "s", "b"] = np.nan
    found = events_of(("a", 10, 12), ("a", 1799, 1802), ("a", 1801, 1803), ("b", 700, 701))
    table = post.hourly(found, recordings, scores, ["a", "b"])
    hours = table["hour"].dt.strftime("%H").tolist()
    assert list(zip(hours, table["class"], strict=True)) == [
        ("00", "a"), ("00", "b"), ("01", "a"), ("01", "b"), ("03", "a"), ("04", "a"),
    ]  # fmt: skip
    assert table["calls"].tolist() == [2, 1, 1, 0, 0, 0]
    assert table["presence"].tolist() == [True, True, True, False, False, False]
    assert table["analysed_seconds"].tolist() == [1800, 1200, 1800, 1800, 1800, 1800]
    assert table["per_hour"].tolist() == pytest.approx([4, 3, 2, 0, 0, 0])
    for row in table.itertuples():  # the exact interval: each end makes so few, or so many, calls a matter of 2.5 %
        low, high = (rate * row.analysed_seconds / 3600 for rate in (row.per_hour_low, row.per_hour_high))
        assert poisson.cdf(row.calls, high) == pytest.approx(0.025)
        assert low == 0 if row.calls == 0 else poisson.sf(row.calls - 1, low) == pytest.approx(0.025)


def test_an_hour_without_a_date_is_a_sentence(two_recordings):
    recordings, scores = two_recordings
    with pytest.raises(InputError, match="'r' has no start"):
        post.hourly(events_of(), recordings.assign(start=pd.NaT), scores, ["a"])
    assert (post.hourly(tables.empty(tables.EVENTS), recordings, scores, ["a"])["calls"] == 0).all()


def test_presence_by_the_hour_of_the_day(two_recordings):
    recordings, scores = two_recordings
    table = post.hourly(events_of(("a", 10, 12)), recordings, scores, ["a"])
    by = post.presence_by(table, table["hour"].dt.hour < 2, table["hour"].astype(str))
    assert by[["by", "hours", "presence"]].to_numpy().tolist() == [[False, 2, 0.0], [True, 2, 0.5]]
    assert (by["presence_low"] <= by["presence"]).all() and (by["presence"] <= by["presence_high"]).all()


def test_detections_are_corrected_to_calls():
    def on(day, *onsets):
        return events_of(*[("a", 10 * k, 10 * k + 2) for k in onsets]).assign(recording=day)

    # Each day: four calls, of which two are found, and one false alarm; so three detections stand for four calls.
    days = ["d0", "d1", "d2"]
    truth = pd.concat([on(day, 0, 1, 2, 3) for day in days])
    found = pd.concat([on(day, 0, 1, 8) for day in days])
    groups = pd.Series(days, index=days)
    table = post.true_calls(pd.Series({"a": 300, "b": 10}), truth, found, groups, exhaustive=True).set_index("class")
    assert table.loc["a"].tolist() == pytest.approx([300, 400, 400, 400])
    assert table.loc["b", ["calls", "calls_low", "calls_high"]].isna().all()
    uneven = pd.concat([found, on("d2", 20, 21, 22, 23)])
    row = post.true_calls(pd.Series({"a": 300}), truth, uneven, groups, exhaustive=True).iloc[0]
    assert row["calls"] == pytest.approx(300 * 12 / 13)
    assert row["calls_low"] < row["calls"] < row["calls_high"] <= 400
    # Where nobody listened, what was detected stands for nothing.
    open_ = post.true_calls(pd.Series({"a": 300}), truth, found, groups, exhaustive=False).iloc[0]
    assert open_["calls"] == pytest.approx(300 * 12 / 6)
