"""The steps of post-processing one by one: each against a slow reference, an identity, or a small literal."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whalelib import post, tables
from whalelib.errors import InputError
from whalelib.post import runs

CELL = 0.1
PLAIN = {"smooth_seconds": 0.0, "merge_seconds": 0.0, "min_seconds": 0.0}
MANY = settings(deadline=None, max_examples=80)
SCORES = st.lists(st.sampled_from([0.0, 0.1, 0.25, 0.3, 0.5, 0.7, 0.9, 1.0, np.nan]), min_size=1, max_size=40)
MASKS = st.lists(st.booleans(), min_size=1, max_size=40).map(np.array)


def scores_of(recording="r", cell=CELL, start=0.0, **columns):
    onset = start + np.arange(len(next(iter(columns.values())))) * cell
    frame = pd.DataFrame({"recording": recording, "onset": onset, "offset": onset + cell, **columns})
    return tables.check_scores(frame, list(columns))


def events_of(*rows):
    """Events of recording r from (label, onset, offset, score)."""
    names = ("label", "onset", "offset", "score")
    return tables.events([{"recording": "r", **dict(zip(names, row, strict=True))} for row in rows])


def spans(found):
    return [(round(a / CELL), round(b / CELL)) for a, b in zip(found["onset"], found["offset"], strict=True)]


def detect(values, threshold=0.5, **steps):
    return spans(post.detect(scores_of(a=values), {"a": threshold}, **{**PLAIN, **steps}))


# ---------------------------------------------------------------- smoothing


@pytest.mark.parametrize("how", ["moving", "neighbours", "median"])
@MANY
@given(values=SCORES, cells=st.sampled_from([1, 3, 4, 7]))
def test_smoothing_is_what_it_says(how, values, cells):
    values = np.array(values)
    half = (cells + 1 - cells % 2) // 2
    expected = []
    for k, own in enumerate(values):
        near = range(max(k - half, 0), min(k + half + 1, len(values)))
        known = [(values[j], half + 1 - abs(j - k)) for j in near if np.isfinite(values[j])]
        if np.isnan(own):
            expected.append(np.nan)
        elif how == "median":
            expected.append(np.median([v for v, _ in known]))
        else:
            expected.append(
                np.average([v for v, _ in known], weights=[w for _, w in known] if how != "moving" else None)
            )
    both = np.column_stack([values, values[::-1]])
    np.testing.assert_allclose(post.smooth(both, cells, how)[:, 0], expected, atol=1e-9)
    np.testing.assert_allclose(post.smooth(both, cells, how)[:, 1], expected[::-1], atol=1e-9)


def test_a_median_drops_a_spike_and_keeps_an_edge():
    values = np.array([0, 0, 1, 0, 0, 0, 1, 1, 1, 1.0])[:, None]
    assert post.smooth(values, 3, "median")[:, 0].tolist() == [0, 0, 0, 0, 0, 0, 1, 1, 1, 1]
    with pytest.raises(InputError, match="moving, neighbours, median"):
        post.smooth(values, 3, "loess")


# ---------------------------------------------------------------- cells that count, and runs of them


@MANY
@given(mask=MASKS, at_least=st.integers(1, 5), more=st.integers(0, 4))
def test_n_of_m_is_what_every_stretch_says(mask, at_least, more):
    of_cells = at_least + more
    padded = np.pad(mask, of_cells)
    expected = np.zeros(len(padded), dtype=bool)
    for k in range(len(padded) - of_cells + 1):
        if padded[k : k + of_cells].sum() >= at_least:
            expected[k : k + of_cells] = True
    assert (runs.often_enough(mask, at_least, of_cells) == (expected[of_cells : of_cells + len(mask)] & mask)).all()


def test_at_least_so_many_of_so_many_cells():
    values = [0.9, 0, 0.9, 0, 0, 0, 0.9, 0, 0, 0, 0.9, 0.9, 0.9]
    assert detect(values, at_least=2, of_cells=3) == [(0, 1), (2, 3), (10, 13)]
    assert detect(values, at_least=3) == [(10, 13)]  # in a row
    assert detect(values) == detect(values, at_least=1, of_cells=9)


@MANY
@given(values=SCORES, drop=st.sampled_from([0.0, 0.2, 0.4]))
def test_hysteresis_goes_on_while_the_score_is_not_far_below(values, drop):
    expected, k, kept = [], 0, np.array(values, dtype=np.float32)
    low = np.float32(0.7 - drop)
    while k < len(kept):
        end = k
        while end < len(kept) and (kept[end] >= low or kept[end] >= np.float32(0.7)):
            end += 1
        if end > k and np.nanmax(kept[k:end]) >= np.float32(0.7):
            expected.append((k, end))
        k = max(end, k + 1)
    assert detect(values, 0.7, hysteresis=drop) == expected


def test_what_is_too_long_is_dropped_or_cut():
    values = [0.9] * 10 + [0] + [0.9] * 3 + [0] + [0.9] * 4
    assert detect(values, max_seconds=0.4) == [(11, 14), (15, 19)]
    assert detect(values, max_seconds=0.4, too_long="cut") == [(0, 3), (3, 6), (6, 10), (11, 14), (15, 19)]
    assert detect(values, max_seconds=0.0) == [(0, 10), (11, 14), (15, 19)]
    with pytest.raises(InputError, match="dropped \\(drop\\) or cut"):
        detect(values, too_long="keep")


@MANY
@given(values=SCORES, longest=st.integers(1, 6))
def test_cutting_keeps_every_cell_and_no_part_is_too_long(values, longest):
    whole = detect(values)
    parts = detect(values, max_seconds=longest * CELL, too_long="cut")
    assert sum(b - a for a, b in parts) == sum(b - a for a, b in whole)
    assert max((b - a for a, b in parts), default=0) <= longest
    assert {a for a, _ in whole} <= {a for a, _ in parts}


@MANY
@given(values=SCORES, steps=st.fixed_dictionaries({
    "smoothing": st.sampled_from(["moving", "neighbours", "median"]), "smooth_seconds": st.sampled_from([0.0, 0.3]),
    "hysteresis": st.sampled_from([0.0, 0.3]), "at_least": st.integers(1, 3), "of_cells": st.integers(1, 4),
    "merge_seconds": st.sampled_from([0.0, 0.25]), "max_seconds": st.sampled_from([0.0, 0.5]),
    "too_long": st.sampled_from(["drop", "cut"]), "sharpen": st.booleans(),
    "suppress_seconds": st.sampled_from([0.0, 1.0]),
}))  # fmt: skip
def test_whatever_the_steps_detections_are_events_and_none_is_of_what_was_not_analysed(values, steps):
    found = post.detect(scores_of(a=values), {"a": 0.5}, **{**PLAIN, **steps})
    tables.check_events(found)
    assert found["score"].notna().all()
    for k in np.flatnonzero(np.isnan(values)):
        assert not ((found["onset"] < (k + 1) * CELL - 1e-9) & (found["offset"] > k * CELL + 1e-9)).any()
    assert post.detect(scores_of(a=[np.nan] * len(values)), {"a": 0.0}, **{**PLAIN, **steps}).empty


# ---------------------------------------------------------------- ends


def test_sharpened_ends_lie_where_the_line_crosses():
    values = [0.0, 0.25, 0.75, 0.75, 0.0]
    found = post.detect(scores_of(a=values), {"a": 0.5}, sharpen=True, **PLAIN)
    # Between the middles at 0.15 (0.25) and 0.25 (0.75); and at 0.35 (0.75) and 0.45 (0), a third of the way.
    assert found[["onset", "offset"]].to_numpy()[0] == pytest.approx([0.2, 0.35 + 0.1 / 3])
    at_the_end = post.detect(scores_of(a=[0.9, 0.9, np.nan]), {"a": 0.5}, sharpen=True, **PLAIN)
    assert at_the_end[["onset", "offset"]].to_numpy()[0] == pytest.approx([0.0, 0.2])


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.7])
def test_a_ramp_is_found_to_a_fraction_of_a_cell(threshold):
    middle = np.arange(60) * CELL + CELL / 2
    values = np.clip(1 - np.abs(middle - 3.0) / 2, 0, 1)
    found = post.detect(scores_of(a=values), {"a": threshold}, sharpen=True, **PLAIN)
    assert found[["onset", "offset"]].to_numpy()[0] == pytest.approx([1 + 2 * threshold, 5 - 2 * threshold], abs=1e-5)


def test_windows_get_their_ends_from_frames():
    windows = events_of(("a", 0, 2, 0.9), ("a", 4, 6, 0.8), ("b", 0, 2, 0.7))
    frames = scores_of(a=[0] * 5 + [0.9] * 10 + [0] * 45, b=[0] * 60)
    fine = post.refine(windows, frames, {"a": 0.5, "b": 0.5})
    edges = 0.1 * 0.4 / 0.9
    assert fine.loc[0, ["onset", "offset"]].tolist() == pytest.approx([0.45 + 0.1 - edges, 1.45 + edges], abs=1e-6)
    assert fine.iloc[1:].equals(windows.iloc[1:])  # nothing is heard there, so they stay
    assert fine["score"].tolist() == windows["score"].tolist()


def test_how_far_ends_may_be_moved():
    frames = scores_of(a=[0] * 10 + [0.9] * 30 + [0] * 20)
    inside = post.refine(events_of(("a", 2, 3, 0.9)), frames, {"a": 0.5})
    assert inside[["onset", "offset"]].to_numpy()[0] == pytest.approx([2, 3], abs=CELL)
    wide = post.refine(events_of(("a", 2, 3, 0.9)), frames, {"a": 0.5}, reach_seconds=2.0)
    assert wide[["onset", "offset"]].to_numpy()[0] == pytest.approx([1, 4], abs=CELL)
    with pytest.raises(InputError, match="no column 'b'"):
        post.refine(events_of(), frames, {"b": 0.5})


# ---------------------------------------------------------------- suppression


@MANY
@given(
    rows=st.lists(
        st.tuples(st.sampled_from("ab"), st.integers(0, 30), st.integers(1, 8), st.integers(1, 9)), max_size=10
    ),
    near=st.sampled_from([0.0, 0.5, 2.0]),
    share=st.sampled_from([0.0, 0.3, 1.0]),
)
def test_the_best_stays_and_its_rivals_go(rows, near, share):
    events = events_of(*[(n, a / 8, (a + long) / 8, s / 10) for n, a, long, s in rows]) if rows else tables.events([])
    kept: list = []
    for e in sorted(events.itertuples(), key=lambda e: (-e.score, e.onset, e.label, e.Index)):
        beaten = False
        for b in kept:
            shared = max(min(e.offset, b.offset) - max(e.onset, b.onset), 0)
            iou = shared / (e.offset - e.onset + b.offset - b.onset - shared)
            close = abs(e.onset + e.offset - b.onset - b.offset) / 2 < near - 1e-9
            beaten |= close if e.label == b.label else share < 1 and iou > share
        if not beaten:
            kept.append(e)
    found = post.suppress(events, suppress_seconds=near, suppress_iou=share)
    assert sorted(map(tuple, found[["label", "onset", "offset", "score"]].to_numpy())) == sorted(
        (e.label, e.onset, e.offset, e.score) for e in kept
    )


# ---------------------------------------------------------------- frames and clips


@pytest.mark.parametrize("how", ["product", "mean", "least"])
def test_frames_and_clips_joined_by_hand(how):
    frames = scores_of(a=[0.9, 0.4, np.nan, 0.9, 0.9])
    clips = pd.DataFrame(
        {"recording": "r", "onset": [0.0, 0.1, 0.3], "offset": [0.2, 0.3, 0.4], "a": [0.8, 0.4, np.nan]}
    )
    fine, coarse = np.array([0.9, 0.4]), np.array([0.8, 0.6])  # the second frame lies in two clips
    expected = {"product": np.sqrt(fine * coarse), "mean": (fine + coarse) / 2, "least": np.minimum(fine, coarse)}[how]
    joined = post.join(frames, clips, how)
    assert joined["a"].tolist() == pytest.approx([*expected, np.nan, np.nan, np.nan], nan_ok=True)
    assert joined[["onset", "offset"]].equals(frames[["onset", "offset"]])


def test_a_sure_clip_without_a_frame_and_a_frame_without_a_clip():
    frames = scores_of(a=[0.9, 0.0, 0.5], b=[0.5, 0.5, 0.5])
    clips = pd.DataFrame({"recording": ["r", "s"], "onset": 0.0, "offset": 0.3, "a": [0.0, 1.0], "b": [1.0, 1.0]})
    joined = post.join(frames, clips)
    assert (joined["a"] == 0).all() and joined["b"].tolist() == pytest.approx([0.5**0.5] * 3)
    for broken, says in ((lambda: post.join(frames, clips, "max"), "product, mean, least"),
                         (lambda: post.join(frames, clips.drop(columns="b")), "no column 'b'")):  # fmt: skip
        with pytest.raises(InputError, match=says):
            broken()
