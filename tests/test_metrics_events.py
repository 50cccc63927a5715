"""Metrics of events: published figures, brute force on small cases, and what must not change them."""

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whalelib import metrics, tables
from whalelib.errors import InputError

QUICK = settings(deadline=None, max_examples=60)
NOTHING = tables.empty(tables.EVENTS)
COLLAR = metrics.Collar(0.2, 0.5)


def events_of(*rows):
    """Events from (recording, label, onset, offset), without a score and present unless more items say otherwise."""
    names = ("recording", "label", "onset", "offset", "score", "truth")
    full = [(*row, *(np.nan, "present")[len(row) - 4 :]) for row in rows]
    return tables.events([dict(zip(names, row, strict=True)) for row in full])


@st.composite
def some_events(draw, most=6, truths=("present",), labels="ab"):
    row = st.tuples(st.sampled_from("rs"), st.sampled_from(labels), st.integers(0, 24), st.integers(1, 8))
    rows = draw(st.lists(st.tuples(row, st.sampled_from(truths), st.sampled_from([0.2, 0.5, 0.9])), max_size=most))
    return events_of(*[(rec, n, at / 8, (at + long) / 8, score, truth) for (rec, n, at, long), truth, score in rows])


def admissible(rule, truth, found):
    """Which pairs the rule allows, one pair at a time."""
    allowed = np.zeros((len(truth), len(found)), dtype=bool)
    for i, e in enumerate(truth.itertuples()):
        for j, d in enumerate(found.itertuples()):
            if (e.recording, e.label) != (d.recording, d.label):
                continue
            if isinstance(rule, metrics.Overlap):
                shared = max(min(e.offset, d.offset) - max(e.onset, d.onset), 0)
                joint = e.offset - e.onset + d.offset - d.onset - shared
                allowed[i, j] = shared > 0 and shared / joint >= rule.min_iou
            else:
                late = max(rule.seconds, rule.share * (e.offset - e.onset)) + 1e-9
                allowed[i, j] = abs(e.onset - d.onset) <= rule.seconds + 1e-9
                allowed[i, j] &= rule.edges == "onset" or abs(e.offset - d.offset) <= late
    return allowed


def most_pairs(allowed):
    """The size of the largest one-to-one matching, by trying every one."""
    if not allowed.any():
        return 0
    first = int(np.flatnonzero(allowed.any(axis=1))[0])
    without = np.delete(allowed, first, axis=0)
    taken = [1 + most_pairs(np.delete(without, j, axis=1)) for j in np.flatnonzero(allowed[first])]
    return max([most_pairs(without), *taken])


RULES = [metrics.Overlap(0.3), metrics.Overlap(0.0), COLLAR, metrics.Collar(0.25, 0.0), metrics.Collar(0.5, 0, "onset")]


# ---------------------------------------------------------------- matching


@pytest.mark.parametrize("rule", RULES, ids=str)
@QUICK
@given(truth=some_events(), found=some_events())
def test_no_matching_finds_more_calls(rule, truth, found):
    judged = metrics.judge(truth, found, rule)
    allowed = admissible(rule, truth, found)
    hits = judged[judged["verdict"] == "hit"]
    assert len(hits) == most_pairs(allowed)
    assert hits["event"].is_unique
    assert all(allowed[event, row] for row, event in hits["event"].items())


def test_a_collar_by_hand():
    truth = events_of(("r", "a", 1.0, 2.0), ("r", "a", 5.0, 9.0))
    for onset, offset, hit in [
        (1.2, 2.0, 1),
        (1.3, 2.0, 0),
        (0.8, 2.5, 1),
        (1.0, 2.6, 0),
        (5.1, 7.0, 1),
        (5.1, 6.9, 0),
    ]:
        found = events_of(("r", "a", onset, offset))
        assert (metrics.judge(truth, found, COLLAR)["verdict"] == "hit").sum() == hit, (onset, offset)
    only_onset = metrics.Collar(0.2, 0.0, "onset")
    assert metrics.judge(truth, events_of(("r", "a", 5.1, 5.2)), only_onset)["event"].tolist() == [1]


def test_of_two_within_the_collar_the_nearer_answers():
    found = events_of(("r", "a", 1.2, 2.0), ("r", "a", 1.05, 2.0))
    assert metrics.judge(events_of(("r", "a", 1, 2)), found, COLLAR)["verdict"].tolist() == ["false", "hit"]


def test_knobs_that_describe_no_rule_are_a_sentence():
    assert metrics.rule() == metrics.OVERLAP
    assert metrics.rule(match_by="collar", collar_seconds=0.1) == metrics.Collar(0.1, 0.5, "both")
    with pytest.raises(InputError, match="it is overlap or collar"):
        metrics.rule(match_by="ear")
    with pytest.raises(InputError, match="both edges or the onset"):
        metrics.rule(match_by="collar", collar_edges="offset")


# ---------------------------------------------------------------- where the truth is known


def test_where_nobody_listened_nothing_is_false():
    truth = events_of(("r", "a", 10, 12), ("r", "a", 20, 24, np.nan, "absent"), ("r", "b", 30, 40))
    found = events_of(
        ("r", "a", 10, 11),  # finds the call
        ("r", "a", 11, 12),  # again: inside what is known to be a call, so it is one too many
        ("r", "a", 21, 22),  # in a stretch where there is none
        ("r", "a", 23.5, 25),  # more of it outside that stretch
        ("r", "a", 30, 40),  # in a call of another class, which says nothing of this one
        ("s", "a", 10, 12),  # in a recording without any annotation
    )
    part = metrics.judge(truth, found, exhaustive=False)["verdict"].tolist()
    assert part == ["hit", "false", "false", "open", "open", "open"]
    assert metrics.judge(truth, found)["verdict"].tolist() == ["hit", *["false"] * 5]
    assert metrics.judge(truth, found, exhaustive={"s"})["verdict"].tolist() == [*part[:-1], "false"]


@QUICK
@given(truth=some_events(truths=tables.TRUTHS), found=some_events(), more=some_events(most=3))
def test_detections_where_nothing_is_known_change_no_count(truth, found, more):
    more = more.assign(recording="elsewhere")
    with_more = pd.concat([found, more], ignore_index=True)
    reports = [metrics.event_report(truth, f, 1.0, ["a", "b"], exhaustive=False) for f in (found, with_more)]
    pd.testing.assert_frame_equal(*reports)


@QUICK
@given(truth=some_events(truths=tables.TRUTHS), exhaustive=st.booleans())
def test_known_hours_are_those_of_a_grid(truth, exhaustive):
    grid = np.arange(0, 4, 1 / 8) + 1 / 16
    scores = pd.DataFrame({"onset": grid - 1 / 16, "offset": grid + 1 / 16, "a": 0.5, "b": 0.5})
    scores.loc[3:5, "a"] = np.nan
    scores = pd.concat([scores.assign(recording=r) for r in "rs"], ignore_index=True)
    hours = metrics.known_hours(scores, truth, ["a", "b"], exhaustive=exhaustive)
    for recording, name in itertools.product("rs", "ab"):
        here = truth[(truth["recording"] == recording) & (truth["label"] == name)]
        cells = 0
        for k, at in enumerate(grid):
            says = set(here.loc[(here["onset"] < at) & (here["offset"] > at), "truth"])
            known = "possible" not in says if exhaustive else bool(says & {"present", "absent"})
            cells += known and not (name == "a" and 3 <= k <= 5)
        assert hours.at[recording, name] * 3600 == pytest.approx(cells / 8)


def test_all_of_a_recordings_table_may_have_been_analysed():
    recordings = pd.DataFrame({"recording": ["r", "s"], "seconds": [3600.0, 1800.0]})
    hours = metrics.known_hours(recordings, events_of(("r", "a", 0, 360, 0, "possible")), ["a", "b"])
    assert hours["a"].tolist() == pytest.approx([0.9, 0.5]) and hours["b"].tolist() == [1.0, 0.5]


def test_a_recording_holds_what_was_found_in_it_and_lacks_what_was_denied():
    truth = events_of(
        ("one", "a", 0, 1, 0, "present"), ("one", "a", 5, 6, 0, "absent"), ("one", "b", 0, 1, 0, "absent"),
        ("two", "a", 0, 1, 0, "possible"), ("two", "a", 3, 4, 0, "absent"),
    )  # fmt: skip
    nan, names = np.nan, ["two", "one", "three"]
    known = metrics.recording_truth(names, truth, ["a", "b"], exhaustive=False)
    np.testing.assert_array_equal(known, [[nan, nan], [1, 0], [nan, nan]])
    known = metrics.recording_truth(names, truth, ["a", "b"])
    np.testing.assert_array_equal(known, [[nan, 0], [1, 0], [0, 0]])
    known = metrics.recording_truth(names, truth, ["a", "b"], exhaustive=["three"])
    np.testing.assert_array_equal(known, [[nan, nan], [1, 0], [0, 0]])


def test_rates_are_those_of_known_hours():
    truth = events_of(("r", "a", 0, 1800, 0, "absent"))
    found = events_of(("r", "a", 10, 12), ("r", "a", 20, 22), ("r", "a", 2000, 2002))
    recordings = pd.DataFrame({"recording": ["r"], "seconds": [36000.0]})
    hours = metrics.known_hours(recordings, truth, ["a"], exhaustive=False)
    report = metrics.event_report(truth, found, hours, ["a"], exhaustive=False)
    assert report["false"][0] == 2 and report["false_per_hour"].tolist() == pytest.approx([4, 4, 4])


def test_the_truth_of_cells():
    cells = pd.DataFrame({"recording": "r", "onset": np.arange(8.0), "offset": np.arange(8.0) + 1})
    truth = events_of(("r", "a", 1.4, 3, 0), ("r", "a", 4.9, 5, 0, "possible"), ("r", "a", 6, 7.4, 0, "absent"))
    states = metrics.cell_truth(cells, truth, ["a", "b"])
    np.testing.assert_array_equal(states[:, 0], [0, 1, 1, 0, np.nan, 0, 0, 0])
    assert (states[:, 1] == 0).all()
    states = metrics.cell_truth(cells, truth, ["a", "b"], exhaustive=False)
    np.testing.assert_array_equal(states[:, 0], [np.nan, 1, 1, np.nan, np.nan, np.nan, 0, np.nan])
    assert np.isnan(states[:, 1]).all()
    assert metrics.cell_truth(cells, truth, ["a"], share=0.0)[:, 0].tolist()[:4] == [0, 1, 1, 0]
    late = events_of(("r", "a", 1.6, 1.7))
    assert (
        metrics.cell_truth(cells, late, ["a"])[1, 0] == 0 and metrics.cell_truth(cells, late, ["a"], share=0)[1, 0] == 1
    )


# ---------------------------------------------------------------- reports


def test_a_call_found_as_another_class_is_one_error():
    truth = events_of(("r", "a", 0, 2), ("r", "a", 5, 7), ("r", "b", 9, 10))
    found = events_of(("r", "b", 0, 2), ("r", "a", 5, 7))
    report = metrics.event_report(truth, found, 1.0, ["a", "b"]).set_index("class")
    assert report["error_rate"].tolist() == pytest.approx([1 / 2, 2, 2 / 3, 5 / 4])


def test_the_two_sound_files_that_sed_eval_publishes():
    truth, found = events_of(("1", "e", 1.2, 2.3)), events_of(("1", "e", 1.3, 2.2), ("2", "e", 1.3, 2.2))
    report = metrics.event_report(truth, found, 1.0, ["e"], COLLAR).set_index("class")
    assert report.loc["all", ["error_rate", "f1"]].tolist() == pytest.approx([1.0, 2 / 3])
    ends = pd.DataFrame({"recording": ["1", "2"], "seconds": [2.3, 2.2]})
    segments = metrics.segment_report(truth, found, ends, ["e"]).set_index("class")
    assert segments.loc["all", ["accuracy", "f1"]].tolist() == pytest.approx([2 / 3, 2 / 3])


def test_intervals_come_from_whole_groups():
    truth = events_of(*[(f"r{k}", "a", 0, 2) for k in range(12)])
    found = events_of(*[(f"r{k}", "a", 0, 2) for k in range(6)], ("r11", "a", 50, 52))
    names = [f"r{k}" for k in range(12)]
    recordings = pd.DataFrame({"recording": names, "seconds": 3600.0})
    hours = metrics.known_hours(recordings, truth, ["a"])

    def recall(groups):
        report = metrics.event_report(truth, found, hours, ["a"], groups=pd.Series(groups, index=names))
        assert report.loc[0, ["recall", "false_per_hour"]].tolist() == pytest.approx([0.5, 1 / 12])
        return report.loc[0, ["recall_low", "recall_high", "false_per_hour_low", "false_per_hour_high"]].tolist()

    many, two = recall(names), recall(["d0"] * 6 + ["d1"] * 6)
    assert 0 < many[0] < 0.5 < many[1] < 1
    assert two == [0, 1, 0, pytest.approx(1 / 6)]  # one day has all hits, the other none
    assert np.isnan(recall(["d"] * 12)).all()  # one day does not tell how days differ


def test_the_intervals_are_those_of_drawing_groups_by_hand():
    rng = np.random.default_rng(3)
    names = [f"r{k}" for k in range(8)]
    truth = events_of(*[(name, "ab"[k % 2], 5.0 * k, 5.0 * k + 2) for name in names for k in range(6)])
    found = truth[rng.random(len(truth)) < 0.6].assign(score=0.5)
    recordings = pd.DataFrame({"recording": names, "seconds": 600.0})
    hours = metrics.known_hours(recordings, truth, ["a", "b"])
    groups = pd.Series([n[1] for n in names], index=names)
    report = metrics.event_report(truth, found, hours, ["a", "b"], groups=groups, draws=50, seed=7)
    counts = []
    for name in names:
        here = (t[t["recording"] == name] for t in (truth, found))
        counts.append(metrics.event_report(*here, 1.0, ["a", "b"]).loc[:2, ["calls", "hits", "false"]].to_numpy())
    values = []
    for picked in np.random.default_rng(7).integers(0, 8, (50, 8)):
        calls, hits, false = np.sum([counts[g] for g in picked], axis=0).T
        f1 = 2 * hits / (calls + hits + false)
        values.append([*f1, f1[:2].mean()])
    low, high = np.quantile(values, [0.025, 0.975], axis=0)
    assert report["f1_low"].to_numpy() == pytest.approx(low) and report["f1_high"].to_numpy() == pytest.approx(high)


def test_what_cannot_be_drawn_is_a_sentence():
    truth, groups = events_of(("r", "a", 0, 1)), pd.Series({"r": "d"})
    with pytest.raises(InputError, match="give those of each recording, by known_hours"):
        metrics.event_report(truth, truth, 1.0, ["a"], groups=groups)
    hours = metrics.known_hours(pd.DataFrame({"recording": ["r", "s"], "seconds": 60.0}), truth, ["a"])
    with pytest.raises(InputError, match="'s' has no group"):
        metrics.event_report(truth, truth, hours, ["a"], groups=groups)


# ---------------------------------------------------------------- segments


@QUICK
@given(truth=some_events(truths=tables.TRUTHS), found=some_events(), seconds=st.sampled_from([0.25, 0.5, 1.0]))
def test_segments_are_those_of_a_slow_count(truth, found, seconds):
    recordings = pd.DataFrame({"recording": ["r", "s"], "seconds": [4.0, 3.9]})
    report = metrics.segment_report(truth, found, recordings, ["a", "b"], segment_seconds=seconds).set_index("class")
    counts = {(name, what): 0 for name in "ab" for what in ("hits", "missed", "false", "quiet")}
    swapped, calls, detections = 0, list(truth.itertuples()), list(found.itertuples())
    for recording, long in (("r", 4.0), ("s", 3.9)):
        for k in range(int(np.ceil(long / seconds))):
            here = {"missed": 0, "false": 0}
            for name in "ab":
                begin, end = k * seconds, min((k + 1) * seconds, long)

                def touching(rows, n=name, b=begin, e=end, r=recording):
                    return [x for x in rows if (x.recording, x.label) == (r, n) and x.onset < e and x.offset > b]

                says, said = {x.truth for x in touching(calls)}, bool(touching(detections))
                if "present" in says:
                    what = "hits" if said else "missed"
                elif "possible" in says:
                    continue
                else:
                    what = "false" if said else "quiet"
                counts[name, what] += 1
                if what in here:
                    here[what] += 1
            swapped += min(here.values())
    for (name, what), count in counts.items():
        assert report.at[name, what] == count
    total = report.loc["all"]
    if total["hits"] + total["missed"]:
        wrong = total["missed"] + total["false"] - swapped
        assert total["error_rate"] == pytest.approx(wrong / (total["hits"] + total["missed"]))


def test_segments_at_their_ends():
    nobody = metrics.segment_report(NOTHING, NOTHING, pd.DataFrame({"recording": ["r"], "seconds": [10.0]}), ["a"])
    assert nobody["accuracy"].tolist() == [1, 1, 1] and nobody[["precision", "recall"]].isna().all(axis=None)
    truth = events_of(("r", "a", 2, 4))
    perfect = metrics.segment_report(truth, truth, pd.DataFrame({"recording": ["r"], "seconds": [10.0]}), ["a"])
    assert perfect[["precision", "recall", "f1", "accuracy"]].eq(1).all(axis=None)
    assert perfect["hits"][0] == 2  # what ends where a segment begins does not touch it
    with pytest.raises(InputError, match="segments of 0 s"):
        metrics.segment_report(
            truth, truth, pd.DataFrame({"recording": ["r"], "seconds": [1.0]}), [], segment_seconds=0
        )


def test_segments_have_intervals_too():
    names = [f"r{k}" for k in range(10)]
    truth = events_of(*[(n, "a", 0, 2) for n in names])
    found = truth.iloc[:5]
    recordings, groups = pd.DataFrame({"recording": names, "seconds": 10.0}), pd.Series(names, index=names)
    report = metrics.segment_report(truth, found, recordings, ["a"], groups=groups)
    assert 0 < report["recall_low"][0] < report["recall"][0] == 0.5 < report["recall_high"][0] < 1


# ---------------------------------------------------------------- curves


@pytest.mark.parametrize("rule", [metrics.OVERLAP, metrics.Collar(0.5, 0.5)], ids=str)
@QUICK
@given(truth=some_events(truths=("present", "possible")), found=some_events(most=8))
def test_every_point_of_a_curve_is_the_report_of_what_is_left(rule, truth, found):
    curve = metrics.detection_curve(truth, found, 2.0, ["a", "b"], rule)
    for point in curve.itertuples():
        left = found[found["score"] >= point.threshold]
        report = (
            metrics.event_report(truth, left, 2.0, ["a", "b"], rule).set_index("class").loc[curve["class"][point.Index]]
        )
        assert (point.calls, point.hits) == (report["calls"], report["hits"])
        # (Which of two detections is matched may differ, and with it which one is left in a possible call.)
        if not (truth["truth"] == "possible").any():
            assert (point.false, point.false_per_hour) == (report["false"], report["false_per_hour"])
    for _, part in curve.groupby("class"):
        assert part["threshold"].is_monotonic_decreasing and part["recall"].fillna(0).is_monotonic_increasing


def test_points_on_a_curve_by_hand():
    truth = events_of(*[("r", "a", 10 * k, 10 * k + 2) for k in range(4)], ("r", "b", 0, 2))
    found = events_of(
        ("r", "a", 0, 2, 0.9), ("r", "a", 5, 6, 0.8), ("r", "a", 10, 12, 0.7), ("r", "a", 20, 22, 0.7),
        ("r", "a", 25, 26, 0.4), ("r", "a", 30, 32, 0.3), ("r", "b", 5, 6, 0.9), ("r", "b", 0, 2, 0.8),
    )  # fmt: skip
    curve = metrics.detection_curve(truth, found, 2.0, ["a", "b"])
    a = curve[curve["class"] == "a"]
    assert a["threshold"].tolist() == [0.9, 0.8, 0.7, 0.4, 0.3]  # equal scores are one step
    assert a["recall"].tolist() == [0.25, 0.25, 0.75, 0.75, 1.0]
    assert a["false_per_hour"].tolist() == [0, 0.5, 0.5, 1, 1]
    at = metrics.recall_at(curve, 0.5).set_index("class")
    assert at["recall"].to_dict() == {"a": 0.75, "b": 1.0, "mean": 0.875} and at.at["a", "threshold"] == 0.7
    assert metrics.recall_at(curve, 0.0)["recall"].tolist() == [0.25, 0.0, 0.125]
    price = metrics.false_per_hour_at(curve, 0.7).set_index("class")
    assert price["false_per_hour"].to_dict() == {"a": 0.5, "b": 0.5, "mean": 0.5}
    assert np.isnan(metrics.false_per_hour_at(curve[curve["threshold"] > 0.5], 0.9)["false_per_hour"][0])


def test_curves_without_anything():
    curve = metrics.detection_curve(NOTHING, NOTHING, 1.0, ["a"])
    assert curve.empty and metrics.recall_at(curve, 1.0)["recall"].isna().all()
    with pytest.raises(InputError, match="without a score"):
        metrics.detection_curve(NOTHING, events_of(("r", "a", 0, 1)), 1.0, ["a"])
    with pytest.raises(InputError, match="give at least one"):
        metrics.operating_points(NOTHING, {}, 1.0, ["a"])


def test_operating_points_are_reports_in_order():
    truth = events_of(("r", "a", 0, 2), ("r", "b", 5, 7))
    points = metrics.operating_points(truth, {0.2: truth, 0.8: truth.iloc[:1]}, 1.0, ["b", "a"])
    assert points[["class", "threshold", "recall"]].to_numpy().tolist() == [
        ["b", 0.8, 0], ["b", 0.2, 1], ["a", 0.8, 1], ["a", 0.2, 1],
    ]  # fmt: skip


# ---------------------------------------------------------------- reliability


def test_reliability_by_hand():
    targets = [1, 0, 1, 1, np.nan, 0, 0]
    scores = [0.9, 0.8, 0.85, 1.0, 0.95, 0.1, np.nan]
    table = metrics.reliability(targets, scores, bins=5)
    assert table["count"].tolist() == [1, 4] and table["share"].tolist() == [0, 0.75]
    assert table["score"].tolist() == pytest.approx([0.1, 3.55 / 4])
    assert metrics.calibration_error(table) == pytest.approx((0.1 + 4 * (3.55 / 4 - 0.75)) / 5)


def test_scores_that_are_probabilities_lie_on_the_diagonal():
    rng = np.random.default_rng(0)
    scores = rng.random(20000)
    targets = rng.random(20000) < scores
    table = metrics.reliability(targets, scores, groups=rng.integers(0, 40, 20000))
    assert metrics.calibration_error(table) < 0.02
    assert ((table["share_low"] < table["score"] + 0.02) & (table["score"] < table["share_high"] + 0.02)).all()
    assert metrics.calibration_error(metrics.reliability(targets, scores**3)) > 0.1


def test_reliability_without_anything_and_of_what_is_no_probability():
    assert np.isnan(metrics.calibration_error(metrics.reliability([], [])))
    with pytest.raises(InputError, match="give one"):
        metrics.reliability([1, 0], [0.5])
    with pytest.raises(InputError, match="scores from 0 to 1"):
        metrics.reliability([1, 0], [0.5, 2.0])
