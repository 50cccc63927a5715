"""Clips: labels say what is known, windows lie where they should, and what is chosen is what was asked for."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whalelib import clips, tables
from whalelib.errors import InputError

RATE = 1000


def recordings_of(seconds=60.0, count=1, groups=None, folder="."):
    """Recordings r0, r1, ... of this length, each its own group unless groups are given."""
    rows = [
        (f"r{k}", f"{folder}/r{k}.wav", pd.NaT, seconds, RATE, 1, groups[k] if groups else f"day{k}")
        for k in range(count)
    ]
    return tables.check_recordings(pd.DataFrame(rows, columns=list(tables.RECORDINGS)))


def events_of(*rows):
    """Events of r0 from (onset, offset, label, truth); label and truth may be left out."""
    names, defaults = ("onset", "offset", "label", "truth"), (0, 0, "a", "present")
    full = [dict(zip(names, row + defaults[len(row) :], strict=True)) for row in rows]
    return tables.events([{"recording": "r0", **row} for row in full])


def cut(events, seconds=60.0, fold="train", exhaustive=True, classes=("a",), count=1, clips_per_call=3, **knobs):
    recordings = recordings_of(seconds, count)
    folds = pd.Series(fold, index=recordings["recording"])
    knobs["clips_per_call"] = clips_per_call
    return clips.cut(recordings, events, list(classes), folds, exhaustive=exhaustive, **knobs)


def target(event, clip=(10.0, 3.0), exhaustive=True, min_overlap=0.5):
    """The target of one clip beside the given events."""
    table = pd.DataFrame([{"recording": "r0", "onset": clip[0], "seconds": clip[1]}])
    events = events_of(*event) if isinstance(event, list) else events_of(event)
    return clips.label(table, events, ["a"], min_overlap=min_overlap, exhaustive=exhaustive)["a"].item()


@st.composite
def random_events(draw, seconds=60.0):
    """Some events of r0, touching, overlapping, of any truth and of labels that are looked for or not."""
    rows = draw(
        st.lists(
            st.tuples(
                st.floats(0, seconds - 0.1),
                st.floats(0.05, 12),
                st.sampled_from(["a", "b", "other"]),
                st.sampled_from(tables.TRUTHS),
            ),
            min_size=1,
            max_size=12,
        )
    )
    return events_of(*[(onset, min(onset + length, seconds), label, truth) for onset, length, label, truth in rows])


# ---------------------------------------------------------------- labels


def test_the_classes_are_the_labels_present_or_those_asked_for():
    events = events_of((1, 2, "b"), (1, 2, "a"), (1, 2, "c", "possible"))
    assert clips.class_list(events) == ["a", "b"]
    assert clips.class_list(events, ["b"]) == ["b"]
    with pytest.raises(InputError, match="no call is labelled 'c': the labels are a, b"):
        clips.class_list(events, ["c"])
    with pytest.raises(InputError, match="no call to learn from"):
        clips.class_list(events_of((1, 2, "c", "absent")))


@pytest.mark.parametrize("name", sorted({*tables.CLIPS, *tables.SCORES, "channel"}))
def test_a_label_named_like_a_column_of_clips_or_scores_is_refused(name):
    events = events_of((1, 2, "a"), (3, 4, name))
    with pytest.raises(InputError, match=f"labelled '{name}', which is a column.*rename the label"):
        clips.class_list(events)
    with pytest.raises(InputError, match=f"labelled '{name}'"):
        clips.class_list(events, [name])
    assert clips.class_list(events, ["a"]) == ["a"]  # it is not looked for


def test_a_whole_call_makes_a_clip_positive():
    assert target((11, 12)) == 1


def test_a_call_that_overlaps_by_exactly_the_share_makes_it_positive():
    assert target((9.5, 10.5)) == 1
    assert target((12.2, 14.2), min_overlap=0.4) == 1


def test_a_smaller_piece_of_a_call_leaves_the_truth_open():
    assert np.isnan(target((9.4, 10.4)))
    assert np.isnan(target((12.99, 15)))


def test_a_call_longer_than_the_clip_is_measured_by_the_clip():
    assert target((0, 30)) == 1
    assert target((11.5, 30)) == 1  # half of the clip
    assert np.isnan(target((11.6, 30)))


def test_a_possible_call_leaves_the_truth_open_however_little_of_it_is_there():
    assert np.isnan(target((11, 12, "a", "possible")))
    assert np.isnan(target((12.99, 15, "a", "possible")))


def test_what_only_touches_a_clip_is_not_in_it():
    for truth in ("present", "possible"):
        assert target([(8, 10, "a", truth), (13, 14, "a", truth)]) == 0


def test_without_any_event_a_clip_is_negative_only_if_all_calls_are_annotated():
    assert target((30, 31)) == 0
    assert np.isnan(target((30, 31), exhaustive=False))


def test_an_absent_event_makes_a_clip_negative_where_not_all_is_annotated():
    assert target((9, 14, "a", "absent"), exhaustive=False) == 0
    assert np.isnan(target((12.9, 16, "a", "absent"), exhaustive=False))


@pytest.mark.parametrize("exhaustive", [True, False])
def test_a_stronger_statement_wins_in_whatever_order_it_comes(exhaustive):
    absent, possible, present = ((10.5, 12, "a", truth) for truth in ("absent", "possible", "present"))
    for rows in ([present, possible, absent], [absent, possible, present]):
        assert target(rows, exhaustive=exhaustive) == 1
    for rows in ([possible, absent], [absent, possible]):
        assert np.isnan(target(rows, exhaustive=exhaustive))


def test_a_piece_of_a_second_call_takes_nothing_from_a_whole_one():
    for rows in ([(11, 12), (12.9, 14)], [(12.9, 14), (11, 12)]):
        assert target(rows) == 1


def test_absent_events_speak_of_what_they_cover_and_not_of_the_rest_of_the_clip():
    assert np.isnan(target((11, 12, "a", "absent"), exhaustive=False))  # a third of the clip
    assert np.isnan(target([(10, 11.4, "a", "absent"), (10.2, 11.4, "a", "absent")], exhaustive=False))
    assert target([(10, 11, "a", "absent"), (12, 12.5, "a", "absent")], exhaustive=False) == 0
    assert target((11, 12, "a", "absent"), exhaustive=False, min_overlap=1 / 3) == 0


def test_a_call_on_another_channel_leaves_the_truth_open():
    table = pd.DataFrame([{"recording": "r0", "onset": 10.0, "seconds": 3.0, "channel": c} for c in (1, 2)])
    call = events_of((11, 12)).assign(channel=2)
    found = clips.label(table, call, ["a"], min_overlap=0.5, exhaustive=True)["a"]
    assert np.isnan(found[0]) and found[1] == 1
    absent = events_of((9, 14, "a", "absent")).assign(channel=2)
    found = clips.label(table, absent, ["a"], min_overlap=0.5, exhaustive=False)["a"]
    assert np.isnan(found[0]) and found[1] == 0


def test_noise_is_where_no_call_of_any_label_is():
    onsets = [10.0, 20.0, 30.0, 40.0, 50.0]
    table = pd.DataFrame([{"recording": "r0", "onset": t, "seconds": 3.0} for t in onsets])
    events = events_of((11, 12), (21, 22, "other"), (31, 32, "other", "possible"), (42.9, 44))
    found = clips.label(table, events, ["a", "noise"], min_overlap=0.5, exhaustive=True)
    np.testing.assert_array_equal(found["noise"], [0, 0, np.nan, np.nan, 1])
    np.testing.assert_array_equal(found["a"], [1, 0, 0, np.nan, 0])
    events = events_of((11, 12), (19, 24, "a", "absent"), (29, 34, "a", "absent"), (31, 32, "other"))
    found = clips.label(table, events, ["a", "noise"], min_overlap=0.5, exhaustive=False)
    np.testing.assert_array_equal(found["noise"], [0, 1, 0, np.nan, np.nan])


def slow_label(clip, events, name, min_overlap, exhaustive):
    """The rule for one clip and class, written down plainly."""
    begin, end = clip.onset, clip.onset + clip.seconds
    here = events[(events["recording"] == clip.recording) & (events["label"] == name)]
    shared = np.minimum(here["offset"], end) - np.maximum(here["onset"], begin)
    here, shared = here[shared > 0], shared[shared > 0]
    needed = min_overlap * np.minimum(here["offset"] - here["onset"], clip.seconds) - 1e-9
    present = here["truth"] == "present"
    if (present & (shared >= needed)).any():
        return 1.0
    if (here["truth"] != "absent").any():
        return np.nan
    instants = np.linspace(begin, end, 30001)
    covered = np.zeros(len(instants), dtype=bool)
    for event in here.itertuples():
        covered |= (instants >= event.onset) & (instants <= event.offset)
    enough = covered.any() and covered.mean() >= min_overlap
    return 0.0 if exhaustive or enough else np.nan


@settings(max_examples=60, deadline=None)
@given(events=random_events(), more=random_events(), exhaustive=st.booleans(), onset=st.floats(0, 50))
def test_labels_are_those_of_the_plain_rule(events, more, exhaustive, onset):
    events = pd.concat([events, more.assign(recording="r2")])
    rows = [(name, onset + t, length) for name in ("r2", "r0", "r1") for t, length in ((0, 3), (2.5, 7), (0.1, 0.3))]
    table = pd.DataFrame(rows, columns=["recording", "onset", "seconds"])
    found = clips.label(table, events, ["a", "b"], min_overlap=0.497, exhaustive=exhaustive)
    for name in ("a", "b"):
        expected = [slow_label(clip, events, name, 0.497, exhaustive) for clip in table.itertuples()]
        np.testing.assert_array_equal(found[name], expected)


def test_labels_and_recordings_are_not_mixed_up():
    table = pd.DataFrame([{"recording": name, "onset": 10.0, "seconds": 3.0} for name in ("r1", "r0")])
    found = clips.label(table, events_of((11, 12, "b")), ["a", "b"], min_overlap=0.5, exhaustive=True)
    assert found.to_numpy().tolist() == [[0, 0], [0, 1]]


# ---------------------------------------------------------------- training windows


@settings(max_examples=50, deadline=None)
@given(events=random_events(), clip_from=st.sampled_from(["window", "call"]), seed=st.integers(0, 99))
def test_negatives_touch_no_event_of_any_kind(events, clip_from, seed):
    table = cut(events, classes=["a", "b"], clip_from=clip_from, negatives=3.0, seed=seed)
    first = 3 if clip_from == "window" else 1
    calls = int(((events["truth"] == "present") & events["label"].isin(["a", "b"])).sum())
    negatives = table[first * calls :]
    begin, end = negatives["onset"].to_numpy()[:, None], (negatives["onset"] + negatives["seconds"]).to_numpy()[:, None]
    shared = tables.overlap_seconds(begin, end, events["onset"].to_numpy(), events["offset"].to_numpy())
    assert shared.max(initial=0) < 1e-9
    assert (negatives[["a", "b"]] == 0).all(axis=None)
    assert (begin >= 0).all() and (end <= 60 + 1e-9).all()


@settings(max_examples=50, deadline=None)
@given(events=random_events(), seed=st.integers(0, 99))
def test_where_not_all_is_annotated_negatives_lie_in_absent_events(events, seed):
    table = cut(events, classes=["a", "b"], exhaustive=False, seed=seed)
    calls = int(((events["truth"] == "present") & events["label"].isin(["a", "b"])).sum())
    absent = events[events["truth"] == "absent"]
    for clip in table[3 * calls :].itertuples():
        within = (absent["onset"] <= clip.onset + 1e-9) & (absent["offset"] >= clip.onset + clip.seconds - 1e-9)
        assert within.any()


def test_without_absent_events_a_survey_that_is_not_exhaustive_has_no_negatives():
    table = cut(events_of((10, 11), (30, 31, "b")), exhaustive=False, classes=["a", "b"])
    assert len(table) == 6
    assert table[["a", "b"]].isna().sum(axis=1).eq(1).all()  # the other class was not listened for


@settings(deadline=None)
@given(
    onset=st.floats(0, 59),
    length=st.floats(0.05, 20),
    min_overlap=st.floats(0.05, 1),
    seconds=st.sampled_from([60.0, 3.1]),
    seed=st.integers(0, 99),
)
def test_shifted_windows_around_a_call_are_all_positive(onset, length, min_overlap, seconds, seed):
    onset = min(onset, seconds - 0.05)
    event = events_of((onset, min(onset + length, seconds)))
    table = cut(event, seconds, min_overlap=min_overlap, clips_per_call=5, negatives=0.0, seed=seed)
    assert table["a"].tolist() == [1] * 5
    assert (table["onset"] >= 0).all() and (table["onset"] + table["seconds"] <= seconds + 1e-9).all()


def test_the_windows_around_a_call_are_shifted_differently_and_as_many_as_asked():
    table = cut(events_of((30, 31)), clips_per_call=40, negatives=0.5)
    positives = table[table["a"] == 1]
    assert len(positives) == 40 and len(table) == 60
    assert positives["onset"].min() < 28 and positives["onset"].max() > 30  # the call at either end of the clip
    assert positives["onset"].nunique() == 40


def test_a_training_recording_without_a_call_teaches_noise():
    table = cut(tables.empty(tables.EVENTS))
    assert table["a"].tolist() == [0, 0]
    assert cut(tables.empty(tables.EVENTS), negatives=0.0).empty


def test_the_same_seed_cuts_the_same_clips():
    events = events_of((10, 11), (30, 31))
    pd.testing.assert_frame_equal(cut(events, seed=1), cut(events, seed=1))
    assert not cut(events, seed=1)["onset"].equals(cut(events, seed=2)["onset"])


def test_a_centred_window_has_the_call_in_its_middle_once():
    table = cut(events_of((30, 31), (0.2, 0.4), (40, 48)), placing="centred", negatives=0.0)
    assert table["onset"].tolist() == [29, 0, 42.5] and (table["a"] == 1).all()
    with pytest.raises(InputError, match="placing cannot be 'left': it is one of jittered, centred"):
        cut(events_of((30, 31)), placing="left")


def test_dense_training_folds_get_every_window_at_the_hop():
    dense = cut(events_of((30, 31)), 10.0, dense=True, clip_hop_seconds=1.0)
    assert dense["onset"].tolist() == [0, 1, 2, 3, 4, 5, 6, 7]
    held_out = cut(events_of((30, 31)), 60.0, "test")
    pd.testing.assert_frame_equal(cut(events_of((30, 31)), 60.0, dense=True).assign(fold="test"), held_out)
    with pytest.raises(InputError, match="clip_hop_seconds cannot be 0"):
        cut(events_of((30, 31)), clip_hop_seconds=0)


def test_a_short_recording_is_one_clip_and_not_one_for_each_copy_of_its_call():
    recordings = recordings_of(2.0, 6)
    events = tables.events(
        [
            {"recording": "r0", "onset": 0.5, "offset": 1.0, "label": "a"},
            {"recording": "r0", "onset": 1.2, "offset": 1.5, "label": "a"},
            {"recording": "r2", "onset": 0.0, "offset": 2.0, "label": "b"},
            {"recording": "r3", "onset": 0.5, "offset": 1.0, "label": "a", "truth": "possible"},
        ]
    )
    folds = pd.Series("train", index=recordings["recording"]).where(recordings.index.to_numpy() != 5, "test")
    table = clips.cut(recordings, events, ["a"], folds, exhaustive=True, clip_seconds=2.0, negatives=0.1)
    assert table["recording"].tolist() == ["r0", "r1", "r2", "r4", "r5"]  # of r3 nothing is known
    assert table["a"].tolist() == [1, 0, 0, 0, 0]
    some = clips.cut(recordings, events, ["a"], folds, exhaustive=True, clip_seconds=2.0, negatives=0.0)
    assert some["recording"].tolist() == ["r0", "r5"]
    known = clips.cut(recordings, events, ["a"], folds, exhaustive=False, clip_seconds=2.0)
    assert known["recording"].tolist() == ["r0", "r5"]  # a held-out clip stays, for what may yet be known of it


def test_clips_that_are_calls_have_noise_of_their_lengths_from_recordings_without_one():
    recordings = recordings_of(2.0, 4)
    folds = pd.Series("train", index=recordings["recording"])
    table = clips.cut(
        recordings, events_of((0.5, 1.0)), ["a"], folds, exhaustive=True, clip_seconds=2.0, clip_from="call"
    )
    assert table["recording"].tolist()[-3:] == ["r1", "r2", "r3"]
    assert table["seconds"].tolist() == pytest.approx([0.5] * len(table)) and table["a"][0] == 1


def test_the_weights_of_recordings_are_the_weights_of_their_clips():
    recordings = recordings_of(60.0, 2).assign(weight=[0.25, 3])
    folds = pd.Series("train", index=recordings["recording"])
    table = clips.cut(recordings, events_of((30, 31)), ["a"], folds, exhaustive=True)
    assert table.groupby("recording")["weight"].unique().map(list).to_dict() == {"r0": [0.25], "r1": [3]}
    for wrong in (np.nan, -1, "heavy"):
        with pytest.raises(InputError, match="the recording 'r1' has no weight that counts"):
            clips.cut(recordings.assign(weight=[1, wrong]), events_of((30, 31)), ["a"], folds, exhaustive=True)


def test_clips_have_the_channel_of_their_events():
    recordings = recordings_of(60.0, 3).assign(channels=[4, 4, 1])
    events = tables.events(
        [
            {"recording": "r0", "onset": 10, "offset": 11, "label": "a", "channel": 2},
            {"recording": "r0", "onset": 30, "offset": 31, "label": "a", "channel": 3},
            {"recording": "r1", "onset": 10, "offset": 11, "label": "a", "channel": 2},
            {"recording": "r2", "onset": 10, "offset": 11, "label": "a", "channel": 10},
        ]
    )
    for fold in ("train", "test"):
        folds = pd.Series(fold, index=recordings["recording"])
        table = clips.cut(recordings, events, ["a"], folds, exhaustive=True)
        calls = table[table["a"] == 1]
        assert calls.groupby("recording")["channel"].unique().map(sorted).to_dict() == {
            "r0": [2, 3], "r1": [2], "r2": [1],  # a file of one channel has no channel 10, whatever it was cut from
        }  # fmt: skip
        at_30 = (calls["recording"] == "r0") & (calls["onset"] > 20)
        assert (calls["channel"][at_30] == 3).all() and at_30.any()


def test_a_noise_class_is_added_when_asked_for():
    table = cut(events_of((30, 31)), noise_class=True)
    assert (table["noise"] == 1 - table["a"]).all() and set(table["a"]) == {0, 1}
    with pytest.raises(InputError, match="a label is called 'noise' already"):
        cut(events_of((30, 31, "noise")), classes=["noise"], noise_class=True)


# ---------------------------------------------------------------- hard negatives and balance


def scores_of(*rows, recording="r0"):
    """Scores of windows of 3 s from (onset, score)."""
    return pd.DataFrame([{"recording": recording, "onset": t, "offset": t + 3, "a": s} for t, s in rows])


def test_hard_negatives_are_the_highest_scores_that_touch_no_call():
    events = events_of((10, 11), (40, 41, "other"), (50, 51, "a", "possible"))
    scores = scores_of((9, 0.99), (20, 0.7), (21, 0.8), (39, 0.95), (49, 0.9), (25, 0.1), (30, np.nan), (55, 0.75))
    knobs = {"clip_seconds": 3.0, "exhaustive": True}
    found = clips.hard_negatives(recordings_of(), events, scores, ["a"], how_many=3, **knobs)
    assert found["onset"].tolist() == [21, 55, 25]  # the window at 20 is nearly the one at 21
    found = clips.hard_negatives(recordings_of(), events, scores, ["a"], how_many=1, **knobs)
    assert found["onset"].tolist() == [21]


def test_hard_negatives_of_a_survey_that_is_not_exhaustive_lie_in_absent_events():
    events = events_of((20, 23.5, "a", "absent"), (23.5, 30, "a", "absent"), (26, 27))
    scores = scores_of((5, 0.9), (20.5, 0.8), (22, 0.7), (25, 0.95))
    found = clips.hard_negatives(recordings_of(), events, scores, ["a"], how_many=9, clip_seconds=3.0, exhaustive=False)
    assert found["onset"].tolist() == [20.5, 22.0]


def test_a_cut_with_scores_takes_its_share_of_hard_negatives():
    scores = scores_of(*[(t, 0.9 - t / 100) for t in range(50)])
    table = cut(events_of((30, 31), (40, 41)), scores=scores, hard_share=0.5, clips_per_call=2, negatives=1.0)
    assert table["a"].tolist() == [1] * 4 + [0] * 4
    assert table["onset"].tolist()[-2:] == [0, 2] and table["seconds"].tolist()[-2:] == [3, 3]
    with pytest.raises(InputError, match="the scores hold none of the classes a: they hold b"):
        cut(events_of((30, 31)), scores=scores.rename(columns={"a": "b"}), hard_share=0.5)
    with pytest.raises(InputError, match="without dense"):
        cut(events_of((30, 31)), scores=scores, dense=True)


def clips_of(*folds_and_targets):
    rows = [
        {"recording": "r0", "onset": float(k), "seconds": 1.0, "weight": 1.0, "group": "x", "fold": f, "a": a, "b": b}
        for k, (f, a, b) in enumerate(folds_and_targets)
    ]
    return pd.DataFrame(rows).assign(channel=1)


def test_balance_thins_out_the_majority_of_the_training_fold():
    nan = np.nan
    table = clips_of(
        *[("train", 0, 0)] * 20, ("train", 1, 0), *[("train", 0, 1)] * 2, ("train", nan, nan), *[("test", 0, 0)] * 9
    )
    even = clips.balance(table, 2.0)
    assert (even["fold"] == "test").sum() == 9 and even["a"].isna().sum() == 1
    train = even[(even["fold"] == "train") & even["a"].notna()]
    assert len(train) == 9 and ((train["a"] == 0) & (train["b"] == 0)).sum() == 6
    assert even["onset"].is_monotonic_increasing
    pd.testing.assert_frame_equal(clips.balance(table, 2.0), even)
    assert any(not clips.balance(table, 2.0, seed).equals(even) for seed in (1, 2))
    pd.testing.assert_frame_equal(clips.balance(table, 100.0), table)


def test_balance_thins_out_calls_where_they_are_the_majority():
    table = clips_of(*[("train", 1, 0)] * 20, *[("train", 1, 1)] * 3, *[("train", 0, 0)] * 2)
    even = clips.balance(table, 1.0)
    assert ((even["a"] == 1) & (even["b"] == 0)).sum() == 5 and even["b"].sum() == 3 and len(even) == 10
    with pytest.raises(InputError, match="ratio cannot be 0"):
        clips.balance(table, 0)


@pytest.mark.parametrize("seconds", [2.0, 3.0])
def test_a_recording_no_longer_than_a_clip_gives_clips_of_its_whole_length(seconds):
    for fold in ("train", "test"):
        for events, value in ((events_of((0.5, 1.5)), 1), (tables.empty(tables.EVENTS), 0)):
            table = cut(events, seconds, fold)
            assert len(table) and (table["onset"] == 0).all() and (table["seconds"] == seconds).all()
            assert (table["a"] == value).all()


# ---------------------------------------------------------------- held-out windows


@pytest.mark.parametrize("fold", ["validation", "test"])
@pytest.mark.parametrize("seconds", [60.0, 10.0, 3.1, 2.0])
def test_held_out_windows_tile_the_whole_recording_at_half_overlap(fold, seconds):
    table = cut(events_of((0.5, 1.5)), seconds, fold)
    onset, end = table["onset"].to_numpy(), (table["onset"] + table["seconds"]).to_numpy()
    assert onset[0] == 0 and end[-1] == pytest.approx(seconds)
    assert (np.diff(onset) > 0).all() and (np.diff(onset) <= 1.5 + 1e-9).all()
    assert table["seconds"].to_numpy() == pytest.approx(min(3.0, seconds))


def test_each_recording_has_the_group_and_the_fold_it_was_given():
    recordings = recordings_of(6.0, 3, ["x", "y", "x"])
    folds = pd.Series({"r0": "test", "r1": "train", "r2": "test"})
    table = clips.cut(recordings, tables.empty(tables.EVENTS), ["a"], folds, exhaustive=True)
    assert table.groupby("recording")[["group", "fold"]].first().to_numpy().tolist() == [
        ["x", "test"], ["y", "train"], ["x", "test"],
    ]  # fmt: skip


# ---------------------------------------------------------------- clips that are the call alone


def test_times_that_round_badly_can_be_cut():
    events = events_of((0.1, 0.7), (10.1, 13.1))  # 0.7 - (0.7 - 0.1) lies before 0.1
    assert cut(events, clip_from="call", negatives=0.0)["seconds"].tolist() == pytest.approx([0.6, 3.0])
    for onset in np.round(np.arange(10, 11, 0.1), 1):
        table = cut(events_of((onset, np.round(onset + 3, 1))), min_overlap=1.0, negatives=0.0)
        assert table["onset"].to_numpy() == pytest.approx(onset) and (table["a"] == 1).all()


@pytest.mark.parametrize("fold", ["train", "test"])
def test_a_clip_from_a_call_is_the_call_and_no_longer_than_a_clip(fold):
    events = events_of((10, 11), (20, 20.5), (30, 38))
    table = cut(events, fold=fold, clip_from="call", negatives=0.0)
    assert table["seconds"].tolist() == [1, 0.5, 3]
    assert table["onset"].tolist()[:2] == [10, 20] and 30 <= table["onset"][2] <= 35
    assert (table["a"] == 1).all()


def test_of_a_call_longer_than_a_clip_the_part_that_is_asked_for_is_taken():
    events = events_of((10, 11), (30, 38))
    for truncation, onset in (("start", 30), ("centre", 32.5)):
        table = cut(events, clip_from="call", negatives=0.0, truncation=truncation)
        assert table["onset"].tolist() == [10, onset]
        assert table["seconds"].tolist() == [1, 3]
    with pytest.raises(InputError, match="truncation cannot be 'end': it is one of start, centre, random"):
        cut(events, truncation="end")


def test_negatives_have_the_lengths_of_the_calls():
    table = cut(events_of((10, 11), (20, 20.5), (30, 38)), clip_from="call", negatives=4.0)
    positives, negatives = table[:3], table[3:]
    assert sorted(negatives["seconds"]) == sorted(4 * positives["seconds"].tolist())


def test_a_call_across_the_border_gives_a_clip_inside_the_recording():
    events = events_of((0, 0.4), (59.2, 60.04))  # a tool that rounds may end an event a little late
    for clip_from in ("call", "window"):
        table = cut(events, clip_from=clip_from)
        assert (table["onset"] >= 0).all() and (table["onset"] + table["seconds"] <= 60 + 1e-9).all()
        assert (table["a"] == 1).sum() == (2 if clip_from == "call" else 6)


# ---------------------------------------------------------------- frames


def test_frame_targets_by_hand():
    events = events_of((9, 10.1, "a"), (10.05, 10.15, "b", "possible"), (10.1, 10.125, "b"))
    grid = clips.frame_targets(10.0, 0.2, events, ["a", "b"], exhaustive=True)
    assert grid.T.tolist() == [[1, 1, 1, 1, 0, 0, 0, 0], [0, 0, -1, -1, 1, -1, 0, 0]]
    events = events_of((10.05, 10.15, "a", "absent"), (10.1, 10.125, "c"))
    grid = clips.frame_targets(10.0, 0.2, events, ["a"], exhaustive=False)
    assert grid.T.tolist() == [[-1, -1, 0, 0, 0, 0, -1, -1]]


@settings(deadline=None)
@given(events=random_events(), exhaustive=st.booleans())
def test_frame_targets_agree_with_the_clip_s_label(events, exhaustive):
    table = pd.DataFrame([{"recording": "r0", "onset": 20.0, "seconds": 3.0}])
    labels = clips.label(table, events, ["a", "b"], min_overlap=0.5, exhaustive=exhaustive).to_numpy()[0]
    grid = clips.frame_targets(20.0, 3.0, events, ["a", "b"], exhaustive=exhaustive)
    for label, column in zip(labels, grid.T, strict=True):
        if label == 1:
            assert 1 in column
        if label == 0:
            assert 1 not in column
            assert not exhaustive or clips.UNKNOWN not in column


@settings(max_examples=60, deadline=None)
@given(events=random_events(), exhaustive=st.booleans(), onset=st.floats(0, 57))
def test_frame_targets_are_those_of_the_cells_centres(events, exhaustive, onset):
    centres = onset + (np.arange(120) + 0.5) * clips.CELL_SECONDS
    expected = np.full((120, 2), 0 if exhaustive else clips.UNKNOWN)
    for truth, value in (("absent", 0), ("possible", clips.UNKNOWN), ("present", 1)):
        for event in events[(events["truth"] == truth) & (events["label"] != "other")].itertuples():
            inside = (centres >= event.onset) & (centres < event.offset)
            expected[inside, ["a", "b"].index(event.label)] = value
    found = clips.frame_targets(onset, 3.0, events, ["a", "b"], exhaustive=exhaustive)
    edges = np.concatenate([events["onset"], events["offset"]])
    clear = (np.abs(centres[:, None] - edges) > 1e-6).all(axis=1)  # on the very edge rounding may decide
    assert (found == expected)[clear].all()


def test_frames_of_a_noise_class():
    events = events_of((10.05, 10.1), (10.1, 10.15, "other"), (10.15, 10.2, "other", "possible"))
    grid = clips.frame_targets(10.0, 0.25, events, ["a", "noise"], exhaustive=True)
    assert grid[:, 1].tolist() == [1, 1, 0, 0, 0, 0, -1, -1, 1, 1]
    assert grid[:, 0].tolist() == [0, 0, 1, 1, 0, 0, 0, 0, 0, 0]
