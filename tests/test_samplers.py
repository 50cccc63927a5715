"""Samplers: what they promise of each class, the same for one seed and epoch, and shared out among processes."""

import numpy as np
import pytest
import torch
from accelerate.data_loader import prepare_data_loader, skip_first_batches
from scipy.stats import binomtest, chisquare
from torch.utils.data import DataLoader, Dataset

from whalelib.errors import InputError
from whalelib.samplers import EpochSampler, sampler

ROWS = 1000


def fold(often=(500, 100, 20), seed=0):
    """Targets in which classes are there so often, clips without a call, and clips of which nothing is known."""
    targets = np.zeros((ROWS, len(often)))
    first = 0
    for k, many in enumerate(often):
        targets[first : first + many, k] = 1
        first += many
    targets[first : first + 50] = np.nan
    return targets[np.random.default_rng(seed).permutation(ROWS)]


TARGETS, WEIGHTS = fold(), np.ones(ROWS)
NEGATIVE = ~(TARGETS == 1).any(axis=1)


def drawn(made, epochs=40):
    return np.concatenate([made.rows(epoch) for epoch in range(epochs)])


def share(rows, k):
    return (TARGETS[rows, k] == 1).mean() if k >= 0 else NEGATIVE[rows].mean()


def agrees(found, expected, draws):
    """Is the share that was found one that the expected one would give? One in a million is missed."""
    return binomtest(round(found * draws), draws, expected).pvalue > 1e-6


# ---------------------------------------------------------------- frequencies


def test_a_balanced_epoch_has_every_class_and_silence_equally_often():
    rows = drawn(sampler(TARGETS, WEIGHTS, sampler="balanced"))
    for k in (-1, 0, 1, 2):
        assert agrees(share(rows, k), 1 / 4, len(rows))


def test_the_root_sampler_draws_classes_by_the_root_of_their_clips():
    rows = drawn(sampler(TARGETS, WEIGHTS, sampler="root"))
    roots = np.sqrt([500, 100, 20, NEGATIVE.sum()])
    for k, root in zip((0, 1, 2, -1), roots, strict=True):
        assert agrees(share(rows, k), root / roots.sum(), len(rows))


def test_within_a_class_no_clip_is_preferred():
    rows = drawn(sampler(TARGETS, WEIGHTS, sampler="balanced"))
    counts = np.bincount(rows, minlength=ROWS)[TARGETS[:, 1] == 1]
    assert chisquare(counts).pvalue > 1e-6


def test_a_clip_of_two_classes_is_drawn_as_either():
    targets = np.zeros((300, 2))
    targets[:100, 0], targets[100:200, 1], targets[0] = 1, 1, 1
    rows = drawn(sampler(targets, np.ones(300), sampler="balanced"), 200)
    # A third as often as anything of class 0, and a third as often as anything of class 1.
    expected = (1 / 100 + 1 / 101) / 3
    assert agrees((rows == 0).mean(), expected, len(rows))


def test_rated_clips_come_in_proportion_to_their_rating():
    ratings = np.where(np.arange(ROWS) % 2, 1.0, 3.0)
    ratings[:10] = 0
    rows = drawn(sampler(TARGETS, ratings, sampler="rated"))
    assert agrees((rows % 2 == 0).mean(), 3 * 495 / (3 * 495 + 495), len(rows))
    assert not np.isin(rows, np.arange(10)).any()


def test_a_class_that_nobody_holds_takes_no_share():
    targets = np.column_stack([TARGETS, np.zeros(ROWS)])
    found = sampler(targets, WEIGHTS, sampler="balanced").rows(0)
    assert np.array_equal(found, sampler(TARGETS, WEIGHTS, sampler="balanced").rows(0))


# ---------------------------------------------------------------- negatives


def test_negatives_are_drawn_down_and_drawn_anew_each_epoch():
    made = sampler(TARGETS, WEIGHTS, epoch_negatives=0.25)
    seen = []
    for epoch in range(12):
        rows = made.rows(epoch)
        assert len(rows) == len(made) == 620 + 155
        assert len(set(rows)) == len(rows)
        assert set(np.flatnonzero(~NEGATIVE)) <= set(rows)  # every call, every epoch
        seen.append(frozenset(rows[NEGATIVE[rows]]))
        assert len(seen[-1]) == 155
    assert len(set(seen)) == 12
    assert frozenset.union(*seen) == set(np.flatnonzero(NEGATIVE))  # none is lost for good


def test_more_negatives_than_there_are_is_all_of_them():
    assert sorted(sampler(TARGETS, WEIGHTS, epoch_negatives=100.0).rows(3)) == list(range(ROWS))


def test_no_negatives_is_calls_alone():
    assert set(sampler(TARGETS, WEIGHTS, epoch_negatives=0.0).rows(0)) == set(np.flatnonzero(~NEGATIVE))


def test_a_balanced_epoch_draws_from_the_negatives_that_take_part():
    made = sampler(TARGETS, WEIGHTS, sampler="balanced", epoch_negatives=0.05)
    rows = made.rows(0)
    assert len(rows) == 620 + 31 and len(set(rows[NEGATIVE[rows]])) <= 31
    assert agrees(share(drawn(made), -1), 1 / 4, 40 * len(made))


def test_unless_asked_the_usual_shuffling_stays():
    assert sampler(TARGETS, WEIGHTS) is None


# ---------------------------------------------------------------- seeds, epochs, processes

EVERY = pytest.mark.parametrize(
    "options",
    [{"sampler": "balanced"}, {"sampler": "root"}, {"sampler": "rated"}, {"epoch_negatives": 0.5}],
    ids=lambda o: "-".join(map(str, o.values())),
)


@EVERY
def test_an_epoch_depends_on_seed_and_epoch_and_on_nothing_else(options):
    made = sampler(TARGETS, WEIGHTS, seed=3, **options)
    first = [made.rows(epoch).tolist() for epoch in range(3)]
    np.random.seed(0)
    torch.manual_seed(5)
    again = sampler(TARGETS, WEIGHTS, seed=3, **options)
    assert [again.rows(epoch).tolist() for epoch in (2, 1, 0)] == first[::-1]
    again.set_epoch(2)
    assert list(again) == first[2] == list(again)
    other = sampler(TARGETS, WEIGHTS, seed=4, **options)
    assert len({tuple(rows) for rows in first} | {tuple(other.rows(0))}) == 4


class Numbers(Dataset):
    def __len__(self):
        return ROWS

    def __getitem__(self, row):
        return row


def loader(made, processes, process, batch_size=16):
    """As transformers' Trainer prepares it in each of several processes."""
    plain = DataLoader(Numbers(), batch_size=batch_size, sampler=made)
    return prepare_data_loader(plain, num_processes=processes, process_index=process, put_on_device=False)


def rows_of(prepared, epoch):
    prepared.set_epoch(epoch)
    return [batch.tolist() for batch in prepared]


@EVERY
def test_processes_share_one_epoch_out_among_them(options):
    whole = sampler(TARGETS, WEIGHTS, **options)
    for epoch in (0, 4):
        dealt = [rows_of(loader(sampler(TARGETS, WEIGHTS, **options), 2, rank), epoch) for rank in (0, 1)]
        assert len(dealt[0]) == len(dealt[1])
        in_turn = [row for pair in zip(*dealt, strict=True) for batch in pair for row in batch]
        expected = whole.rows(epoch).tolist()
        # The last batches are filled up from the beginning, so that no process waits for another.
        assert in_turn[: len(expected)] == expected
        assert in_turn[len(expected) :] == expected[: len(in_turn) - len(expected)]


def test_what_is_drawn_without_replacement_is_seen_by_one_process_alone():
    dealt = [rows_of(loader(sampler(TARGETS, WEIGHTS, epoch_negatives=0.5), 2, rank, 1), 1) for rank in (0, 1)]
    a, b = ({row for batch in of for row in batch} for of in dealt)
    assert not a & b and len(a) + len(b) == 620 + 310


@pytest.mark.parametrize("processes", [1, 2])
@EVERY
def test_a_training_that_stopped_in_an_epoch_goes_on_within_it(options, processes):
    """As the Trainer resumes: a fresh loader, the epoch set, the first batches skipped."""
    for rank in range(processes):
        unbroken = rows_of(loader(sampler(TARGETS, WEIGHTS, **options), processes, rank), 3)
        made = sampler(TARGETS, WEIGHTS, **options)
        resumed = skip_first_batches(loader(made, processes, rank), 5)
        resumed.set_epoch(3)
        made.set_epoch(3)  # accelerate does not reach it through two wrappers; the training's callback does
        assert [batch.tolist() for batch in resumed] == unbroken[5:]


# ---------------------------------------------------------------- what cannot be drawn


@pytest.mark.parametrize(
    ("targets", "weights", "options", "words"),
    [
        (TARGETS, WEIGHTS, {"sampler": "random"}, "it is one of shuffled, balanced, root, rated"),
        (TARGETS, 0 * WEIGHTS, {"sampler": "rated"}, "mend the column weight"),
        (TARGETS, -WEIGHTS, {"sampler": "rated"}, "mend the column weight"),
        (TARGETS, np.nan * WEIGHTS, {"sampler": "rated"}, "mend the column weight"),
        (np.zeros((5, 2)), np.ones(5), {"epoch_negatives": 2.0}, "an epoch would be empty"),
        (np.zeros((0, 2)), np.ones(0), {"sampler": "balanced"}, "an epoch would be empty"),
    ],
    ids=["name", "zeros", "negative", "nan", "no calls", "nothing"],
)
def test_what_cannot_be_drawn_is_a_sentence(targets, weights, options, words):
    with pytest.raises(InputError, match=words):
        sampler(targets, weights, **options)


def test_an_epoch_of_clips_without_weight_is_a_sentence():
    held = np.array([[True, False], [False, True]])
    with pytest.raises(InputError, match="weight 0"):
        EpochSampler(held, weights=np.array([0.0, 1.0]), epoch_negatives=0.0).rows(0)
