"""Pseudo-labels: only what is sure and was not known, in rounds that a crash does not repeat."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from whalelib import pseudo, train
from whalelib.errors import InputError
from whalelib.models import build

pytestmark = pytest.mark.usefixtures("one_thread")
NAN = np.nan


def test_what_is_sure_by_hand():
    targets = np.array([[NAN, NAN, NAN, NAN, 1, 0]])
    scores = np.array([[0.95, 0.5, 0.02, 0.9, 0.01, 0.99]])
    np.testing.assert_array_equal(pseudo.fill(targets, scores), [[1, NAN, 0, 1, 1, 0]])
    soft = pseudo.fill(targets, scores, pseudo_soft=True)
    np.testing.assert_allclose(soft, [[0.95, NAN, 0.02, 0.9, 1, 0]], rtol=1e-6)


@given(
    st.lists(st.tuples(st.sampled_from([0.0, 0.3, 1.0, NAN]), st.floats(0, 1, width=32)), min_size=1, max_size=20),
    st.booleans(),
)
def test_the_known_stays_and_stricter_thresholds_take_less(cells, soft):
    targets, scores = np.array(cells).T[:, :, None]
    loose = pseudo.fill(targets, scores, pseudo_present=0.7, pseudo_absent=0.3, pseudo_soft=soft)
    strict = pseudo.fill(targets, scores, pseudo_present=0.9, pseudo_absent=0.1, pseudo_soft=soft)
    known = ~np.isnan(targets)
    for filled in (loose, strict):
        np.testing.assert_array_equal(filled[known], targets[known].astype(np.float32))
    assert (~np.isnan(strict) <= ~np.isnan(loose)).all()
    np.testing.assert_array_equal(strict[~np.isnan(strict)], loose[~np.isnan(strict)])


def test_what_cannot_be_filled_is_a_sentence():
    with pytest.raises(InputError, match="must both be"):
        pseudo.fill(np.zeros((2, 1)), np.zeros((2, 2)))
    with pytest.raises(InputError, match="is not below pseudo_present"):
        pseudo.fill(np.zeros((1, 1)), np.zeros((1, 1)), pseudo_present=0.4, pseudo_absent=0.5)


@pytest.fixture(scope="module")
def half_known(small_store):
    """The small ocean's clips, of whose training clips two in three have lost their labels."""

    def forget(row, number):
        if number % 3:
            return {"targets": [NAN] * len(row["targets"]), "frames": [-1] * len(row["frames"])}
        return {}

    forgotten = small_store.folds["train"].map(forget, with_indices=True, load_from_cache_file=False)
    return dataclasses.replace(small_store, folds={**small_store.folds, "train": forgotten})


def fit(store, folder, **more):
    options = {"pseudo_rounds": 1, "pseudo_present": 0.6, "pseudo_absent": 0.3, "epochs": 2, "progress": False}
    return pseudo.fit_in_rounds(lambda: build(classes=store.classes, width=8), store, folder, **{**options, **more})


@pytest.fixture(scope="module")
def unbroken(half_known, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pseudo") / "fit"
    return fit(half_known, folder), folder


def test_the_second_round_learns_from_what_the_first_was_sure_of(half_known, unbroken, tmp_path):
    fitted, folder = unbroken
    known = half_known.table("train")[half_known.classes].to_numpy()
    first = train.load(folder / "round-0").detector
    scores = train.predict_clips(first, half_known, "train")
    targets = pseudo.fill(known, scores, pseudo_present=0.6, pseudo_absent=0.3)
    counts = pd.read_csv(folder / "pseudo.csv")
    taken = np.isnan(known) & ~np.isnan(targets)
    assert counts["class"].tolist() == half_known.classes
    assert counts["taken_for_present"].tolist() == (taken & (targets == 1)).sum(axis=0).tolist()
    assert counts["taken_for_absent"].tolist() == (taken & (targets == 0)).sum(axis=0).tolist()
    assert taken.any() and counts["left_open"].tolist() == np.isnan(targets).sum(axis=0).tolist()
    by_hand = train.fit(
        build(classes=half_known.classes, width=8), half_known, tmp_path / "fit", train_targets=targets, epochs=2,
        progress=False,
    )  # fmt: skip
    for found, expected in zip(fitted.detector.parameters(), by_hand.detector.parameters(), strict=True):
        assert torch.equal(found, expected)
    alone = first.state_dict()
    assert not all(torch.equal(found, alone[name]) for name, found in fitted.detector.state_dict().items())


def test_finished_rounds_are_not_repeated(half_known, unbroken, tmp_path, monkeypatch):
    fitted, _ = unbroken
    trained, real = [], train.DetectorTrainer.train

    def counted(self, *args, **kwargs):
        trained.append(self.args.output_dir)
        if len(trained) == 2:
            raise KeyboardInterrupt
        return real(self, *args, **kwargs)

    monkeypatch.setattr(train.DetectorTrainer, "train", counted)
    with pytest.raises(KeyboardInterrupt):
        fit(half_known, tmp_path / "fit")
    again = fit(half_known, tmp_path / "fit")
    assert [("round-0" in folder) for folder in trained] == [True, False, False]
    pd.testing.assert_frame_equal(again.history, fitted.history)
    fit(half_known, tmp_path / "fit")
    assert len(trained) == 3


def test_without_rounds_it_is_one_training(small_store, tmp_path):
    fit(small_store, tmp_path / "fit", pseudo_rounds=0, epochs=1)
    assert not (tmp_path / "fit" / "pseudo.csv").exists() and not list((tmp_path / "fit").glob("round-*"))


def test_rounds_without_an_unknown_clip_are_refused(small_store, tmp_path):
    known = small_store.folds["train"].map(
        lambda row: {"targets": [0.0 if np.isnan(t) else t for t in row["targets"]]}, load_from_cache_file=False
    )
    store = dataclasses.replace(small_store, folds={**small_store.folds, "train": known})
    with pytest.raises(InputError, match="pseudo_rounds needs training clips whose truth is not known"):
        fit(store, tmp_path / "fit")
