"""Ensembles: averages by hand, and held-out scores that are gathered without a clip too many or too few."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import rankdata

from whalelib import ensembles, metrics, tables
from whalelib.errors import InputError

CLASSES = ["a", "b"]


def part(days, seed=0, clips_a_day=8):
    """Held-out scores of these days."""
    rng = np.random.default_rng((seed, *map(ord, "".join(days))))
    n = len(days) * clips_a_day
    truth = np.random.default_rng(tuple(map(ord, "".join(days))))  # the same for every detector
    targets = (truth.random((n, 2)) > 0.6).astype(float)
    targets[truth.random((n, 2)) > 0.9] = np.nan
    clips = pd.DataFrame(
        {
            "recording": np.repeat([f"rec-{day}" for day in days], clips_a_day),
            "onset": np.tile(np.arange(clips_a_day) * 3.0, len(days)),
            "seconds": 3.0,
            "weight": 1.0,
            "group": np.repeat(days, clips_a_day),
            "fold": "test",
            "channel": 1,
        }
    ).assign(**dict(zip(CLASSES, targets.T, strict=True)))
    scores = 1 / (1 + np.exp(-(np.nan_to_num(targets) * 2 - 1 + rng.normal(0, 1, (n, 2)))))
    return ensembles.held_out(clips, scores, CLASSES)


# ---------------------------------------------------------------- combined


def test_means_by_hand():
    a, b = np.array([[0.2], [0.6], [0.6]]), np.array([[0.4], [0.9], [0.1]])
    assert ensembles.combine([a, b]).ravel() == pytest.approx([0.3, 0.75, 0.35])
    assert ensembles.combine([a, b], "power", power=2.0).ravel() == pytest.approx(np.sqrt([0.1, 0.585, 0.185]))
    assert ensembles.combine([a, b], "rank").ravel() == pytest.approx([(1 + 2) / 6, (2.5 + 3) / 6, (2.5 + 1) / 6])


def test_a_power_of_one_is_the_mean_and_a_high_one_the_maximum():
    scores = np.random.default_rng(0).random((3, 20, 2))
    np.testing.assert_allclose(ensembles.combine(scores, "power", power=1.0), ensembles.combine(scores))
    np.testing.assert_allclose(ensembles.combine(scores, "power", power=400.0), scores.max(axis=0), atol=0.005)


@pytest.mark.parametrize("how", ensembles.WAYS)
def test_a_detector_with_itself_ranks_as_it_does_alone_and_order_does_not_matter(how):
    scores = np.random.default_rng(0).random((3, 20, 2))
    same = ensembles.combine([scores[0]] * 3, how)
    assert np.array_equal(rankdata(same, axis=0), rankdata(scores[0], axis=0))
    np.testing.assert_allclose(ensembles.combine(scores[::-1], how), ensembles.combine(scores, how))


def test_ranks_hear_only_the_order_of_each_detectors_scores():
    scores = np.random.default_rng(0).random((2, 20, 2))
    squeezed = [scores[0] ** 9, scores[1]]
    np.testing.assert_allclose(ensembles.combine(squeezed, "rank"), ensembles.combine(scores, "rank"))


@pytest.mark.parametrize(
    ("scores", "options", "words"),
    [
        ([np.zeros((2, 1))], {"how": "vote"}, "one of mean, power, rank"),
        ([np.zeros((2, 1)), np.zeros((3, 1))], {}, "cannot be combined: give equal ones"),
        ([], {}, "cannot be combined"),
        ([np.full((2, 1), -1.0)], {"how": "power"}, "give probabilities"),
        ([np.ones((2, 1))], {"how": "power", "power": 0.0}, "a power above 0"),
    ],
    ids=["way", "shapes", "none", "logits", "power"],
)
def test_what_cannot_be_combined_is_a_sentence(scores, options, words):
    with pytest.raises(InputError, match=words):
        ensembles.combine(scores, **options)


# ---------------------------------------------------------------- gathered


def test_folds_are_gathered_with_every_clip_once():
    parts = [part(["mon", "tue"]), part(["wed"]), part(["thu", "fri"])]
    table = ensembles.out_of_fold(parts)
    assert table["fold"].value_counts().to_dict() == {0: 16, 1: 8, 2: 16}
    for number, one in enumerate(parts):
        pd.testing.assert_frame_equal(table[table["fold"] == number].drop(columns="fold").reset_index(drop=True), one)


def test_the_report_is_that_of_all_clips_and_of_each_fold():
    parts = [part(["mon", "tue"]), part(["wed", "thu"])]
    table = ensembles.out_of_fold(parts)
    report = ensembles.report(table, draws=50)
    assert report["fold"].tolist() == ["all"] * 3 + ["0"] * 3 + ["1"] * 3
    found = report[report["fold"] == "all"].drop(columns="fold").reset_index(drop=True)
    expected = metrics.clip_report(
        table[CLASSES].to_numpy(), ensembles.scores_of(table), CLASSES, groups=table["group"], draws=50
    )
    pd.testing.assert_frame_equal(found, expected)
    second = report[report["fold"] == "1"].reset_index(drop=True)[["clips", *metrics.MEASURES]]
    alone = metrics.clip_report(parts[1][CLASSES].to_numpy(), ensembles.scores_of(parts[1]), CLASSES)
    pd.testing.assert_frame_equal(second, alone[["clips", *metrics.MEASURES]])


def test_a_clip_held_out_twice_and_a_group_in_two_folds_are_refused():
    with pytest.raises(InputError, match="is held out twice"):
        ensembles.out_of_fold([part(["mon"]), part(["mon"], seed=1)])
    first, second = part(["mon"]).iloc[:4], part(["mon"]).iloc[4:]
    with pytest.raises(InputError, match="the group 'mon' is held out in more than one fold"):
        ensembles.out_of_fold([first, second])


def test_runs_of_other_classes_are_refused():
    other = part(["tue"]).rename(columns={"b": "c", "b score": "c score"})
    with pytest.raises(InputError, match="name the classes in the knobs"):
        ensembles.out_of_fold([part(["mon"]), other])
    with pytest.raises(InputError, match="nothing|no held-out scores"):
        ensembles.out_of_fold([])


def test_detectors_of_the_same_clips_are_averaged_clip_by_clip_in_any_order():
    one, other = part(["mon", "tue"]), part(["mon", "tue"], seed=1)
    shuffled = other.sample(frac=1, random_state=0).reset_index(drop=True)
    table = ensembles.together([one, shuffled])
    np.testing.assert_allclose(ensembles.scores_of(table), (ensembles.scores_of(one) + ensembles.scores_of(other)) / 2)
    pd.testing.assert_frame_equal(table[one.columns[:7]], one[one.columns[:7]])


def test_seeds_are_averaged_before_folds_are_gathered():
    """Three seeds of two folds, as an experiment leaves them."""
    folds = [[part(days, seed) for seed in range(3)] for days in (["mon"], ["tue"])]
    table = ensembles.out_of_fold([ensembles.together(seeds, "rank") for seeds in folds])
    assert len(table) == 16 and np.isfinite(ensembles.scores_of(table)).all()


def test_detectors_of_other_clips_or_other_truths_are_not_averaged():
    with pytest.raises(InputError, match="hold out different clips"):
        ensembles.together([part(["mon"]), part(["tue"])])
    with pytest.raises(InputError, match="hold out different clips"):
        ensembles.together([part(["mon"]), part(["mon"]).iloc[:-1]])
    with pytest.raises(InputError, match="tell different truths"):
        ensembles.together([part(["mon"]), part(["mon"], seed=1).assign(a=0.0)])


def test_scores_are_left_in_a_folder_and_found_there(tmp_path):
    table = part(["mon"])
    ensembles.save(table, tmp_path / "run")
    pd.testing.assert_frame_equal(ensembles.read(tmp_path / "run"), table)
    assert [path.name for path in (tmp_path / "run").iterdir()] == [ensembles.FILE]
    with pytest.raises(InputError, match="holds no held-out scores"):
        ensembles.read(tmp_path)


def test_scores_must_fit_their_clips():
    with pytest.raises(InputError, match="do not fit 8 clips of 2 classes"):
        ensembles.held_out(part(["mon"]), np.zeros((8, 1)), CLASSES)


# Scans


def scan_of(**columns):
    n = len(next(iter(columns.values())))
    cells = {"recording": "r", "onset": np.arange(n) / 8, "offset": (np.arange(n) + 1) / 8}
    return tables.check_scores(pd.DataFrame({**cells, **columns}), list(columns))


@pytest.mark.parametrize("how", ensembles.WAYS)
def test_scans_of_several_detectors_become_one(how):
    parts = [scan_of(a=[0.1, 0.9, np.nan, 0.4], b=[0.5] * 4), scan_of(b=[0.7] * 4, a=[0.3, 0.5, 0.5, np.nan])]
    joined = ensembles.scans_together(parts, how)
    assert joined.columns.tolist() == parts[0].columns.tolist()
    known = np.array([[0.1, 0.9], [0.3, 0.5]])
    expected = {
        "mean": known.mean(axis=0),
        "power": np.sqrt((known**2).mean(axis=0)),
        # Cells without a score are ranked with nobody: of three cells each, these are first and third, first and
        # second or third (0.5 twice).
        "rank": [(1 / 3 + 1 / 3) / 2, (3 / 3 + 2.5 / 3) / 2],
    }[how]
    assert joined["a"].tolist()[:2] == pytest.approx(list(expected), abs=1e-6)
    assert joined["a"].isna().tolist() == [False, False, True, True]
    pd.testing.assert_frame_equal(ensembles.scans_together([parts[0]] * 2, "mean"), parts[0])


def test_scans_that_do_not_fit_are_a_sentence():
    scan = scan_of(a=[0.1, 0.2])
    for others, says in (
        ([scan_of(b=[0.1, 0.2])], "name the classes"),
        ([scan.assign(onset=scan["onset"] + 0.01)], "different cells"),
        ([scan.iloc[:1]], "different cells"),
    ):
        with pytest.raises(InputError, match=says):
            ensembles.scans_together([scan, *others])
    with pytest.raises(InputError, match="at least one detector"):
        ensembles.scans_together([])
