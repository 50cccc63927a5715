"""Augmentation in a training: what is heard, what is resumed, what inference never hears; its knobs are checked."""

import copy

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch
from refusal import refused

from whalelib import clips, config, stages, train
from whalelib.augment import AUGMENTATIONS, Augmenter
from whalelib.clips import CELL_SECONDS
from whalelib.losses import LOSSES, Objective, mean
from whalelib.models import build

pytestmark = pytest.mark.usefixtures("one_thread")

LIST = ["gain", "pink_noise", "time_shift", "time_stretch p=0.2", "mixup at=picture", "time_mask", "mixup at=embedding"]


def augmenter_of(store, entries=LIST, **more):
    return Augmenter(entries, sample_rate=store.sample_rate, clip_seconds=store.clip_seconds, **more)


def fit(store, folder, entries=LIST, **more):
    detector = build(classes=store.classes, width=4)
    given = {"augmenter": augmenter_of(store, entries), "epochs": 2, "progress": False, **more}
    return train.fit(detector, store, folder, **given)


def same_weights(a, b):
    return all(map(torch.equal, a.detector.state_dict().values(), b.detector.state_dict().values()))


class Stopped(Exception):
    pass


def test_a_training_that_was_stopped_hears_what_an_unbroken_one_does(small_store, tmp_path, monkeypatch):
    unbroken = fit(small_store, tmp_path / "unbroken")
    step, steps = train.DetectorTrainer.training_step, -(-len(small_store.folds["train"]) // 64)

    def until_stopped(self, *args, **kwargs):
        if self.state.global_step == steps + steps // 2:
            raise Stopped
        return step(self, *args, **kwargs)

    monkeypatch.setattr(train.DetectorTrainer, "training_step", until_stopped)
    with pytest.raises(Stopped):
        fit(small_store, tmp_path / "fit")
    monkeypatch.setattr(train.DetectorTrainer, "training_step", step)
    resumed = fit(small_store, tmp_path / "fit")
    assert same_weights(resumed, unbroken)
    pd.testing.assert_frame_equal(resumed.history, unbroken.history)


def test_an_empty_list_is_no_augmentation(small_store, tmp_path):
    first, second, other = (
        fit(small_store, tmp_path / name, epochs=1, **more)
        for name, more in (("none", {"augmenter": None}), ("empty", {"entries": []}), ("some", {"entries": ["gain"]}))
    )
    assert same_weights(first, second)
    assert not same_weights(first, other)


def test_inference_is_never_augmented(small_store, small_fit, tmp_path):
    """Neither clips that are predicted nor those that choose the epoch are changed, whatever the list."""
    every = [f"{name} p=1" for name in AUGMENTATIONS if name != "background"]
    recipe, clips = train.Recipe(), train.ClipBatches(small_store, "validation")
    trainer = train.DetectorTrainer(
        recipe=recipe,
        objective=Objective(len(small_store.classes)),
        model=copy.deepcopy(small_fit.detector),
        args=recipe.arguments(tmp_path, progress=False),
        train_dataset=clips,
        eval_dataset=clips,
    )
    batch = clips.__getitems__(list(range(8)))
    plain = trainer.prediction_step(trainer.model.eval(), batch, False)[1:]
    loss = trainer.compute_loss(trainer.model, batch).item()
    trainer.augmenter = augmenter_of(small_store, every)
    for one, other in zip(trainer.prediction_step(trainer.model, batch, False)[1:], plain, strict=True):
        assert torch.equal(torch.nan_to_num(one, 9), torch.nan_to_num(other, 9))
    assert trainer.compute_loss(trainer.model, batch).item() == loss == pytest.approx(trainer.judged_loss())
    trainer.model.train()
    trainer.model.head.dropout.p = 0.0
    losses = [trainer.compute_loss(trainer.model, batch).item() for _ in range(2)]
    trainer.augmenter = None
    assert len({*losses, trainer.compute_loss(trainer.model, batch).item()}) == 3


def test_eight_clips_are_learnt_by_heart_under_augmentation(small_store):
    torch.manual_seed(0)
    rows = [*np.flatnonzero(small_store.table("train")[small_store.classes[0]] == 1)[:4], *range(4)]
    batch = train.ClipBatches(small_store, "train").__getitems__([int(k) for k in rows])
    detector = build(classes=small_store.classes, width=8, dropout=0.0).train()
    augmenter = augmenter_of(small_store, ["gain", "polarity", "pink_noise snr=20..30", "time_shift", "time_mask"])
    optimiser = torch.optim.AdamW(detector.parameters(), lr=1e-2)
    losses = []
    for step in range(60):
        new, later = augmenter(batch, step)
        loss = mean(LOSSES["bce"](detector(new["waveform"], later).clip, new["targets"]), new["weight"])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert np.mean(losses[-5:]) < 0.2 * losses[0]


def test_moved_frames_are_what_the_trainer_compares_with(small_store):
    """A clip shifted by whole frames of the detector has its frame targets shifted by as many."""
    detector = build(classes=small_store.classes, width=4)
    shift = 4 * detector.frame_seconds
    batch = train.ClipBatches(small_store, "train").__getitems__(list(range(32)))
    cells = batch["frames"].shape[1]
    assert cells * CELL_SECONDS == pytest.approx(small_store.clip_seconds)
    new, _ = augmenter_of(small_store, [f"time_shift p=1 seconds={shift}"])(batch, 0)
    before, after = (train.frames_at(b["frames"], detector.frames, detector) for b in (batch, new))
    agree = (after[:, 4:-1] == before[:, :-5]) | (after[:, 4:-1].isnan() & before[:, :-5].isnan())
    assert agree.float().mean() > 0.98  # a shift need not be a whole number of cells


# Noise to lay under clips


def test_a_stores_own_noise_is_its_clips_without_a_call(small_store):
    noise, problems = clips.background(small_store, most=20)
    assert problems == []
    assert noise.shape == (20, round(small_store.clip_seconds * small_store.sample_rate))
    empty = np.flatnonzero((small_store.table("train")[small_store.classes] == 0).all(axis=1))
    there = small_store.batch("train", empty)["waveform"]
    for clip in noise:
        assert (np.abs(there * 32768 - clip).max(axis=1) < 0.5).any()


def test_a_folder_of_noise_is_cut_into_clips(small_store, tmp_path):
    rate, samples = small_store.sample_rate, round(small_store.clip_seconds * small_store.sample_rate)
    random = np.random.default_rng(0)
    long, short = random.normal(0, 0.1, int(2.5 * samples)), random.normal(0, 0.1, samples // 3)
    soundfile.write(tmp_path / "a.wav", long, rate)
    soundfile.write(tmp_path / "b.wav", short, rate)
    (tmp_path / "c.wav").write_bytes(b"no sound")
    noise, problems = clips.background(small_store, str(tmp_path))
    assert len(noise) == 3
    np.testing.assert_allclose(noise[:2].ravel() / 32768, long[: 2 * samples], atol=1e-4)
    np.testing.assert_allclose(noise[2] / 32768, np.resize(short, samples), atol=1e-4)
    (problem,) = problems
    assert "c.wav" in problem
    (tmp_path / "empty").mkdir()
    refused(lambda: clips.background(small_store, str(tmp_path / "empty")), "background_path")


# Knobs


def test_a_list_is_checked_with_the_other_knobs():
    entries = ["gain", "pink_noise p=0.5 snr=3..20"]
    assert config.resolve({"augmentations": entries}).augmentations == entries
    refused(
        lambda: config.resolve({"augmentations": ["gain", "pinknoise"]}, "a.yaml"),
        "a.yaml",
        "did you mean 'pink_noise'",
    )
    refused(lambda: config.resolve({"augmentations": ["gain db=6..-6"]}, "a.yaml"), "a.yaml", "-6..6")


def test_the_list_decides_about_the_detector_and_not_about_the_clips():
    plain, changed = config.resolve(), config.resolve({"augmentations": ["gain"]})
    assert config.signature(plain, "clips") == config.signature(changed, "clips")
    assert config.signature(plain, "detector") != config.signature(changed, "detector")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return {"ocean_days": 3, "ocean_minutes": 0.5, "ocean_density": 3.0, "width": 4, "epochs": 1, "clips_per_call": 1}


def test_knobs_reach_the_training(tiny, tmp_path, monkeypatch):
    monkeypatch.setenv("WHALELIB_CACHE", str(tmp_path / "cache"))
    knobs = config.resolve({**tiny, "augmentations": ["background snr=0..6", "superpose p=0.2"]})
    parts = stages.split(knobs)
    built = stages.augmenter(knobs, parts, stages.store(knobs, parts))
    assert [one.name for one in built.augmentations] == ["background", "superpose"]
    assert len(built.augmentations[0].sounds)
    assert stages.fit(knobs, parts, progress=False).best_epoch == 1
    assert stages.augmenter(config.resolve(tiny), parts, stages.store(knobs, parts)) is None
