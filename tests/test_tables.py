"""The four tables: each rule has its sentence, and intervals are compared as a slow count would."""

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from refusal import refused

from whalelib import tables

MANY = settings(max_examples=60, deadline=None)


def recordings_table(**changes):
    row = {"recording": "a", "path": "a.wav", "start": pd.NaT, "seconds": 60.0}
    row |= {"sample_rate": 2000, "channels": 1, "group": "day"}
    return pd.DataFrame([row, {**row, "recording": "b", **changes}])


def events_table(*rows, **changes):
    row = {"recording": "a", "onset": 1.0, "offset": 2.0, "label": "call"}
    return tables.events([row, *rows, {**row, **changes}])


def clips_table(**changes):
    row = {"recording": "a", "onset": 0, "seconds": 3, "weight": 1, "group": "day", "fold": "train", "x": 1, "y": 0}
    return pd.DataFrame([row, {**row, **changes}])


def scores_table(**changes):
    row = {"recording": "a", "onset": 0, "offset": 1, "x": 0.5}
    return pd.DataFrame([row, {**row, **changes}])


# Schema


@pytest.mark.parametrize(
    ("changes", "says", "mend"),
    [
        ({"recording": "a"}, "gives a recording twice", "its own id"),
        ({"seconds": 0.0}, "has no duration", "leave the empty recording out"),
        ({"seconds": -1.0}, "has no duration", "leave the empty recording out"),
        ({"seconds": np.nan}, "has no duration", "leave the empty recording out"),
        ({"sample_rate": 0}, "has no sample rate", "probe the file again"),
    ],
)
def test_a_recording_at_fault_is_named_with_its_mend(changes, says, mend):
    frame = recordings_table(**changes)
    refused(lambda: tables.check_recordings(frame, "list.csv"), "list.csv, row 2 of recording", says, mend)


@pytest.mark.parametrize(
    ("changes", "says", "mend"),
    [
        ({"onset": None}, "has no onset or offset", "give both in seconds"),
        ({"offset": np.nan}, "has no onset or offset", "give both in seconds"),
        ({"offset": 0.5}, "ends before it begins", "swap its begin and end"),
        ({"offset": 1.0}, "has no duration", "an end after its beginning"),
        ({"onset": -0.001}, "begins before its recording", "check the time zone"),
        ({"low_hz": 300.0, "high_hz": 200.0}, "high below its low frequency", "swap the two frequencies"),
        ({"truth": "maybe"}, "has an unknown truth", "present, possible, absent"),
        ({"recording": "c"}, "names a missing recording", "add the audio file"),
        ({"offset": 60.06}, "ends after its recording", "check the time zone"),
        ({"label": "song"}, "has an unknown label", "use one of call, moan"),
    ],
)
def test_an_event_at_fault_is_named_with_its_mend(changes, says, mend):
    frame = events_table(**changes)
    name = repr(changes.get("recording", "a"))
    refused(
        lambda: tables.check_events(frame, recordings_table(), ["call", "moan"], "log.txt"),
        f"log.txt, row 2 of recording {name}",
        says,
        mend,
    )


@pytest.mark.parametrize("target", [-0.01, 1.01])
def test_a_target_that_is_no_probability_is_refused(target):
    frame = clips_table(y=target)
    refused(lambda: tables.check_clips(frame, ["x", "y"]), "row 2 of recording 'a'", "outside 0 to 1", "NaN")


@pytest.mark.parametrize("offset", [0, -1])
def test_a_score_that_does_not_last_is_refused(offset):
    refused(
        lambda: tables.check_scores(scores_table(offset=offset), ["x"]),
        "row 2 of recording 'a'",
        "give onset and offset",
    )


def test_further_rows_at_fault_are_counted():
    frame = events_table({"recording": "b", "onset": 2, "offset": 1, "label": "call"}, offset=0.5)
    refused(lambda: tables.check_events(frame), "row 2 of recording 'b' (and 1 more), ends before")


CHECKS = [
    (tables.check_recordings, recordings_table(), tables.RECORDINGS),
    (tables.check_events, events_table(), tables.EVENTS),
    (lambda frame: tables.check_clips(frame, ["x", "y"]), clips_table(), {**tables.CLIPS, "x": "", "y": ""}),
    (lambda frame: tables.check_scores(frame, ["x"]), scores_table(), {**tables.SCORES, "x": ""}),
]


@pytest.mark.parametrize(("check", "frame", "schema"), CHECKS)
def test_every_column_is_needed(check, frame, schema):
    for name in schema:
        without = frame.drop(columns=name)
        refused(lambda without=without: check(without), f"lacks the column {name!r}", ", ".join(list(schema)[:3]))


@pytest.mark.parametrize(("check", "frame", "schema"), CHECKS)
def test_the_index_begins_anew_and_columns_of_ones_own_are_kept(check, frame, schema):
    checked = check(frame.assign(note=["one", "two"])[["note", *frame.columns]].set_axis([7, 7]))
    assert list(checked.index) == [0, 1]
    assert list(checked.columns) == [*schema, "note"]


@pytest.mark.parametrize(("check", "frame", "schema"), CHECKS)
def test_checking_again_changes_nothing_and_the_input_is_not_touched(check, frame, schema):
    before = frame.copy(deep=True)
    once = check(frame)
    pd.testing.assert_frame_equal(check(once), once)
    pd.testing.assert_frame_equal(frame, before)


@pytest.mark.parametrize(("check", "frame", "schema"), CHECKS)
def test_a_table_without_rows_passes_in_its_types(check, frame, schema):
    checked = check(frame.iloc[:0])
    assert len(checked) == 0
    pd.testing.assert_series_equal(checked.dtypes, check(frame).dtypes)


@pytest.mark.parametrize("schema", [tables.RECORDINGS, tables.EVENTS, tables.CLIPS, tables.SCORES])
def test_an_empty_table_has_the_types_of_its_schema(schema):
    frame = tables.empty(schema)
    assert list(frame.columns) == list(schema) and len(frame) == 0
    assert all(frame[name].dtype == pd.Series(dtype=dtype).dtype for name, dtype in schema.items())


def test_no_events_lie_in_no_recordings():
    nothing = tables.check_events(tables.events([]), tables.empty(tables.RECORDINGS), ["call"])
    assert len(nothing) == 0


def test_types_are_brought_into_line():
    row = {"recording": 7, "onset": "1.5", "offset": 2, "label": "call", "channel": "3", "low_hz": 10}
    event = tables.check_events(tables.events([row])).iloc[0]
    assert (event["recording"], event["onset"], event["channel"]) == ("7", 1.5, 3)
    assert tables.events([row])["low_hz"].dtype == np.float64
    scores = tables.check_scores(scores_table(x="0.25"), ["x"])
    assert scores["x"].dtype == np.float32 and scores["x"].iloc[1] == 0.25


def test_a_recordings_start_is_brought_to_utc():
    starts = ["2009-03-28T00:00:00-04:00", None]
    checked = tables.check_recordings(recordings_table().assign(start=starts))
    assert checked["start"].iloc[0] == pd.Timestamp("2009-03-28T04:00:00Z")
    assert checked["start"].isna().tolist() == [False, True]
    assert str(checked["start"].dtype) == "datetime64[ns, UTC]"


@pytest.mark.parametrize(
    ("check", "column", "value"),
    [
        (tables.check_recordings, "start", "yesterday"),
        (tables.check_recordings, "channels", "two"),
        (tables.check_events, "onset", "1,5"),
        (tables.check_events, "channel", "left"),
    ],
)
def test_a_value_of_the_wrong_type_names_its_column(check, column, value):
    frame = recordings_table() if check is tables.check_recordings else events_table()
    frame[column] = [frame[column].iloc[0], value]
    refused(lambda: check(frame, where="log.csv"), "log.csv", repr(column))


def test_an_event_may_seem_to_end_just_after_its_recording():
    frame = events_table(offset=60 + tables.BORDER_TOLERANCE * 0.9)
    assert len(tables.check_events(frame, recordings_table())) == 2


def test_unknown_frequencies_and_targets_are_no_fault():
    assert len(tables.check_events(events_table(low_hz=300.0), recordings_table(), ["call"])) == 2
    assert np.isnan(tables.check_clips(clips_table(y=np.nan), ["x", "y"])["y"].iloc[1])


def test_what_an_event_need_not_say_has_a_default():
    plain = events_table().iloc[0]
    assert (plain["truth"], plain["channel"]) == ("present", 1)
    assert plain[["low_hz", "high_hz", "score"]].isna().all()


def test_a_missing_value_takes_the_default_and_a_given_one_stays():
    given = {"recording": "a", "onset": 0, "offset": 1, "label": "call", "truth": "absent", "channel": 4, "score": 0.5}
    frame = events_table(given, truth=None, channel=None, score=None)
    assert frame["truth"].tolist() == ["present", "absent", "present"]
    assert frame["channel"].tolist() == [1, 4, 1]
    assert frame["score"].fillna(-1).tolist() == [-1, 0.5, -1]


def test_events_of_a_table_leave_that_table_alone():
    given = pd.DataFrame([{"recording": "a", "onset": 0, "offset": 1, "label": "call"}])
    tables.events(given)
    assert list(given.columns) == ["recording", "onset", "offset", "label"]


def test_classes_are_the_columns_of_neither_schema():
    assert tables.classes_of(clips_table()) == ["x", "y"]
    assert tables.classes_of(scores_table()) == ["x"]


# Intervals

TIMES = st.integers(0, 40).map(lambda k: k / 4)
INTERVALS = st.tuples(TIMES, st.integers(1, 20).map(lambda k: k / 4)).map(lambda t: (t[0], t[0] + t[1]))


def arrays(*intervals):
    return [np.array([value]) for interval in intervals for value in interval]


@MANY
@given(one=INTERVALS, two=INTERVALS)
def test_overlap_is_symmetric_shared_time(one, two):
    ticks = np.arange(0, 20, 0.25) + 0.125
    both = (ticks > one[0]) & (ticks < one[1]) & (ticks > two[0]) & (ticks < two[1])
    assert tables.overlap_seconds(*arrays(one, two))[0] == both.sum() * 0.25
    assert tables.overlap_seconds(*arrays(two, one))[0] == both.sum() * 0.25


@MANY
@given(one=INTERVALS, two=INTERVALS, shift=TIMES)
def test_intersection_over_union_identities(one, two, shift):
    iou = tables.intersection_over_union(*arrays(one, two))[0]
    moved = [(a + shift, b + shift) for a, b in (one, two)]
    stretched = [(a * 4, b * 4) for a, b in (one, two)]
    assert 0 <= iou <= 1
    assert (iou == 1) == (one == two)
    assert (iou > 0) == (max(one[0], two[0]) < min(one[1], two[1]))
    for same in ((two, one), moved, stretched):
        assert tables.intersection_over_union(*arrays(*same))[0] == pytest.approx(iou)


def test_intersection_over_union_of_known_intervals():
    onset, offset = np.array([0.0, 0.0, 0.0, 3.0]), np.array([2.0, 2.0, 2.0, 3.0])
    begin, end = np.array([1.0, 0.0, 2.0, 3.0]), np.array([3.0, 1.0, 4.0, 3.0])
    assert tables.intersection_over_union(onset, offset, begin, end) == pytest.approx([1 / 3, 1 / 2, 0, 0])


def test_intervals_broadcast():
    onset, offset = np.array([[0.0], [5.0]]), np.array([[2.0], [6.0]])
    shared = tables.overlap_seconds(onset, offset, np.array([1.0, 5.5, 9.0]), np.array([3.0, 9.0, 10.0]))
    assert shared.tolist() == [[1, 0, 0], [0, 0.5, 0]]


@MANY
@given(intervals=st.lists(INTERVALS, max_size=6), begin=TIMES, seconds=st.integers(0, 30).map(lambda k: k / 4))
def test_uncovered_is_what_a_mask_leaves_free(intervals, begin, seconds):
    end = begin + seconds
    onsets, offsets = (np.array([i[k] for i in intervals]) for k in (0, 1))
    ticks = np.arange(begin, end, 0.25) + 0.125
    free = ~np.any([(ticks > a) & (ticks < b) for a, b in intervals] or [np.zeros(len(ticks), bool)], axis=0)
    stretches = tables.uncovered(begin, end, onsets, offsets)
    found = np.any([(ticks > a) & (ticks < b) for a, b in stretches] or [np.zeros(len(ticks), bool)], axis=0)
    np.testing.assert_array_equal(found, free)
    assert all(begin <= a < b <= end for a, b in stretches)
    assert all(b < a for (_, b), (a, _) in itertools.pairwise(stretches))
    assert sum(b - a for a, b in stretches) == free.sum() * 0.25


# Matching


@st.composite
def event_tables(draw, most=5):
    rows = [
        {
            "recording": draw(st.sampled_from("ab")),
            "onset": onset,
            "offset": offset,
            "label": draw(st.sampled_from(["call", "moan"])),
        }
        for onset, offset in draw(st.lists(INTERVALS, max_size=most))
    ]
    return tables.events(rows)


def iou_of(event, detection):
    if event["recording"] != detection["recording"] or event["label"] != detection["label"]:
        return 0.0
    shared = max(min(event["offset"], detection["offset"]) - max(event["onset"], detection["onset"]), 0)
    lengths = event["offset"] - event["onset"] + detection["offset"] - detection["onset"]
    return shared / (lengths - shared)


def ious(truth, detections):
    table = [[iou_of(event, one) for _, one in detections.iterrows()] for _, event in truth.iterrows()]
    return np.array(table).reshape(len(truth), len(detections))


def best_by_trying_all(iou, min_iou):
    """(number of pairs, summed overlap) of the best of all one-to-one matchings."""
    if not iou.size:
        return 0, 0.0
    if iou.shape[0] > iou.shape[1]:
        iou = iou.T
    worth = np.where((iou > 0) & (iou >= min_iou), iou, 0)
    choices = itertools.permutations(range(iou.shape[1]), iou.shape[0])
    values = [worth[np.arange(len(iou)), list(choice)] for choice in choices]
    return max((int((value > 0).sum()), round(float(value.sum()), 9)) for value in values)


def worth_of(matched, iou):
    pairs = [(event, k) for k, event in enumerate(matched) if event >= 0]
    return len(pairs), round(float(sum(iou[pair] for pair in pairs)), 9)


MIN_IOU = st.sampled_from([0.0, 0.2, 0.3, 0.5, 1.0])


@settings(max_examples=120, deadline=None)
@given(truth=event_tables(), detections=event_tables(), min_iou=MIN_IOU)
def test_no_matching_is_better(truth, detections, min_iou):
    iou = ious(truth, detections)
    matched = tables.match(truth, detections, min_iou)
    assert worth_of(matched, iou) == pytest.approx(best_by_trying_all(iou, min_iou))


@MANY
@given(truth=event_tables(12), detections=event_tables(12), min_iou=MIN_IOU)
def test_pairs_are_one_to_one_and_admissible(truth, detections, min_iou):
    matched = tables.match(truth, detections, min_iou)
    hits = matched[matched >= 0]
    assert len(matched) == len(detections)
    assert len(set(hits)) == len(hits)
    for k, event in enumerate(matched):
        if event >= 0:
            iou = iou_of(truth.iloc[event], detections.iloc[k])
            assert iou > 0 and iou >= min_iou - 1e-12


@MANY
@given(truth=event_tables(8), detections=event_tables(8), min_iou=MIN_IOU, seed=st.integers(0, 99))
def test_the_order_of_the_rows_does_not_matter(truth, detections, min_iou, seed):
    rng = np.random.default_rng(seed)
    before = worth_of(tables.match(truth, detections, min_iou), ious(truth, detections))
    truth, detections = (t.iloc[rng.permutation(len(t))] for t in (truth, detections))
    assert worth_of(tables.match(truth, detections, min_iou), ious(truth, detections)) == pytest.approx(before)


def test_shuffled_rows_keep_their_partners():
    rng = np.random.default_rng(0)
    onset = rng.uniform(0, 60, 40)
    truth = tables.events(pd.DataFrame({"recording": "a", "onset": onset, "offset": onset + 3, "label": "call"}))
    detections = truth.assign(onset=onset + rng.uniform(-1, 1, 40))
    matched = tables.match(truth, detections)
    order, true_order = rng.permutation(40), rng.permutation(40)
    again = tables.match(truth.iloc[true_order], detections.iloc[order])
    assert [true_order[k] if k >= 0 else -1 for k in again] == matched[order].tolist()
    assert (matched >= 0).sum() > 30


def test_more_pairs_come_before_better_pairs():
    truth = tables.events([{"recording": "a", "onset": a, "offset": a + 4, "label": "call"} for a in (0, 3)])
    detections = tables.events([{"recording": "a", "onset": a, "offset": a + 4, "label": "call"} for a in (3, 5)])
    assert tables.match(truth, detections, 0.1).tolist() == [0, 1]  # the first detection is the second event exactly
    assert tables.match(truth, detections, 0.4).tolist() == [1, -1]


@pytest.mark.parametrize("changes", [{"recording": "b"}, {"label": "moan"}])
def test_recordings_and_labels_are_never_crossed(changes):
    event = {"recording": "a", "onset": 0, "offset": 1, "label": "call"}
    assert tables.match(tables.events([event]), tables.events([{**event, **changes}]), 0).tolist() == [-1]
    assert tables.match(tables.events([event]), tables.events([event]), 0).tolist() == [0]


@pytest.mark.parametrize(("onset", "expected"), [(1.0, -1), (1.5, -1), (0.99, 0)])
def test_a_pair_must_overlap_even_when_no_overlap_is_asked_for(onset, expected):
    event = {"recording": "a", "onset": 0, "offset": 1, "label": "call"}
    detection = {**event, "onset": onset, "offset": 2}
    assert tables.match(tables.events([event]), tables.events([detection]), min_iou=0).tolist() == [expected]


def test_exactly_the_least_overlap_is_enough():
    event = {"recording": "a", "onset": 0, "offset": 1, "label": "call"}
    half = tables.events([{**event, "offset": 2}])
    assert tables.match(tables.events([event]), half, 0.5).tolist() == [0]
    assert tables.match(tables.events([event]), half, 0.51).tolist() == [-1]


def test_nothing_matches_nothing():
    nothing, one = tables.events([]), events_table().iloc[:1]
    assert tables.match(nothing, one).tolist() == [-1]
    assert tables.match(one, nothing).tolist() == [] == tables.match(nothing, nothing).tolist()


# Union and cover


SPANS = st.lists(st.tuples(st.integers(0, 30), st.integers(1, 8)), max_size=8)


@MANY
@given(SPANS)
def test_a_union_covers_the_cells_of_its_intervals_and_no_other(intervals):
    mask = np.zeros(40, dtype=bool)
    for at, long in intervals:
        mask[at : at + long] = True
    begin, end = (np.array([f(*i) for i in intervals], dtype=float) for f in (lambda a, b: a, lambda a, b: a + b))
    first, last = tables.union(begin, end)
    assert (first[1:] > last[:-1]).all() and (last > first).all()
    covered = np.zeros(40, dtype=bool)
    for a, b in zip(first.astype(int), last.astype(int), strict=True):
        covered[a:b] = True
    assert (covered == mask).all()


@MANY
@given(SPANS, SPANS)
def test_the_seconds_covered_are_those_of_a_mask(events, spans):
    def table(rows, recording):
        return tables.events([{"recording": recording, "onset": a, "offset": a + n, "label": "x"} for a, n in rows])

    mask = np.zeros(40)
    for at, long in events:
        mask[at : at + long] = 1
    covered = tables.covered_seconds(table(events, "r"), table(spans, "r"))
    assert covered == pytest.approx([mask[at : at + long].sum() for at, long in spans])
    assert (tables.covered_seconds(table(events, "r"), table(spans, "s")) == 0).all()
    other = table(spans, "r").assign(label="y")
    assert (tables.covered_seconds(table(events, "r"), other) == 0).all()
    assert tables.covered_seconds(table(events, "r"), other, by=["recording"]) == pytest.approx(covered)
