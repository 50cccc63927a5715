"""Folds: groups stay whole, classes are spread, and nothing is on both sides."""

import itertools

import numpy as np
import pandas as pd
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from whalelib import clips, likeness, tables
from whalelib.errors import InputError

RATE = 1000


def recordings_of(count=1, groups=None, folder="."):
    """Recordings r0, r1, ... of a minute, each its own group unless groups are given."""
    rows = [
        (f"r{k}", f"{folder}/r{k}.wav", pd.NaT, 60.0, RATE, 1, groups[k] if groups else f"day{k}") for k in range(count)
    ]
    return tables.check_recordings(pd.DataFrame(rows, columns=list(tables.RECORDINGS)))


def calls_of(labels):
    """One call a label, from labels of each recording: {"r0": "ab", ...}."""
    rows = [
        {"recording": name, "onset": 1.0, "offset": 2.0, "label": label}
        for name, text in labels.items()
        for label in text
    ]
    return tables.events(rows)


# ---------------------------------------------------------------- shares of groups


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("groups", [3, 4, 11])
def test_a_split_never_cuts_a_group_and_gives_every_fold_one(groups, seed):
    recordings = recordings_of(3 * groups, groups=[f"day{k % groups}" for k in range(3 * groups)])
    folds = clips.split(recordings, seed=seed)
    assert list(folds.index) == list(recordings["recording"])
    assert (folds.groupby(recordings["group"].to_numpy()).nunique() == 1).all()
    assert set(folds) == set(clips.FOLDS)


def test_a_split_has_the_shares_asked_for():
    folds = clips.split(recordings_of(20), validation_share=0.1, test_share=0.3)
    assert folds.value_counts().to_dict() == {"train": 12, "validation": 2, "test": 6}
    assert set(clips.split(recordings_of(5), test_share=0)) == {"train", "validation"}
    assert set(clips.split(recordings_of(1), 0, 0)) == {"train"}


def test_a_split_depends_on_its_seed_alone():
    recordings = recordings_of(20)
    first = clips.split(recordings, seed=3)
    pd.testing.assert_series_equal(clips.split(recordings, seed=3), first)
    backwards = clips.split(recordings[::-1].reset_index(drop=True), seed=3)
    pd.testing.assert_series_equal(backwards.sort_index(), first.sort_index())
    assert any((clips.split(recordings, seed=seed) != first).any() for seed in range(3))


def test_too_few_groups_for_the_folds_is_a_sentence():
    with pytest.raises(InputError, match=r"2 group\(s\) of recordings cannot be split into 3 folds: give"):
        clips.split(recordings_of(8, groups=["x", "y"] * 4))


# ---------------------------------------------------------------- with a call of every class


def holds(folds, events):
    """The labels that each fold holds."""
    return events.groupby(folds[events["recording"]].to_numpy())["label"].agg(set).to_dict()


@pytest.mark.parametrize("seed", range(3))
def test_a_rare_class_is_in_every_fold_where_it_can_be(seed):
    recordings = recordings_of(60, [f"day{k // 2}" for k in range(60)])
    labels = {f"r{k}": "a" for k in range(60)}
    labels.update({"r4": "ab", "r8": "ab", "r17": "ab", "r5": "c", "r20": "c", "r21": "c", "r40": "d"})
    folds, warnings = clips.split_by_class(recordings, calls_of(labels), seed=seed)
    assert list(folds.index) == list(recordings["recording"])
    assert (folds.groupby(recordings["group"].to_numpy()).nunique() == 1).all()
    assert folds.value_counts().to_dict() == {"train": 36, "validation": 12, "test": 12}
    found = holds(folds, calls_of(labels))
    assert found["train"] >= {"a", "b", "c", "d"} and found["validation"] >= {"a", "b", "c"}
    assert found["test"] >= {"a", "b"}
    assert len(warnings) == 2  # c is in two groups, d in one
    assert "the class 'c' has calls in 2 group(s) only, and none in test" in warnings[0]
    assert "the class 'd' has calls in 1 group(s) only, and none in validation and test" in warnings[1]


def test_a_split_by_class_is_drawn_by_its_seed():
    recordings, events = recordings_of(20), calls_of({f"r{k}": "a" for k in range(20)})
    first, warnings = clips.split_by_class(recordings, events, seed=3)
    assert warnings == []
    pd.testing.assert_series_equal(clips.split_by_class(recordings, events, seed=3)[0], first)
    drawn = [tuple(clips.split_by_class(recordings, events, seed=seed)[0]) for seed in range(6)]
    assert len(set(drawn)) > 3
    assert set(clips.split_by_class(recordings, events, test_share=0)[0]) == {"train", "validation"}


def test_possible_calls_and_classes_not_asked_for_do_not_count():
    recordings = recordings_of(6)
    events = calls_of({"r0": "a", "r1": "ab", "r2": "a", "r3": "b"})
    events.loc[events["label"] == "b", "truth"] = "possible"
    assert clips.split_by_class(recordings, events)[1] == []
    events["truth"] = "present"
    assert clips.split_by_class(recordings, events, ["a"])[1] == []
    assert len(clips.split_by_class(recordings, events, ["b"])[1]) == 1


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sets(st.sampled_from("abcd")), min_size=2, max_size=7))
def test_no_split_into_two_holds_more_classes_than_the_one_found(labels):
    """Against every way to split a few groups into training and validation."""
    recordings = recordings_of(len(labels))
    events = calls_of({f"r{k}": "".join(sorted(held)) for k, held in enumerate(labels)} | {"r0": "e"})
    folds, warnings = clips.split_by_class(recordings, events, test_share=0, validation_share=0.5)
    assert set(folds) == {"train", "validation"}
    held = [set(events["label"][events["recording"] == f"r{k}"]) for k in range(len(labels))]

    def missing(validation):
        train = set().union(*(h for h, v in zip(held, validation, strict=True) if not v))
        beside = set().union(*(h for h, v in zip(held, validation, strict=True) if v))
        return 10 * len(set(events["label"]) - train) + len(set(events["label"]) - beside)

    ways = [w for w in itertools.product([False, True], repeat=len(labels)) if 0 < sum(w) < len(w)]
    assert missing([fold == "validation" for fold in folds]) == min(missing(way) for way in ways)
    assert bool(warnings) == (min(missing(way) for way in ways) > 0)


# ---------------------------------------------------------------- folds of a cross-validation


def test_folds_keep_groups_whole_and_spread_classes():
    rng = np.random.default_rng(0)
    recordings = recordings_of(120, [f"day{k // 3}" for k in range(120)])
    labels = {f"r{k}": "".join(c for c, share in zip("abc", (0.5, 0.2, 0.1), strict=True) if rng.random() < share)
              for k in range(120)}  # fmt: skip
    events = calls_of(labels)
    folds = clips.folds(recordings, events, 5, seed=1)
    assert list(folds.index) == list(recordings["recording"]) and set(folds) == set(range(5))
    assert (folds.groupby(recordings["group"].to_numpy()).nunique() == 1).all()
    assert folds.value_counts().between(18, 30).all()
    in_folds = pd.crosstab(events["label"], folds[events["recording"]].to_numpy())
    assert (in_folds.loc["c"] > 0).all()
    group = recordings.set_index("recording")["group"]
    of_group = dict(zip(recordings["group"], folds, strict=True))
    for name in "bc":
        holding = set(group[events["recording"][events["label"] == name]])
        counts = np.bincount([of_group[g] for g in holding], minlength=5)
        assert counts.max() - counts.min() <= 2
    pd.testing.assert_series_equal(clips.folds(recordings, events, 5, seed=1), folds)
    assert not clips.folds(recordings, events, 5, seed=2).equals(folds)


def test_folds_of_clips_alone_have_each_class_in_equal_parts():
    rng = np.random.default_rng(1)
    targets = pd.DataFrame({"a": rng.random(300) < 0.3, "b": rng.random(300) < 0.05}, dtype=float)
    targets.loc[7, "a"] = np.nan
    table = pd.DataFrame({"recording": "r0", "onset": np.arange(300.0), "seconds": 1.0, "weight": 1.0, "group": "x"})
    table = pd.concat([table.assign(fold="train"), targets], axis=1)
    folds = clips.folds(table, table, 4, grouped=False)
    assert folds.index.equals(table.index)
    for name in "ab":
        counts = np.bincount(folds[targets[name] == 1], minlength=4)
        assert counts.max() - counts.min() <= 2, name
    pd.testing.assert_series_equal(clips.folds(table, targets, 4, grouped=False), folds)


def test_folds_of_one_class_and_of_none():
    recordings = recordings_of(10)
    assert (clips.folds(recordings, calls_of({"r1": "a", "r2": "a"}), 2).value_counts() == 5).all()
    assert (clips.folds(recordings, tables.empty(tables.EVENTS), 5).value_counts() == 2).all()
    everything = clips.folds(recordings, calls_of({f"r{k}": "a" for k in range(10)}), 5)
    assert (everything.value_counts() == 2).all()


def test_more_folds_than_groups_is_a_sentence():
    recordings = recordings_of(8, ["x", "y"] * 4)
    with pytest.raises(InputError, match=r"2 group\(s\) cannot be split into 3 folds: ask for 2 to 2"):
        clips.folds(recordings, calls_of({"r0": "a"}), 3)
    with pytest.raises(InputError, match="one row for each clip"):
        clips.folds(pd.DataFrame({"onset": [0.0, 1.0], "group": "x"}), pd.DataFrame({"a": [1.0]}), 2, grouped=False)


# ---------------------------------------------------------------- copies, and what leaks


def test_merged_groups_are_the_connected_ones():
    recordings = recordings_of(6, ["e", "d", "c", "b", "b", "a"])
    merged = clips.merge_groups(recordings, [("r0", "r1"), ("r1", "r3")])
    assert merged["group"].tolist() == ["b", "b", "c", "b", "b", "a"]
    assert recordings["group"].tolist() == ["e", "d", "c", "b", "b", "a"]
    pd.testing.assert_frame_equal(clips.merge_groups(recordings, []), recordings)
    with pytest.raises(InputError, match="the pairs name 'r9', which is no recording"):
        clips.merge_groups(recordings, [("r0", "r9")])


@pytest.fixture
def copies(tmp_path):
    """Five recordings, each a group of its own: r1 and r4 are one file, r3 is r2 from 0.6 s on, and fainter."""
    recordings = recordings_of(5, folder=str(tmp_path))
    rng = np.random.default_rng(0)
    sounds = [rng.normal(0, 0.1, 4000) for _ in range(3)]
    sounds += [0.3 * sounds[2][600:], sounds[1]]
    for path, sound in zip(recordings["path"], sounds, strict=True):
        soundfile.write(path, sound, RATE)
    return recordings.assign(seconds=[len(sound) / RATE for sound in sounds])


def clips_at(*rows):
    table = pd.DataFrame(rows, columns=["recording", "onset", "seconds", "group", "fold"])
    return table.assign(weight=1.0, a=0.0)


def test_windows_of_two_folds_that_overlap_are_a_leak():
    table = clips_at(("r0", 0, 9, "x", "train"), ("r0", 2, 1, "x", "train"), ("r0", 8.5, 3, "x", "test"))
    with pytest.raises(InputError, match=r"'r0' the train clip at 0.00 s and the test clip at 8.50 s overlap: split"):
        clips.check_leakage(table)
    with pytest.raises(InputError, match=r"'r0' the train clip at 0.00 s and the test clip at 8.50 s overlap: split"):
        clips.check_leakage(table[::-1])


def test_a_group_in_two_folds_is_a_leak():
    table = clips_at(("r0", 0, 3, "x", "train"), ("r0", 3, 3, "x", "train"), ("r1", 0, 3, "x", "test"))
    with pytest.raises(InputError, match="the group 'x' is in two folds, with a clip of 'r0' in train and one of 'r1'"):
        clips.check_leakage(table)
    apart = table.assign(group=["x", "y", "z"], fold=["train", "test", "test"])
    clips.check_leakage(apart)  # windows that only touch


def test_copies_in_two_folds_are_a_leak(copies):
    table = clips_at(("r1", 0, 3, "x", "train"), ("r2", 0, 3, "y", "test"), ("r4", 0, 3, "z", "test"))
    with pytest.raises(InputError, match="the recordings 'r1' in train and 'r4' in test are the same file: join"):
        clips.check_leakage(table, copies)
    clips.check_leakage(table)
    clips.check_leakage(table[:2], copies)
    clips.check_leakage(table.assign(fold="test"), copies)


def test_sound_that_is_alike_in_two_folds_is_a_leak(copies):
    table = clips_at(("r2", 0, 3, "x", "train"), ("r0", 0, 3, "y", "test"), ("r3", 0, 3, "z", "validation"))
    says = "the recordings 'r2' in train and 'r3' in validation hold the same sound: join their groups"
    with pytest.raises(InputError, match=says):
        clips.check_leakage(table, copies, sample_rate=RATE)
    with pytest.raises(InputError, match=says):
        clips.check_leakage(table, copies, likeness.near_equal(copies, sample_rate=RATE))
    clips.check_leakage(table[:2], copies, sample_rate=RATE)
    clips.check_leakage(table.assign(fold="test"), copies, sample_rate=RATE)


def test_a_split_of_whole_groups_leaks_nothing():
    recordings = recordings_of(9, [f"day{k // 2}" for k in range(9)])
    events = calls_of({"r0": "a", "r4": "a", "r8": "a"})
    table = clips.cut(recordings, events, ["a"], clips.split(recordings), exhaustive=True)
    clips.check_leakage(table)
    by_fold = clips.split_by_class(recordings, events)[0]
    clips.check_leakage(clips.cut(recordings, events, ["a"], by_fold, exhaustive=True))


def test_a_fold_without_a_clip_that_is_known_to_be_empty_is_named():
    table = pd.DataFrame({"fold": ["train", "train", "validation", "test", "test"], "recording": list("abcde")})
    both = table.assign(call=[1.0, 0.0, 0.0, 1.0, 0.0])
    assert clips.one_sided(both) == []
    (sentence,) = clips.one_sided(both.assign(call=[1.0, 0.0, 0.0, 1.0, np.nan]))
    assert "fold test" in sentence
    assert "exhaustive" in sentence
    assert clips.one_sided(both[both["fold"] == "train"].assign(call=1.0)) == []  # a training says so itself
