"""The ways of training: each by what it must equal, and each resumed to the last bit."""

import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from whalelib import metrics, train
from whalelib.errors import InputError
from whalelib.models import build
from whalelib.train import averaging, checkpoints, recomputing

pytestmark = pytest.mark.usefixtures("one_thread")


def tiny(store, train_clips=40, validation_clips=30):
    """A few clips of a store, so that an epoch is a matter of a tenth of a second."""
    few = {"train": train_clips, "validation": validation_clips}
    folds = {**store.folds, **{fold: store.folds[fold].select(range(count)) for fold, count in few.items()}}
    return dataclasses.replace(store, folds=folds)


def settled(store, dropout=0.0):
    """A detector whose answer to a clip depends on that clip alone, in training too."""
    detector = build(classes=store.classes, width=4, dropout=dropout)
    network = detector.network
    network.train = lambda mode=True: nn.Module.train(network, False)
    return detector


def fit(store, folder, detector=None, **more):
    detector = detector or build(classes=store.classes, width=4)
    return train.fit(detector, store, folder, **{"epochs": 3, "batch_size": 16, "progress": False, **more})


@pytest.fixture(scope="module")
def clips(small_store):
    return tiny(small_store)


def same(a, b, **close):
    if close:
        np.testing.assert_allclose(a.history.to_numpy(float), b.history.to_numpy(float), **close)
    else:
        pd.testing.assert_frame_equal(a.history, b.history)
    assert a.best_epoch == b.best_epoch
    for (name, found), expected in zip(a.detector.state_dict().items(), b.detector.state_dict().values(), strict=True):
        np.testing.assert_allclose(found, expected, err_msg=name, **(close or {"rtol": 0, "atol": 0}))


# Step sizes


def test_each_layer_steps_a_share_as_far_as_the_layer_above_it(clips, tmp_path):
    """AdamW's first step is as long as its step size, whatever the gradient."""
    before = build(classes=clips.classes, width=4).state_dict()
    once = {"epochs": 1, "batch_size": 40, "schedule": "constant", "warmup_share": 0.0, "weight_decay": 0.0}
    one = fit(clips, tmp_path / "a", layer_decay=0.5, clip_gradient=0.0, learning_rate=0.01, **once)
    after = one.detector.state_dict()
    far = {
        layer: max(float((after[name] - before[name]).abs().max()) for name in before if name.startswith(layer))
        for layer in ("head.classify", "network.project.weight", "network.stem.weight")
    }
    head, project, stem = far.values()
    assert head == pytest.approx(0.01, rel=1e-3)
    assert project == pytest.approx(0.005, rel=1e-3)
    assert stem < project / 4


# Steps in parts


def test_a_step_in_parts_equals_the_step_at_once(clips, tmp_path):
    """Though the parts differ in how many of their targets are known, and the last step of an epoch is smaller."""
    known = np.isfinite(clips.table("train")[clips.classes].to_numpy()).sum(axis=1)
    assert len({*known[:16]}) > 1 or len({*known}) > 1
    assert len(known) % 16
    whole, parts = (fit(clips, tmp_path / str(n), settled(clips), accumulation=n) for n in (1, 4))
    same(whole, parts, rtol=2e-4, atol=2e-5)


def test_parts_that_do_not_fit_are_refused(clips, tmp_path):
    with pytest.raises(InputError, match="batch_size of 16 cannot be computed in 3 parts: make it a multiple of 3"):
        fit(clips, tmp_path / "fit", accumulation=3)
    assert not (tmp_path / "fit").exists()


@pytest.mark.parametrize(("processes", "size", "clips"), [(1, 4, 10), (2, 4, 9), (3, 6, 8), (4, 4, 5), (2, 4, 8)])
def test_processes_share_every_clip_once_and_none_goes_without(processes, size, clips):
    rows = torch.utils.data.SequentialSampler(range(clips))
    shares = [list(train.batches.Shares(rows, size, k, processes)) for k in range(processes)]
    gathered = [list(train.batches.Shares(rows, size, k, processes, equal=True)) for k in range(processes)]
    assert {len(share) for share in shares} == {math.ceil(clips / size)}
    assert all(part for share in shares for part in share)
    assert sorted(row for share in shares for part in share for row in part if row >= 0) == list(range(clips))
    together = [row for step in zip(*gathered, strict=True) for part in step for row in part]
    assert together[:clips] == list(range(clips))  # in order, and what is left over comes last
    assert all(len({len(part) for part in step}) == 1 for step in zip(*gathered, strict=True))


def test_the_row_of_no_clip_weighs_nothing(clips):
    batch = train.ClipBatches(clips, "train").__getitems__([3, train.batches.NO_CLIP])
    assert batch["weight"].tolist() == [1.0, 0.0]
    assert torch.isnan(batch["targets"][1]).all()
    alone = train.ClipBatches(clips, "train").__getitems__([3])
    assert torch.equal(batch["waveform"][0], alone["waveform"][0])


# Precision


def test_bf16_trains_the_network_and_leaves_the_front_end_in_float32(clips, tmp_path):
    detector, seen = build(classes=clips.classes, width=4), {}
    detector.front_end.register_forward_hook(lambda _, inputs, out: seen.update(sound=inputs[0], picture=out))
    detector.network.stem.register_forward_hook(lambda _, inputs, out: seen.update(stem=out))
    low = fit(clips, tmp_path / "low", detector, precision="bf16")
    assert seen["stem"].dtype == torch.bfloat16
    assert seen["picture"].dtype == torch.float32
    assert torch.equal(seen["picture"], detector.front_end(seen["sound"]))
    assert all(t.dtype != torch.bfloat16 for t in low.detector.state_dict().values())
    full = fit(clips, tmp_path / "full")
    np.testing.assert_allclose(low.history["train_loss"], full.history["train_loss"], rtol=0.05)
    assert not np.array_equal(low.history["train_loss"], full.history["train_loss"])


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_fp16_without_a_gpu_is_refused(clips, tmp_path):
    with pytest.raises(InputError, match="fp16 needs a GPU, and there is none: set precision to bf16"):
        fit(clips, tmp_path / "fit", precision="fp16")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
@pytest.mark.parametrize("precision", ["fp16", "bf16"])
def test_low_precision_on_a_gpu(clips, tmp_path, precision):
    low, full = fit(clips, tmp_path / "low", precision=precision), fit(clips, tmp_path / "full")
    np.testing.assert_allclose(low.history["train_loss"], full.history["train_loss"], rtol=0.05)


# Memory for time


def test_activations_computed_again_change_nothing(clips, tmp_path):
    same(fit(clips, tmp_path / "kept", epochs=2), fit(clips, tmp_path / "again", epochs=2, recompute=True))


def test_activations_are_forgotten_between_the_passes():
    def kept(again):
        torch.manual_seed(0)
        network = nn.Sequential(*[nn.Sequential(nn.Linear(64, 64), nn.BatchNorm1d(64), nn.Tanh()) for _ in range(8)])
        if again:
            recomputing.recompute(network)
        total = 0

        def pack(tensor):
            nonlocal total
            total += tensor.numel() * (not isinstance(tensor, nn.Parameter))
            return tensor

        x = torch.randn(32, 64)
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            loss = network(x).square().sum()
        loss.backward()
        return total, [p.grad for p in network.parameters()], [b.clone() for b in network.buffers()]

    (many, grads, buffers), (few, grads_again, buffers_again) = kept(False), kept(True)
    assert few < many / 2
    assert all(map(torch.equal, grads, grads_again))
    assert all(map(torch.equal, buffers, buffers_again))


# The step size


def rates(store, folder, monkeypatch, **knobs):
    seen, step = [], train.DetectorTrainer.training_step

    def stepped(self, *args, **kwargs):
        seen.append(self.optimizer.param_groups[0]["lr"])
        return step(self, *args, **kwargs)

    monkeypatch.setattr(train.DetectorTrainer, "training_step", stepped)
    fit(store, folder, epochs=8, batch_size=8, learning_rate=0.01, warmup_share=0.25, **knobs)
    return np.array(seen) / 0.01


@pytest.mark.parametrize("schedule", ["cosine", "cosine_restarts", "one_cycle", "linear", "constant"])
def test_the_step_size_goes_as_its_schedule_says(schedule, clips, tmp_path, monkeypatch):
    few = tiny(clips, train_clips=16, validation_clips=8)
    found = rates(few, tmp_path / "fit", monkeypatch, schedule=schedule, cycles=3)
    assert len(found) == 16
    done = np.clip((np.arange(16) - 4) / 12, 0, 1)
    rise = np.arange(16) / 4
    falls = {
        "cosine": (1 + np.cos(np.pi * done)) / 2,
        "cosine_restarts": (1 + np.cos(np.pi * (3 * done % 1))) / 2,
        "linear": 1 - done,
        "constant": np.ones(16),
    }
    if schedule == "one_cycle":
        assert found[0] == pytest.approx(1 / 25)  # as torch's one-cycle begins
        assert found.argmax() in (3, 4)
        assert found.max() == pytest.approx(1, abs=0.02)
        assert (np.diff(found[4:]) < 0).all()
        assert found[-1] < 0.03
    else:
        np.testing.assert_allclose(found, np.where(rise < 1, rise, falls[schedule]), atol=1e-9)


def test_a_long_gradient_is_shortened(clips, tmp_path, monkeypatch):
    def lengths(folder, **knobs):
        seen, hook = [], train.following.Order

        class Watch(hook):
            def on_pre_optimizer_step(self, args, state, control, model=None, **_):
                seen.append(math.sqrt(sum(float(p.grad.square().sum()) for p in model.parameters())))

        monkeypatch.setattr(train.following, "Order", Watch)
        fit(clips, folder, epochs=1, **knobs)
        monkeypatch.setattr(train.following, "Order", hook)
        return np.array(seen)

    free, short = lengths(tmp_path / "free", clip_gradient=0.0), lengths(tmp_path / "short", clip_gradient=0.01)
    assert (free > 0.1).all()
    np.testing.assert_allclose(short, 0.01, rtol=1e-3)


# Means of weights


def test_the_running_mean_is_that_of_its_definition():
    model = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    mean, expected = averaging.RunningMean(model, 0.9), None
    for n in range(20):
        with torch.no_grad():
            for tensor in [*model.parameters(), *model.buffers()]:
                tensor.copy_(torch.rand_like(tensor) if tensor.is_floating_point() else tensor + 1)
        mean.update(model)
        now = model.state_dict()
        decay = min(0.9, (1 + n) / (10 + n))
        if expected is None:
            expected = {name: tensor.clone() for name, tensor in now.items()}
        for name, tensor in now.items():
            blend = decay * expected[name] + (1 - decay) * tensor
            expected[name] = blend if tensor.is_floating_point() else tensor.clone()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with mean.in_place_of(model):
        for name, tensor in model.state_dict().items():
            torch.testing.assert_close(tensor, expected[name], msg=name)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_the_running_mean_is_what_is_judged_and_kept(clips, tmp_path):
    plain, mean = fit(clips, tmp_path / "plain"), fit(clips, tmp_path / "mean", ema=0.9)
    np.testing.assert_array_equal(mean.history["train_loss"], plain.history["train_loss"])  # it changes no step
    assert not np.array_equal(mean.history["validation_loss"], plain.history["validation_loss"])
    reproduces_its_score(mean, clips)


def reproduces_its_score(fitted, store):
    scores = train.predict_clips(fitted.detector, store, "validation")
    report = metrics.clip_report(store.table("validation")[store.classes].to_numpy(), scores, store.classes)
    best = fitted.history.set_index("epoch").loc[fitted.best_epoch]
    assert report.set_index("class").loc["mean", "ap"] == pytest.approx(best["validation_ap"], abs=1e-6)


@pytest.mark.parametrize("average", ["last", "best"])
def test_the_mean_of_epochs_is_that_of_their_weights(average, clips, tmp_path, monkeypatch):
    kept, chosen = {}, []

    def look(paths):
        kept.update({path.name: averaging.weights_of(path) for path in paths[0].parent.glob("checkpoint-*")})
        chosen.extend(path.name for path in paths)
        return averaging.mean_of(paths)

    monkeypatch.setattr(train.fitting, "mean_of", look)
    found = fit(clips, tmp_path / "fit", epochs=4, average=average, averaged=2)
    steps = {f"checkpoint-{3 * epoch}": epoch for epoch in (1, 2, 3, 4)}
    assert kept.keys() == steps.keys()
    score = found.history.set_index("epoch")["validation_ap"]
    expected = {3, 4} if average == "last" else {*score.sort_values(ascending=False, kind="stable").index[:2]}
    assert {steps[name] for name in chosen} == expected
    for name, tensor in found.detector.state_dict().items():
        if tensor.is_floating_point():
            torch.testing.assert_close(tensor, (kept[chosen[0]][name] + kept[chosen[1]][name]) / 2)


# Which epoch, and how many


@pytest.mark.parametrize("figure", ["ap", "auc", "loss"])
def test_the_epoch_that_is_kept_is_the_best_by_the_figure_asked_for(figure, clips, tmp_path):
    found = fit(clips, tmp_path / "fit", epochs=5, learning_rate=0.02, choose_by=figure)
    column = found.history[f"validation_{figure}"]
    assert found.best_epoch == found.history["epoch"][column.argmin() if figure == "loss" else column.argmax()]
    reproduces_its_score(found, clips)


def losing_patience(monkeypatch, scores):
    """Validation figures as the test has them, whatever the detector says."""
    told = iter(scores)
    monkeypatch.setattr(
        train.fitting, "_clip_metrics", lambda *_: lambda _: {**dict.fromkeys(("loss", *metrics.MEASURES), next(told))}
    )


def test_training_ends_when_patience_does(clips, tmp_path, monkeypatch):
    losing_patience(monkeypatch, [0.1, 0.5, 0.4, 0.3, 0.9, 0.9])
    found = fit(clips, tmp_path / "fit", epochs=6, patience=2)
    assert found.history["epoch"].tolist() == [1, 2, 3, 4]
    assert found.best_epoch == 2


# Broken off, and gone on with


class BrokenOff(Exception):
    pass


def broken_off_at(monkeypatch, step, call):
    """What is left of a training that ends at a step."""
    stepped = train.DetectorTrainer.training_step

    def breaking(self, *args, **kwargs):
        if self.state.global_step == step:
            raise BrokenOff
        return stepped(self, *args, **kwargs)

    monkeypatch.setattr(train.DetectorTrainer, "training_step", breaking)
    with pytest.raises(BrokenOff):
        call()
    monkeypatch.setattr(train.DetectorTrainer, "training_step", stepped)


WAYS = {
    "running mean": {"ema": 0.9},
    "parts": {"accumulation": 2, "schedule": "one_cycle"},
    "within an epoch": {"save_every": 2, "ema": 0.9, "schedule": "cosine_restarts", "accumulation": 2},
    "mean of epochs": {"average": "best", "averaged": 2},
    "low precision": {"precision": "bf16", "recompute": True},
    "layers": {"layer_decay": 0.5},
}


@pytest.mark.parametrize("way", WAYS)
def test_resumed_equals_unbroken(way, clips, tmp_path, monkeypatch):
    unbroken = fit(clips, tmp_path / "unbroken", **WAYS[way])
    broken_off_at(monkeypatch, 5, lambda: fit(clips, tmp_path / "broken", **WAYS[way]))
    newest = train.newest_whole_checkpoint(tmp_path / "broken" / "checkpoints")
    assert newest.endswith("checkpoint-4" if "save_every" in WAYS[way] else "checkpoint-3")
    same(fit(clips, tmp_path / "broken", **WAYS[way]), unbroken)


def test_patience_is_remembered_and_a_training_that_had_ended_is_not_gone_on_with(clips, tmp_path, monkeypatch):
    scores = [0.5, 0.4, 0.3, 0.9, 0.9]

    def again(folder, told, **more):
        losing_patience(monkeypatch, told)
        return fit(clips, folder, epochs=5, patience=2, **more)

    unbroken = again(tmp_path / "unbroken", scores)
    assert unbroken.history["epoch"].tolist() == [1, 2, 3]
    broken_off_at(monkeypatch, 7, lambda: again(tmp_path / "early", scores))
    same(again(tmp_path / "early", scores[2:]), unbroken)
    monkeypatch.setattr(train.fitting, "_finish", lambda *_: (_ for _ in ()).throw(BrokenOff))
    with pytest.raises(BrokenOff):
        again(tmp_path / "late", scores)
    monkeypatch.undo()
    same(again(tmp_path / "late", []), unbroken)


def test_a_folder_that_was_moved_still_knows_its_best_epoch(clips, tmp_path, monkeypatch):
    unbroken = fit(clips, tmp_path / "unbroken", choose_by="loss", learning_rate=0.05)
    call = {"choose_by": "loss", "learning_rate": 0.05}
    broken_off_at(monkeypatch, 7, lambda: fit(clips, tmp_path / "here", **call))
    (tmp_path / "here").rename(tmp_path / "there")
    newest = Path(train.newest_whole_checkpoint(tmp_path / "there" / "checkpoints"))
    checkpoints.settle(newest)
    best = json.loads((newest / "trainer_state.json").read_text())["best_model_checkpoint"]
    assert Path(best).is_dir()
    assert Path(best).parent == newest.parent
    same(fit(clips, tmp_path / "there", **call), unbroken)


# Where the time goes


def test_a_profile_accounts_for_its_batches(clips):
    detector = build(classes=clips.classes, width=4)
    for parameter in detector.network.parameters():
        parameter.requires_grad_(False)
    steps, step = [], train.profiling._Clocked.training_step
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            train.profiling._Clocked, "training_step", lambda self, *a, **k: (steps.append(1), step(self, *a, **k))[1]
        )
        found = train.profiled(detector, clips, batches=4, batch_size=8, precision="bf16", accumulation=2)
    assert len(steps) == 2 * (3 + 4 + 4)  # two parts each
    assert 0 < found["learning"] < 1
    assert 0 < found["reading"] < 1 - found["learning"]
    assert found["cpu_seconds"] > 0
    assert found["memory_mib"] > 100
    head = sum(p.numel() for p in detector.head.parameters())
    assert found["trainable"] == pytest.approx(head / sum(p.numel() for p in detector.parameters()))


# What the front end needs to know


def test_a_front_end_learns_from_the_training_clips_once(clips, tmp_path):
    detector = build(classes=clips.classes, width=4, features={"normalise": "dataset"})
    found = fit(clips, tmp_path / "fit", detector, epochs=1).detector
    waveform = train.ClipBatches(clips, "train").__getitems__(list(range(40)))["waveform"]
    assert torch.equal(train.sample_of(clips), waveform)  # fewer than a sample: all of them
    picture = found.front_end(waveform)
    torch.testing.assert_close(picture.mean((0, 3)), torch.zeros_like(picture[0, ..., 0]), atol=1e-4, rtol=0)
