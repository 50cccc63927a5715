"""Scores to detections: each step against a small literal, all of them against a slow reference, and thresholds."""

import functools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whalelib import metrics, post, tables
from whalelib.errors import InputError

CELL = 0.1
PLAIN = {"smooth_seconds": 0.0, "merge_seconds": 0.0, "min_seconds": 0.0}


def scores_of(start=0.0, recording="r", **columns):
    """A scores table with cells of a tenth of a second, one list of scores a class."""
    n = len(next(iter(columns.values())))
    onset = start + np.arange(n) * CELL
    frame = pd.DataFrame({"recording": recording, "onset": onset, "offset": onset + CELL, **columns})
    return tables.check_scores(frame, list(columns))


def spans(found):
    """Onset and offset in cells."""
    return [(round(a / CELL), round(b / CELL)) for a, b in zip(found["onset"], found["offset"], strict=True)]


def random_scores(min_size=1):
    """Scores on a coarse scale, so that many equal a threshold; some cells were not analysed."""
    score = st.sampled_from([0.0, 0.1, 0.25, 0.3, 0.5, 0.7, 0.9, 1.0, np.nan])
    return st.lists(score, min_size=min_size, max_size=40)


# ---------------------------------------------------------------- smoothing


@pytest.mark.parametrize("cells", [0, 1, 2, 3, 7, 50])
def test_a_constant_stays_constant_up_to_the_edges(cells):
    assert post.smooth(np.full((20, 2), 0.3), cells) == pytest.approx(0.3)


@pytest.mark.parametrize("cells", [0, 1])
def test_one_cell_or_none_leaves_the_scores_as_they_are(cells):
    values = np.random.default_rng(0).random((9, 2))
    np.testing.assert_array_equal(post.smooth(values, cells), values)


def test_a_peak_is_spread_evenly_and_an_even_width_becomes_the_next_odd_one():
    peak = np.zeros((9, 1))
    peak[4] = 1
    expected = [0, 0, 0, 1 / 3, 1 / 3, 1 / 3, 0, 0, 0]
    assert post.smooth(peak, 3)[:, 0] == pytest.approx(expected)
    assert post.smooth(peak, 2)[:, 0] == pytest.approx(expected)


def test_the_mean_is_kept_away_from_the_edges():
    values = np.zeros((40, 2))
    values[10:30] = np.random.default_rng(0).random((20, 2))
    assert post.smooth(values, 7).mean(axis=0) == pytest.approx(values.mean(axis=0))


def test_what_was_not_analysed_stays_so_and_does_not_leak():
    values = np.array([[0.2], [0.4], [np.nan], [0.6], [0.6]])
    assert post.smooth(values, 3)[:, 0] == pytest.approx([0.3, 0.3, np.nan, 0.6, 0.6], nan_ok=True)
    two = np.column_stack([np.full(5, 0.5), [0.1, np.nan, np.nan, np.nan, 0.1]])
    assert post.smooth(two, 3)[:, 0] == pytest.approx(0.5)
    assert post.smooth(np.empty((0, 2)), 3).shape == (0, 2)


@settings(deadline=None)
@given(values=random_scores(), cells=st.integers(1, 9))
def test_a_smoothed_score_lies_between_those_it_was_made_of(values, cells):
    values = np.array(values)[:, None]
    smoothed = post.smooth(values, cells)
    assert (np.isnan(smoothed) == np.isnan(values)).all()
    if np.isfinite(values).any():
        assert np.nanmin(values) - 1e-9 <= np.nanmin(smoothed) <= np.nanmax(smoothed) <= np.nanmax(values) + 1e-9


# ---------------------------------------------------------------- detections


def test_detections_by_hand():
    scores = scores_of(a=[0, 0.6, 0.9, 0, 0.7, 0, 0, 0.8], b=[0.5, 0.5, 0, 0, 0, 0, 0, 0])
    found = post.detect(scores, {"a": 0.6, "b": 0.4}, **PLAIN)
    tables.check_events(found)
    assert found["label"].tolist() == ["b", "a", "a", "a"]
    assert spans(found) == [(0, 2), (1, 3), (4, 5), (7, 8)]
    assert found["score"].tolist() == pytest.approx([0.5, 0.9, 0.7, 0.8])
    assert (found["recording"] == "r").all() and found[["low_hz", "high_hz"]].isna().all(axis=None)


@pytest.mark.parametrize("threshold", np.round(np.arange(0.05, 1.0, 0.05), 2))
@pytest.mark.parametrize("smooth_seconds", [0.0, 0.3])
def test_a_score_that_equals_the_threshold_is_a_detection(threshold, smooth_seconds):
    scores = scores_of(a=[threshold] * 9)
    assert spans(post.detect(scores, {"a": threshold}, smooth_seconds=smooth_seconds)) == [(0, 9)]
    assert post.detect(scores, {"a": threshold + 1e-4}, smooth_seconds=smooth_seconds).empty


@pytest.mark.parametrize("start", [0.0, 0.3, 1234.5])
def test_detections_closer_than_the_gap_become_one(start):
    scores = scores_of(start, a=[0.6, 0, 0, 0.9])
    gap = {**PLAIN, "merge_seconds": 2 * CELL}
    assert len(post.detect(scores, {"a": 0.5}, **gap)) == 2  # exactly as far apart is not closer
    (found,) = post.detect(scores, {"a": 0.5}, **{**gap, "merge_seconds": 2 * CELL + 0.001}).itertuples()
    assert (found.onset, found.offset) == pytest.approx((start, start + 4 * CELL))
    assert found.score == pytest.approx(0.9)


def test_nothing_is_merged_across_what_was_not_analysed():
    scores = scores_of(a=[0.9, np.nan, 0.9, 0, 0.9])
    assert spans(post.detect(scores, {"a": 0.5}, **{**PLAIN, "merge_seconds": 10})) == [(0, 1), (2, 5)]


def test_short_detections_are_dropped_after_merging():
    scores = scores_of(a=[0.9, 0, 0.9, 0, 0, 0, 0.9, 0.9, 0, 0, 0, 0.9])
    steps = {**PLAIN, "merge_seconds": 0.15}
    assert spans(post.detect(scores, {"a": 0.5}, **{**steps, "min_seconds": 0.3})) == [(0, 3)]
    assert spans(post.detect(scores, {"a": 0.5}, **{**steps, "min_seconds": 0.2})) == [(0, 3), (6, 8)]


def test_smoothing_closes_a_dent_and_removes_a_spike():
    scores = scores_of(a=[0.9, 0.9, 0.4, 0.9, 0.9, 0, 0, 0, 0.9, 0, 0])
    assert spans(post.detect(scores, {"a": 0.5}, **{**PLAIN, "smooth_seconds": 0.3})) == [(0, 5)]


def test_each_recording_is_for_itself():
    scores = pd.concat([scores_of(a=[0, 0.9], recording="x"), scores_of(a=[0.9, 0], recording="y")])
    found = post.detect(scores, {"a": 0.5}, smooth_seconds=0.5, merge_seconds=9, min_seconds=0)
    assert found.empty
    found = post.detect(scores, {"a": 0.4}, smooth_seconds=0.5, merge_seconds=9, min_seconds=0)
    assert found["recording"].tolist() == ["x", "y"] and spans(found) == [(0, 2), (0, 2)]


def test_without_any_detection_there_is_still_a_table():
    for scores in (scores_of(a=[0.1, np.nan]), scores_of(a=[0.1]).iloc[:0]):
        found = post.detect(scores, {"a": 0.5})
        assert found.empty and list(found.columns) == list(tables.EVENTS)


def test_a_class_without_a_column_is_a_sentence():
    with pytest.raises(InputError, match="no column 'c': they hold a, b"):
        post.detect(scores_of(a=[0.1], b=[0.1]), {"a": 0.5, "c": 0.5})


def test_bands_are_the_middle_of_the_annotated_calls():
    names = ("label", "low_hz", "high_hz", "truth")
    rows = [("a", 50, 100, "present"), ("a", 60, 120, "present"), ("a", 90, 500, "present"), ("a", 1, 2, "possible")]
    events = tables.events(
        [{"recording": "r", "onset": 0, "offset": 1, **dict(zip(names, r, strict=True))} for r in rows]
    )
    bands = post.bands_of(events)
    assert bands.loc["a"].tolist() == [60, 120]
    found = post.detect(scores_of(a=[0.9] * 5, b=[0.9] * 5), {"a": 0.5, "b": 0.5}, bands=bands).set_index("label")
    assert found.loc["a", ["low_hz", "high_hz"]].tolist() == [60, 120]
    assert found.loc["b", ["low_hz", "high_hz"]].isna().all()


def slowly(values, threshold, width, gap, shortest):
    """What `detect` does, one cell at a time: spans in cells and their peaks."""
    n, half = len(values), width // 2
    smoothed = []
    for k in range(n):
        near = [v for v in values[max(k - half, 0) : k + half + 1] if not np.isnan(v)]
        smoothed.append(np.nan if np.isnan(values[k]) else np.float32(sum(near) / len(near)))
    found = []
    for k in range(n):
        if not smoothed[k] >= np.float32(threshold):
            continue
        between = smoothed[found[-1][1] : k] if found else []
        if found and (k == found[-1][1] or (len(between) < gap and not np.isnan(between).any())):
            found[-1] = (found[-1][0], k + 1)
        else:
            found.append((k, k + 1))
    return [(a, b, np.nanmax(smoothed[a:b])) for a, b in found if b - a >= shortest]


@settings(max_examples=200, deadline=None)
@given(
    values=random_scores(),
    threshold=st.sampled_from([0.1, 0.3, 0.5, 0.7]),
    width=st.sampled_from([1, 3, 5]),
    gap=st.integers(0, 4),
    shortest=st.integers(0, 4),
)
def test_detections_equal_those_of_a_slow_reference(values, threshold, width, gap, shortest):
    steps = {"smooth_seconds": width * CELL, "merge_seconds": gap * CELL, "min_seconds": shortest * CELL}
    found = post.detect(scores_of(a=values), {"a": threshold}, **steps)
    expected = slowly(np.array(values, dtype=np.float32).astype(float), threshold, width, gap, shortest)
    assert spans(found) == [(a, b) for a, b, _ in expected]
    assert found["score"].tolist() == pytest.approx([peak for *_, peak in expected])


@settings(max_examples=50, deadline=None)
@given(values=random_scores(), start=st.sampled_from([0.0, 77.7]))
def test_detections_lie_inside_the_recording_and_apart(values, start):
    scores = scores_of(start, a=values)
    found = post.detect(scores, {"a": 0.3}, min_seconds=0.0)
    assert (found["onset"] >= scores["onset"].min()).all() and (found["offset"] <= scores["offset"].max()).all()
    assert (found["offset"] > found["onset"]).all()
    assert (found["onset"].to_numpy()[1:] > found["offset"].to_numpy()[:-1]).all()


@settings(max_examples=50, deadline=None)
@given(values=random_scores())
def test_a_higher_threshold_never_finds_more_time(values):
    lengths = []
    for threshold in (0.1, 0.25, 0.3, 0.5, 0.8, 1.0):
        found = post.detect(scores_of(a=values), {"a": threshold})
        lengths.append((found["offset"] - found["onset"]).sum())
    assert (np.diff(lengths) <= 1e-9).all()


# ---------------------------------------------------------------- thresholds


def labelled(*rows):
    """Events of recording r from (label, first cell, last cell), present unless a fourth item says otherwise."""
    full = [(*row, "present")[:4] for row in rows]
    return tables.events(
        [{"recording": "r", "label": n, "onset": a * CELL, "offset": b * CELL, "truth": t} for n, a, b, t in full]
    )


def test_the_threshold_that_separates_calls_from_noise_is_found_for_each_class():
    hush = [0.02] * 10
    a = hush + [0.93] * 10 + hush + [0.62] * 10 + hush  # a call of a, and noise that looks like one
    b = hush + [0.12] * 10 + hush + [0.33] * 10 + hush
    truth = labelled(("a", 10, 20), ("b", 30, 40))
    best = post.choose_thresholds(scores_of(a=a, b=b), truth, ["a", "b"], smooth_seconds=0, exhaustive=True)
    assert 0.62 < best["a"] <= 0.93 and 0.12 < best["b"] <= 0.33
    assert best == {"a": 0.8, "b": 0.25}  # the middle of 0.65 to 0.90, the upper of two, and of 0.15 to 0.30


def test_a_class_without_calls_keeps_one_half():
    scores = scores_of(a=[0.9] * 10, b=[0.9] * 10, c=[0.9] * 10)
    truth = labelled(("a", 0, 10), ("b", 0, 10, "possible"))
    best = post.choose_thresholds(scores, truth, ["a", "b", "c"], exhaustive=True)
    assert best["b"] == best["c"] == 0.5 and list(best) == ["a", "b", "c"]


def test_the_steps_that_will_be_taken_are_those_the_threshold_is_chosen_for():
    spikes = [0.9, 0, 0, 0.9, 0, 0, 0.9, 0, 0]
    scores, truth = scores_of(a=[0.0] * 6 + spikes + [0.0] * 6), labelled(("a", 6, 15))
    choose = functools.partial(post.choose_thresholds, scores, truth, ["a"], exhaustive=True, min_seconds=0.0)
    smooth, plain = choose(smooth_seconds=0.3), choose(smooth_seconds=0.0, merge_seconds=0.25)
    assert smooth["a"] <= 0.3 < plain["a"]


def test_the_candidates_and_the_match_can_be_chosen():
    scores, truth = scores_of(a=[0.9] * 10 + [0.5] * 10 + [0.0] * 5), labelled(("a", 0, 20))
    steps = {"candidates": [0.4, 0.6], "smooth_seconds": 0, "exhaustive": True}
    assert post.choose_thresholds(scores, truth, ["a"], rule=metrics.Overlap(0.7), **steps) == {"a": 0.4}
    assert post.choose_thresholds(scores, truth, ["a"], rule=metrics.Overlap(0.3), **steps) == {"a": 0.6}


def test_a_class_that_was_not_scored_has_no_threshold_to_choose():
    with pytest.raises(InputError, match="no column 'b'"):
        post.choose_thresholds(scores_of(a=[0.9]), labelled(("b", 0, 1)), ["b"], exhaustive=True)
