"""Metrics: each against a case worked out by hand, its ends, and what must not change it."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    f1_score,
    label_ranking_average_precision_score,
    roc_auc_score,
)

from whalelib import metrics, tables
from whalelib.errors import InputError


def events_of(*rows):
    """Events from (recording, label, onset, offset), all present unless a fifth item says otherwise."""
    names = ("recording", "label", "onset", "offset", "truth")
    return tables.events([dict(zip(names, (*row, "present")[:5], strict=True)) for row in rows])


NOTHING = tables.empty(tables.EVENTS)


# ---------------------------------------------------------------- clips


def test_each_class_is_scored_by_scikit_learn_on_the_clips_that_are_known():
    rng = np.random.default_rng(0)
    scores = rng.random((200, 3))
    targets = (scores + rng.normal(0, 0.5, scores.shape) > 0.6).astype(float)
    targets[rng.random(targets.shape) < 0.3] = np.nan
    report = metrics.clip_report(targets, scores, ["a", "b", "c"], threshold=0.6).set_index("class")
    for k, name in enumerate("abc"):
        known = ~np.isnan(targets[:, k])
        truth, score = targets[known, k], scores[known, k]
        assert report.loc[name, ["clips", "positives"]].tolist() == [known.sum(), truth.sum()]
        assert report.loc[name, "ap"] == pytest.approx(average_precision_score(truth, score))
        assert report.loc[name, "auc"] == pytest.approx(roc_auc_score(truth, score))
        assert report.loc[name, "f1"] == pytest.approx(f1_score(truth, score >= 0.6))
        assert report.loc[name, "accuracy"] == pytest.approx(accuracy_score(truth, score >= 0.6))
    for name in ("ap", "auc", "f1", "accuracy", "padded_ap"):
        assert report.loc["mean", name] == pytest.approx(report[name][:3].mean())


def test_a_score_of_an_unknown_clip_changes_nothing():
    targets = np.array([[1.0], [0], [np.nan], [0]])
    low, high = (metrics.clip_report(targets, np.array([[0.8], [0.3], [score], [0.9]]), ["a"]) for score in (0, 1))
    pd.testing.assert_frame_equal(low, high)
    assert low["ap"][0] == 0.5 and low["auc"][0] == 0.5


@pytest.mark.parametrize("constant", [0.0, 1.0, np.nan])
def test_a_class_without_positives_or_negatives_is_not_a_number_and_not_in_the_mean(constant):
    targets = np.column_stack([[1.0, 0, 1, 0], np.full(4, constant)])
    report = metrics.clip_report(targets, np.tile([[0.9], [0.1], [0.8], [0.2]], 2), ["a", "b"]).set_index("class")
    assert report.loc["b", ["ap", "auc", "f1"]].isna().all()
    assert report.loc["mean", ["ap", "auc", "f1"]].tolist() == [1, 1, 1]


def test_without_any_class_that_can_be_judged_the_mean_is_not_a_number():
    report = metrics.clip_report(np.zeros((0, 2)), np.zeros((0, 2)), ["a", "b"])
    assert report[["ap", "auc", "f1"]].isna().all(axis=None) and report["clips"].tolist() == [0, 0, 0]


@pytest.mark.parametrize("shape", [(3, 1), (2, 2), (4,)])
def test_targets_and_scores_of_different_shapes_are_a_sentence(shape):
    with pytest.raises(InputError, match=r"must both be \[clips, classes\]"):
        metrics.clip_report(np.zeros((2, 1)), np.zeros(shape), ["a"])


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_score_that_is_no_number_is_a_sentence_that_names_the_clip(value):
    with pytest.raises(InputError, match="the scores of clip 2 are no numbers"):
        metrics.clip_report(np.zeros((3, 2)), [[0, 0], [0, value], [0, 0]], ["a", "b"])


@st.composite
def scored_clips(draw):
    """Few clips, few different scores, so that ties, classes without a call and unknown cells are common."""
    n, k = draw(st.integers(1, 12)), draw(st.integers(1, 4))
    cells = st.lists(st.sampled_from([0.0, 1.0, np.nan]), min_size=n * k, max_size=n * k)
    levels = st.lists(st.integers(0, 4), min_size=n * k, max_size=n * k)
    return np.reshape(draw(cells), (n, k)), np.reshape(draw(levels), (n, k)) / draw(st.sampled_from([4, 2]))


@settings(max_examples=100, deadline=None)
@given(scored_clips())
def test_ties_gaps_and_pads_are_scikit_learns(clips):
    targets, scores = clips
    report = metrics.clip_report(targets, scores, [str(k) for k in range(targets.shape[1])])
    for k in range(targets.shape[1]):
        known = ~np.isnan(targets[:, k])
        truth, score = targets[known, k], scores[known, k]
        if 0 < truth.sum() < len(truth):
            assert report.loc[k, "ap"] == pytest.approx(average_precision_score(truth, score))
            assert report.loc[k, "auc"] == pytest.approx(roc_auc_score(truth, score))
        else:
            assert np.isnan(report.loc[k, "ap"]) and np.isnan(report.loc[k, "auc"])
        if known.any():
            padded = average_precision_score(np.r_[truth, np.ones(5)], np.r_[score, np.ones(5)])
            assert report.loc[k, "padded_ap"] == pytest.approx(padded)
        else:
            assert np.isnan(report.loc[k, "padded_ap"])


@settings(max_examples=100, deadline=None)
@given(scored_clips())
def test_lwlrap_is_scikit_learns_weighted_by_the_labels_of_each_row(clips):
    targets, scores = clips
    precision = metrics.label_precision(targets, scores)
    for row, (truth, score) in enumerate(zip(targets, scores, strict=True)):
        known = ~np.isnan(truth)
        if (truth == 1).any():
            expected = label_ranking_average_precision_score(truth[known][None], score[known][None])
            assert np.nanmean(precision[row]) == pytest.approx(expected)
        assert np.array_equal(np.isfinite(precision[row]), truth == 1)
    found = metrics.clip_report(targets, scores, [str(k) for k in range(targets.shape[1])])["lwlrap"].iloc[-1]
    np.testing.assert_allclose(found, np.nanmean(precision) if (targets == 1).any() else np.nan)


def test_lwlrap_of_a_published_case():
    report = metrics.clip_report([[1, 0, 0], [0, 0, 1]], [[0.75, 0.5, 1], [1, 0.2, 0.1]], ["a", "b", "c"])
    assert report["lwlrap"].tolist() == pytest.approx([1 / 2, np.nan, 1 / 3, 0.41666666666666663], nan_ok=True)


def test_labels_with_equal_scores_take_the_worst_rank():
    assert metrics.label_precision([[1, 0, 0]], [[0.5, 0.5, 0.1]])[0, 0] == 1 / 2
    assert metrics.label_precision([[1, 0, 0]], [[0.5, 0.5, 0.5]])[0, 0] == 1 / 3
    assert metrics.label_precision([[1, 0, np.nan]], [[0.5, 0.5, 0.5]])[0, 0] == 1 / 2


def test_padding_gives_a_class_without_a_call_a_value_and_spares_the_perfect_one():
    targets = np.column_stack([[1.0, 0, 0], [0.0, 0, 0], [np.nan] * 3])
    report = metrics.clip_report(targets, np.tile([[0.9], [0.2], [0.1]], 3), ["a", "b", "c"]).set_index("class")
    assert report.loc["a", "padded_ap"] == report.loc["b", "padded_ap"] == 1
    assert np.isnan(report.loc["c", "padded_ap"]) and report.loc["mean", "padded_ap"] == 1


def test_perfect_scores_are_perfect_in_every_measure():
    targets = np.eye(3)[[0, 1, 2, 0]]
    report = metrics.clip_report(targets, 0.1 + 0.8 * targets, ["a", "b", "c"], groups=list("xxyz"))
    assert (report[list(metrics.MEASURES)] == 1).all(axis=None)
    bounds = [f"{name}_{end}" for name in ("accuracy", "lwlrap") for end in ("low", "high")]
    assert (report[bounds] == 1).all(axis=None)


def test_nothing_known_is_not_a_number_in_any_measure():
    unknown = np.full((4, 2), np.nan)
    report = metrics.clip_report(unknown, np.zeros((4, 2)), ["a", "b"], groups=list("xxyy"))
    assert report.drop(columns=["class", "clips", "positives"]).isna().all(axis=None)
    assert metrics.flat(report) == {}


@settings(max_examples=60, deadline=None)
@given(scored_clips(), st.integers(0, 99))
def test_the_order_of_clips_does_not_matter(clips, seed):
    targets, scores = clips
    names = [str(k) for k in range(targets.shape[1])]
    order = np.random.default_rng(seed).permutation(len(targets))
    pd.testing.assert_frame_equal(
        metrics.clip_report(targets, scores, names), metrics.clip_report(targets[order], scores[order], names)
    )


def test_ranking_measures_hear_only_the_order_of_scores():
    rng = np.random.default_rng(0)
    targets, scores = (rng.random((60, 3)) > 0.6).astype(float), rng.random((60, 3))
    squared = metrics.clip_report(targets, scores**2, ["a", "b", "c"])
    names = ["ap", "auc", "padded_ap", "lwlrap"]
    pd.testing.assert_frame_equal(squared[names], metrics.clip_report(targets, scores, ["a", "b", "c"])[names])


def test_a_report_as_named_numbers():
    targets = np.column_stack([[1.0, 0, 1, 0], np.zeros(4)])
    found = metrics.flat(metrics.clip_report(targets, np.tile([[0.9], [0.1], [0.8], [0.2]], 2), ["a", "b"]))
    assert found["ap"] == found["ap/a"] == 1 and "ap/b" not in found and found["accuracy/b"] == 0.5
    sure = metrics.flat(metrics.clip_report(targets, targets, ["a", "b"], groups=list("xxyy")))
    assert sure["accuracy_low"] == 1 and not any("_low/" in name or name.endswith("b_low") for name in sure)


# ---------------------------------------------------------------- events

TRUTH = events_of(
    ("r0", "a", 0, 10),
    ("r0", "a", 20, 30),
    ("r0", "a", 40, 50, "possible"),
    ("r0", "b", 0, 10),
    ("r1", "a", 0, 10),
)
FOUND = events_of(
    ("r0", "a", 0, 6),  # 6 of 10 s: a hit
    ("r0", "a", 6, 10),  # the same call again
    ("r0", "a", 21, 29),  # a hit
    ("r0", "a", 42, 44),  # in a possible call
    ("r0", "a", 60, 62),  # nothing there
    ("r0", "b", 20, 30),  # a call, but of another label
    ("r1", "a", 6, 16),  # shares 4 of 16 s
)


def test_verdicts_by_hand():
    judged = metrics.judge(TRUTH, FOUND)
    assert judged["verdict"].tolist() == ["hit", "false", "hit", "open", "false", "false", "false"]
    assert judged["event"].tolist() == [0, -1, 1, -1, -1, -1, -1]


def test_the_event_report_by_hand():
    report = metrics.event_report(TRUTH, FOUND, 2.0, ["a", "b"]).set_index("class")
    assert report[["calls", "hits", "missed", "false"]].to_numpy().tolist() == [
        [3, 2, 1, 3],
        [1, 0, 1, 1],
        [4, 2, 2, 4],
        [4, 2, 2, 4],
    ]
    assert report["precision"].tolist() == pytest.approx([2 / 5, 0, 2 / 6, 1 / 5])
    assert report["recall"].tolist() == pytest.approx([2 / 3, 0, 2 / 4, 1 / 3])
    assert report["f1"].tolist() == pytest.approx([4 / 8, 0, 4 / 10, 1 / 4])
    assert report["false_per_hour"].tolist() == [1.5, 0.5, 2, 1]


def test_a_looser_match_makes_more_hits():
    assert metrics.event_report(TRUTH, FOUND, 2.0, ["a", "b"], metrics.Overlap(0.25))["hits"].tolist() == [3, 0, 3, 3]


def test_detections_that_equal_the_truth_are_perfect():
    present = TRUTH[TRUTH["truth"] == "present"].reset_index(drop=True)
    report = metrics.event_report(TRUTH, present, 1.0, ["a", "b"])
    assert (report[["precision", "recall", "f1"]] == 1).all(axis=None) and (report["false"] == 0).all()


def test_without_calls_and_detections_nothing_can_be_said():
    report = metrics.event_report(NOTHING, NOTHING, 1.0, ["a"])
    assert report[["precision", "recall", "f1"]].isna().all(axis=None)
    assert (report[["calls", "hits", "missed", "false", "false_per_hour"]] == 0).all(axis=None)


def test_without_detections_recall_is_zero_and_precision_unknown():
    report = metrics.event_report(TRUTH, NOTHING, 1.0, ["a"])
    assert (report["recall"] == 0).all() and report["precision"].isna().all() and (report["missed"] == 3).all()


def test_without_calls_precision_is_zero_and_recall_unknown():
    report = metrics.event_report(NOTHING, FOUND, 1.0, ["a"])
    assert (report["precision"] == 0).all() and report["recall"].isna().all() and (report["false"] == 6).all()


@pytest.mark.parametrize("hours", [0, -1, np.nan])
def test_hours_that_cannot_be_are_a_sentence(hours):
    with pytest.raises(InputError, match="hours cannot be scored: give the hours"):
        metrics.event_report(TRUTH, FOUND, hours, ["a"])


def test_two_detections_of_one_call_are_a_hit_and_a_false_alarm():
    judged = metrics.judge(events_of(("r", "a", 0, 4)), events_of(("r", "a", 0, 2), ("r", "a", 2, 4)))
    assert sorted(judged["verdict"]) == ["false", "hit"]


def test_two_calls_under_one_detection_are_a_hit_and_a_miss():
    report = metrics.event_report(events_of(("r", "a", 0, 2), ("r", "a", 2, 4)), events_of(("r", "a", 0, 4)), 1, ["a"])
    assert report.loc[0, ["calls", "hits", "missed", "false"]].tolist() == [2, 1, 1, 0]


def test_a_possible_call_neither_rewards_nor_punishes():
    possible = events_of(("r0", "b", 20, 30, "possible"))
    without = metrics.event_report(TRUTH, FOUND.drop(5), 1.0, ["a", "b"])
    pd.testing.assert_frame_equal(
        metrics.event_report(pd.concat([TRUTH, possible]), FOUND, 1.0, ["a", "b"]), without, check_dtype=False
    )


def test_an_absent_event_and_a_possible_one_elsewhere_excuse_nothing():
    found = events_of(("r", "a", 2, 4))
    rows = [("r", "a", 2, 4, "absent"), ("r", "b", 2, 4, "possible"), ("s", "a", 2, 4, "possible")]
    for row in [*rows, ("r", "a", 0, 2, "possible"), ("r", "a", 4, 6, "possible")]:
        assert metrics.judge(events_of(row), found)["verdict"].tolist() == ["false"]


def test_a_call_is_preferred_to_the_possible_one_beside_it():
    truth = events_of(("r", "a", 0, 2, "possible"), ("r", "a", 1, 3))
    assert metrics.judge(truth, events_of(("r", "a", 0, 3)))[["verdict", "event"]].to_numpy().tolist() == [["hit", 1]]


def test_labels_that_are_not_asked_for_count_nowhere():
    report = metrics.event_report(TRUTH, FOUND, 1.0, ["b"])
    assert report[["calls", "hits", "false"]].to_numpy().tolist() == [[1, 0, 1]] * 3


@st.composite
def random_events(draw):
    row = st.tuples(st.sampled_from("rs"), st.sampled_from("ab"), st.integers(0, 40), st.integers(1, 8))
    truth = st.sampled_from(["present", "present", "possible"])
    rows = draw(st.lists(st.tuples(row, truth), max_size=10))
    # Events on a grid of eighths of a second, so that shifting them is exact.
    return events_of(*[(rec, label, at / 8, (at + length) / 8, truth) for (rec, label, at, length), truth in rows])


@settings(max_examples=60, deadline=None)
@given(truth=random_events(), found=random_events(), seed=st.integers(0, 99), shift=st.sampled_from([0.125, 64.0]))
def test_the_report_depends_neither_on_the_order_of_rows_nor_on_the_clock(truth, found, seed, shift):
    report = metrics.event_report(truth, found, 1.0, ["a", "b"])
    other = [frame.sample(frac=1, random_state=seed).reset_index(drop=True) for frame in (truth, found)]
    for frame in other:
        frame[["onset", "offset"]] += shift
    shuffled = metrics.event_report(*other, 1.0, ["a", "b"])
    pd.testing.assert_frame_equal(report, shuffled)


def test_between_equally_good_matches_the_order_of_rows_does_not_decide():
    truth = events_of(("r", "a", 2, 4), ("r", "a", 4, 6, "possible"))
    first, second = ("r", "a", 1, 3), ("r", "a", 3, 5)
    assert metrics.judge(truth, events_of(first, second))["verdict"].tolist() == ["hit", "open"]
    assert metrics.judge(truth, events_of(second, first))["verdict"].tolist() == ["open", "hit"]


@settings(max_examples=60, deadline=None)
@given(truth=random_events(), found=random_events())
def test_the_classes_add_up_to_all_and_every_detection_gets_one_verdict(truth, found):
    report = metrics.event_report(truth, found, 1.0, ["a", "b"]).set_index("class")
    counts = report[["calls", "hits", "missed", "false", "false_per_hour"]]
    assert (counts.loc["a"] + counts.loc["b"] == counts.loc["all"]).all()
    judged = metrics.judge(truth, found)
    assert judged["verdict"].isin(["hit", "false", "open"]).all() and len(judged) == len(found)
    hits = judged[judged["verdict"] == "hit"]
    assert hits["event"].is_unique and (judged.loc[judged["verdict"] != "hit", "event"] == -1).all()
    matched = truth.iloc[hits["event"]]
    assert (matched["truth"] == "present").all()
    assert matched[["recording", "label"]].to_numpy().tolist() == hits[["recording", "label"]].to_numpy().tolist()


# ---------------------------------------------------------------- intervals


def test_an_interval_covers_the_mean_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    covered = 0
    for seed in range(60):
        # What differs is the day; the clips of a day are alike.
        values = np.repeat(rng.normal(3, 1, 25), 4) + rng.normal(0, 0.1, 100)
        low, high = metrics.interval(lambda rows, v=values: v[rows].mean(), np.repeat(np.arange(25), 4), seed=seed)
        covered += low < 3 < high
    assert 50 <= covered < 60


def test_groups_are_drawn_whole():
    groups = np.array(["x", "y", "x", "z", "z", "z", "y"])
    drawn = []
    metrics.interval(lambda rows: drawn.append(rows) or 0.0, groups, draws=50)
    rows_of = {name: set(np.flatnonzero(groups == name)) for name in "xyz"}
    for rows in drawn:
        at, picked = 0, 0
        while at < len(rows):
            whole = rows_of[groups[rows[at]]]
            assert set(rows[at : at + len(whole)]) == whole
            at, picked = at + len(whole), picked + 1
        assert picked == 3
    assert len({tuple(rows) for rows in drawn}) > 5  # of the ten ways in which three groups can be drawn


def test_one_group_gives_no_interval():
    assert np.isnan(metrics.interval(lambda rows: float(rows.mean()), ["x"] * 5)).all()


def test_an_interval_depends_on_its_seed_and_narrows_with_its_level():
    values = np.random.default_rng(0).normal(size=40)
    statistic, groups = (lambda rows: values[rows].mean()), range(40)
    low, high = metrics.interval(statistic, groups, seed=1)
    assert (low, high) == metrics.interval(statistic, groups, seed=1) != metrics.interval(statistic, groups, seed=2)
    narrow = metrics.interval(statistic, groups, level=0.5, seed=1)
    assert low < narrow[0] < narrow[1] < high


def several(seed=0, clips=120, classes=3):
    rng = np.random.default_rng(seed)
    scores = np.round(rng.random((clips, classes)), 2)
    targets = (scores + rng.normal(0, 0.4, scores.shape) > 0.7).astype(float)
    targets[rng.random(targets.shape) < 0.2] = np.nan
    return targets, scores, rng.choice(["mon", "tue", "wed", "thu", "fri", "sat"], clips), list("abc")[:classes]


@pytest.mark.parametrize("at_once", [300, 10**7])
def test_the_intervals_of_a_report_are_those_of_reports_on_resampled_groups(at_once, monkeypatch):
    """The slow way beside the fast one; in whatever pieces memory allows."""
    monkeypatch.setattr(metrics.clips, "_CELLS_AT_ONCE", at_once)
    targets, scores, groups, names = several()
    report = metrics.clip_report(targets, scores, names, groups=groups, draws=12, level=0.8, seed=4).set_index("class")

    def value(rows, name, measure):
        return metrics.clip_report(targets[rows], scores[rows], names).set_index("class").loc[name, measure]

    for name in ("a", "mean"):
        for measure in metrics.MEASURES:
            low, high = metrics.interval(lambda rows, *of: value(rows, name, measure), groups, 12, 0.8, 4)  # noqa: B023
            assert report.loc[name, [f"{measure}_low", f"{measure}_high"]].tolist() == pytest.approx([low, high])
    plain = metrics.clip_report(targets, scores, names).set_index("class")
    pd.testing.assert_frame_equal(report[plain.columns], plain)


def test_draws_that_cannot_be_judged_are_left_out_until_they_are_most():
    targets, scores = np.zeros((40, 1)), np.random.default_rng(0).random((40, 1))
    groups = np.repeat(np.arange(20), 2)
    targets[:20:2] = 1  # in half of the groups: hardly a draw without it
    ends = ["ap_low", "ap_high"]
    assert np.isfinite(metrics.clip_report(targets, scores, ["a"], groups=groups).loc[0, ends].astype(float)).all()
    targets[2:] = 0  # in one group of twenty: about one draw in three is without it
    assert np.isfinite(metrics.clip_report(targets, scores, ["a"], groups=groups).loc[0, ends].astype(float)).all()
    assert metrics.clip_report(targets[:1], scores[:1], ["a"], groups=["x"])[ends].isna().all(axis=None)


def test_a_statistic_that_is_mostly_no_number_has_no_interval():
    assert np.isnan(metrics.interval(lambda rows: np.nan, ["x", "y"])).all()
    assert np.isnan(metrics.interval(lambda rows: 1.0, [])).all()
    rare = metrics.interval(lambda rows: 1.0 if 0 in rows else np.nan, list("abcdef"), seed=0)
    assert rare == (1, 1)  # in about two draws of three
    assert np.isnan(metrics.interval(lambda rows: 1.0 if {0, 1, 2} <= set(rows) else np.nan, list("abcdef"))).all()


def test_a_report_needs_a_group_for_each_clip_and_a_name_for_each_class():
    with pytest.raises(InputError, match="3 groups do not fit 2 clips"):
        metrics.clip_report(np.zeros((2, 1)), np.zeros((2, 1)), ["a"], groups=list("xyz"))
    with pytest.raises(InputError, match="1 columns of targets and 2 classes"):
        metrics.clip_report(np.zeros((2, 1)), np.zeros((2, 1)), ["a", "b"])


# What is taken for what


def test_a_confusion_counts_what_scikit_learn_counts():
    from sklearn.metrics import confusion_matrix

    rng = np.random.default_rng(0)
    true, scores = rng.integers(0, 4, 300), rng.uniform(0.5, 1, (300, 4))
    table = metrics.confusion(np.eye(4)[true], scores, list("abcd"))
    assert (table.to_numpy() == confusion_matrix(true, scores.argmax(1))).all()
    assert list(table.index) == list(table.columns) == list("abcd")


def test_a_confusion_says_none_of_them_where_nothing_is_held_or_said():
    targets = [[1, 0], [0, 1], [0, 0], [np.nan, 0], [1, 1], [1, np.nan]]
    scores = [[0.9, 0.1], [0.2, 0.3], [0.1, 0.8], [0.9, 0.9], [0.9, 0.9], [0.1, 0.7]]
    table = metrics.confusion(targets, scores, ["a", "b"])
    assert table.to_numpy().tolist() == [[1, 1, 0], [0, 0, 1], [0, 1, 0]]
    assert list(table.index) == list(table.columns) == ["a", "b", "none of them"]


def test_a_confusion_of_nothing_is_empty_and_one_of_nonsense_refused():
    assert metrics.confusion(np.empty((0, 2)), np.empty((0, 2)), ["a", "b"]).to_numpy().sum() == 0
    with pytest.raises(InputError, match="clips × classes"):
        metrics.confusion(np.zeros((2, 2)), np.zeros((2, 3)), ["a", "b"])
    with pytest.raises(InputError, match="not a number"):
        metrics.confusion(np.zeros((1, 2)), np.full((1, 2), np.nan), ["a", "b"])
