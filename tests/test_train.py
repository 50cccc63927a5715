"""Training: resumed to the last bit, never redone, kept at its best epoch, and blind to labels that mean nothing."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from whalelib import clips, metrics, train
from whalelib.augment import Augmenter
from whalelib.errors import InputError
from whalelib.models import build

EPOCHS = 4


pytestmark = pytest.mark.usefixtures("one_thread")


def fit(store, folder, **more):
    detector = build(classes=store.classes, width=8)
    return train.fit(detector, store, folder, **{"epochs": EPOCHS, "progress": False, **more})


def change_store(store, **changes):
    return dataclasses.replace(store, **changes)


# Stopped and resumed


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def die_in_the_middle_of_an_epoch():
    step = train.DetectorTrainer.training_step

    def stepped(self, *args, **kwargs):
        if self.state.global_step == int(2.5 * self.state.max_steps / EPOCHS):
            die()
        return step(self, *args, **kwargs)

    train.DetectorTrainer.training_step = stepped


def die_while_a_checkpoint_is_written():
    from transformers import TrainerState

    save = TrainerState.save_to_json

    def saved(self, path):
        save(self, path)
        if self.global_step == 3 * self.max_steps // EPOCHS:
            whole = Path(path).read_text()
            Path(path).write_text(whole[: len(whole) // 2])
            die()

    TrainerState.save_to_json = saved


def die_before_the_weights_are_written():
    from whalelib.models import Detector

    Detector.save_pretrained = lambda *_: die()


# A death, and how many epochs it leaves to be trained after the newest whole checkpoint.
DEATHS = [
    (die_in_the_middle_of_an_epoch, 2),
    (die_while_a_checkpoint_is_written, 2),
    (die_before_the_weights_are_written, 0),
]


def train_and_die(death, store_folder, folder):
    """What the killed process runs."""
    globals()[death]()
    fit(clips.open_store(store_folder), folder)


@pytest.fixture(scope="module")
def unbroken(small_store, tmp_path_factory):
    return fit(small_store, tmp_path_factory.mktemp("unbroken") / "fit")


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
@pytest.mark.parametrize(("death", "epochs_left"), DEATHS, ids=lambda d: getattr(d, "__name__", ""))
def test_a_killed_training_goes_on_and_ends_where_an_unbroken_one_does(
    death, epochs_left, small_store, unbroken, tmp_path, monkeypatch
):
    code = "import sys, test_train; test_train.train_and_die(*sys.argv[1:])"
    command = [sys.executable, "-c", code, death.__name__, str(small_store.folder), str(tmp_path / "fit")]
    here = {**os.environ, "PYTHONPATH": str(Path(train.__file__).parents[2]), "OMP_NUM_THREADS": "1"}
    child = subprocess.run(command, cwd=Path(__file__).parent, env=here, capture_output=True, text=True)
    assert child.returncode == -signal.SIGKILL, child.stderr
    assert list((tmp_path / "fit" / "checkpoints").glob("checkpoint-*"))
    assert not (tmp_path / "fit" / "fitted.json").exists()

    losses, compute_loss = [], train.DetectorTrainer.compute_loss

    def counted(self, model, inputs, **more):
        losses.append(model.training)
        return compute_loss(self, model, inputs, **more)

    monkeypatch.setattr(train.DetectorTrainer, "compute_loss", counted)
    resumed = fit(small_store, tmp_path / "fit")
    assert sum(losses) == epochs_left * -(-len(small_store.folds["train"]) // 64)
    pd.testing.assert_frame_equal(resumed.history, unbroken.history)
    assert resumed.best_epoch == unbroken.best_epoch
    for (name, found), expected in zip(
        resumed.detector.state_dict().items(), unbroken.detector.state_dict().values(), strict=True
    ):
        assert torch.equal(found, expected), name
    assert not (tmp_path / "fit" / "checkpoints").exists()


def test_the_same_seed_trains_the_same_detector_and_another_seed_another(small_store, unbroken, tmp_path):
    again, other = fit(small_store, tmp_path / "a"), fit(small_store, tmp_path / "b", seed=1)
    pd.testing.assert_frame_equal(again.history, unbroken.history)
    assert not np.allclose(other.history["train_loss"], unbroken.history["train_loss"])


def test_without_a_bar_an_epoch_is_one_line(small_store, tmp_path, capsys):
    fit(small_store, tmp_path / "fit", epochs=2)
    lines = capsys.readouterr().out.splitlines()
    assert sum(line.startswith("epoch ") for line in lines) == 2
    assert not any("eval_loss" in line for line in lines)


def test_a_finished_training_is_loaded_and_not_repeated(small_store, tmp_path, monkeypatch):
    first = fit(small_store, tmp_path / "fit", epochs=1)
    monkeypatch.setattr(train.fitting, "DetectorTrainer", None)  # a second training would need it
    second = fit(small_store, tmp_path / "fit", epochs=1)
    pd.testing.assert_frame_equal(second.history, first.history)
    assert (second.best_epoch, second.seconds) == (first.best_epoch, first.seconds)
    assert all(map(torch.equal, second.detector.state_dict().values(), first.detector.state_dict().values()))
    assert not second.detector.training


def test_a_folder_without_a_training_is_refused(tmp_path):
    with pytest.raises(InputError, match="no finished training"):
        train.load(tmp_path)


def checkpoint(folder, step, state):
    path = folder / f"checkpoint-{step}"
    path.mkdir(parents=True)
    if state is not None:
        (path / "trainer_state.json").write_text(state)
    return path


def test_the_newest_whole_checkpoint_is_taken_and_broken_ones_are_removed(tmp_path):
    assert train.newest_whole_checkpoint(tmp_path) is None
    assert train.newest_whole_checkpoint(tmp_path / "missing") is None
    for step in (5, 10, 9):
        checkpoint(tmp_path, step, json.dumps({"global_step": step}))
    broken = [
        checkpoint(tmp_path, 15, '{"global_step": 1'),
        checkpoint(tmp_path, 20, None),
        checkpoint(tmp_path, 25, "{}"),
        checkpoint(tmp_path, 30, ""),
    ]
    assert train.newest_whole_checkpoint(tmp_path) == str(tmp_path / "checkpoint-10")
    assert not any(path.exists() for path in broken)
    assert len(list(tmp_path.iterdir())) == 3


# What it learns from


def test_frame_targets_are_those_of_the_cell_a_frame_lies_in():
    class Quarter:
        clip_seconds, frame_seconds = 1.0, 0.25

    cells = torch.tensor([[[0], [1], [0], [-1], [1], [0], [0], [1]]], dtype=torch.int8)  # eighths of a second
    found = train.frames_at(cells, 6, Quarter())[0, :, 0]
    expected = torch.tensor([0.0, 0.0, 1.0, 0.0, torch.nan, torch.nan])
    torch.testing.assert_close(found, expected, equal_nan=True)


def test_frame_targets_unknown_to_the_store_are_unknown_to_the_loss():
    class Half:
        clip_seconds, frame_seconds = 1.0, 0.5

    cells = torch.tensor([[[-1, 1], [0, -1]]], dtype=torch.int8)
    found = train.frames_at(cells, 2, Half())[0]
    torch.testing.assert_close(found, torch.tensor([[torch.nan, 1.0], [0.0, torch.nan]]), equal_nan=True)


def test_shuffled_labels_are_the_labels_of_other_clips(small_store):
    true, shuffled = train.ClipBatches(small_store, "train"), train.ClipBatches(small_store, "train", 0)
    rows = list(range(len(true)))
    a, b = true.__getitems__(rows), shuffled.__getitems__(rows)
    assert torch.equal(a["waveform"], b["waveform"])
    assert not torch.equal(a["targets"].nan_to_num(2), b["targets"].nan_to_num(2))
    order = torch.from_numpy(shuffled.label_of)
    assert sorted(order.tolist()) == rows
    assert torch.equal(b["targets"].nan_to_num(2), a["targets"][order].nan_to_num(2))
    assert torch.equal(b["frames"], a["frames"][order])


def test_true_labels_are_learnt_and_shuffled_labels_are_not(small_store, tmp_path):
    auc = {}
    for shuffle in (False, True):
        fitted = fit(small_store, tmp_path / str(shuffle), epochs=20, learning_rate=5e-3, shuffle_labels=shuffle)
        auc[shuffle] = fitted.history["validation_auc"].iloc[-5:].mean()
    assert auc[True] < 0.6
    assert auc[False] > auc[True] + 0.1


def test_every_evaluation_says_how_good_each_class_is_and_how_sure_the_mean(small_store, tmp_path, monkeypatch):
    logs, log = [], train.DetectorTrainer.log

    def logged(self, values, *args, **kwargs):
        logs.append(dict(values))
        log(self, values, *args, **kwargs)

    monkeypatch.setattr(train.DetectorTrainer, "log", logged)
    # Judged on the training days: there are several of them, and one alone has no interval.
    folds = {**small_store.folds, "validation": small_store.folds["train"]}
    fit(dataclasses.replace(small_store, folds=folds), tmp_path / "fit", epochs=2)
    evaluations = [found for found in logs if "eval_ap" in found]
    assert len(evaluations) == 2
    for found in evaluations:
        assert {f"eval_{m}" for m in metrics.MEASURES} <= set(found)
        assert {f"eval_lwlrap_{end}" for end in ("low", "high")} <= set(found)
        assert {f"eval_accuracy/{name}" for name in small_store.classes} <= set(found)


def test_in_a_notebook_the_table_shows_the_means(tmp_path):
    from transformers import TrainerControl, TrainerState, TrainingArguments
    from transformers.utils.notebook import NotebookTrainingTracker

    table = train.following.table_of_means()
    table.training_tracker = NotebookTrainingTracker(2, ["Epoch", "Training Loss", "Validation Loss"])
    found = {"eval_loss": 1.0, "eval_ap": 0.5, "eval_ap_low": 0.4, "eval_ap/fin_whale": 0.6}
    arguments = TrainingArguments(output_dir=str(tmp_path), eval_strategy="epoch", report_to=[])
    table.on_evaluate(arguments, TrainerState(epoch=1), TrainerControl(), metrics=found)
    assert table.training_tracker.inner_table[0] == ["Epoch", "Training Loss", "Validation Loss", "Ap"]


# What it minimises, and what an epoch sees


SPECIAL = {
    "objective": {"loss": "focal", "center_weight": 0.01, "class_weight_power": 0.5, "loudest_weight": 0.2},
    "sampling": {"sampler": "balanced", "epoch_negatives": 0.5},
}


def test_an_interrupted_training_with_centres_and_a_sampler_ends_where_an_unbroken_one_does(
    small_store, tmp_path, monkeypatch
):
    whole = fit(small_store, tmp_path / "whole", epochs=3, **SPECIAL)
    step, seen = train.DetectorTrainer.training_step, []

    def stepped(self, *args, **kwargs):
        seen.append(self.sampler.epoch)
        if self.state.global_step == int(2.5 * self.state.max_steps / 3) and len(set(seen)) == 3:
            raise KeyboardInterrupt
        return step(self, *args, **kwargs)

    monkeypatch.setattr(train.DetectorTrainer, "training_step", stepped)
    with pytest.raises(KeyboardInterrupt):
        fit(small_store, tmp_path / "fit", epochs=3, **SPECIAL)
    assert sorted(set(seen)) == [0, 1, 2]
    seen.clear()
    resumed = fit(small_store, tmp_path / "fit", epochs=3, **SPECIAL)
    assert set(seen) == {2}
    pd.testing.assert_frame_equal(resumed.history, whole.history)
    for found, expected in zip(resumed.detector.parameters(), whole.detector.parameters(), strict=True):
        assert torch.equal(found, expected)
    kept = set(resumed.detector.state_dict())
    assert not any("centre" in name or "teacher" in name for name in kept)


def test_a_pupil_of_its_teacher_alone_does_not_look_at_labels(small_fit, small_store, tmp_path):
    small_fit.detector.save_pretrained(tmp_path / "teacher")
    objective = {"teachers": [str(tmp_path / "teacher")], "distill_weight": 1.0, "frame_weight": 0.0}
    pupils = [
        fit(small_store, tmp_path / str(k), epochs=3, objective=objective, shuffle_labels=bool(k)) for k in range(2)
    ]
    assert pupils[0].history["train_loss"].tolist() == pupils[1].history["train_loss"].tolist()
    said = [train.predict_clips(one.detector, small_store, "train") for one in (small_fit, pupils[0])]
    untaught = train.predict_clips(build(classes=small_store.classes, width=8), small_store, "train")
    assert np.square(said[0] - said[1]).mean() < np.square(said[0] - untaught).mean()


def test_a_teacher_that_cannot_teach_is_refused(small_store, tmp_path):
    build(classes=["other"], width=4).save_pretrained(tmp_path / "other")
    for folder, words in ((tmp_path / "other", "has classes"), (tmp_path / "missing", "is no folder of a trained")):
        with pytest.raises(InputError, match=words):
            fit(small_store, tmp_path / "fit", objective={"teachers": [str(folder)]})


def test_softmax_trains_a_detector_whose_classes_exclude_each_other(small_store, tmp_path):
    detector = build(classes=small_store.classes, width=8, exclusive=True)
    fitted = train.fit(detector, small_store, tmp_path / "fit", epochs=2, objective={"loss": "softmax"}, progress=False)
    assert fitted.detector.exclusive
    scores = train.predict_clips(fitted.detector, small_store, "validation")
    assert (scores.sum(axis=1) < 1).all() and scores.sum(axis=1).max() > 0.05
    targets = small_store.table("validation")[small_store.classes].to_numpy()
    report = metrics.clip_report(targets, scores, small_store.classes).set_index("class")
    assert report.loc["mean", "ap"] == pytest.approx(fitted.history["validation_ap"].max(), abs=1e-6)


@pytest.mark.parametrize("exclusive", [False, True])
def test_a_detector_of_the_other_kind_is_refused(exclusive, small_store, tmp_path):
    detector = build(classes=small_store.classes, width=8, exclusive=exclusive)
    with pytest.raises(InputError, match=f"exclusive={not exclusive}"):
        train.fit(detector, small_store, tmp_path / "fit", objective={"loss": "bce" if exclusive else "softmax"})


def test_targets_can_be_replaced_and_ratings_count_once(small_store):
    rated = small_store.folds["train"].map(lambda _, k: {"weight": float(k % 5)}, with_indices=True)
    store = change_store(small_store, folds={**small_store.folds, "train": rated})
    rows = [0, 3, 7]
    assert train.ClipBatches(store, "train").__getitems__(rows)["weight"].tolist() == [0, 3, 2]
    targets = np.full((len(rated), len(store.classes)), 0.25)
    batches = train.ClipBatches(store, "train", targets=targets, weighted=False)
    batch = batches.__getitems__(rows)
    assert (batch["weight"] == 1).all() and (batch["targets"] == 0.25).all()
    assert (batches.targets == 0.25).all()


# What is kept


def test_the_best_epoch_is_kept_and_reproduces_its_score(unbroken, small_store):
    history, detector = unbroken.history, unbroken.detector
    assert history["epoch"].tolist() == [1, 2, 3, 4]
    assert unbroken.best_epoch == history["epoch"][history["validation_ap"].argmax()]
    targets = small_store.table("validation")[small_store.classes].to_numpy()
    scores = train.predict_clips(detector, small_store, "validation")
    report = metrics.clip_report(targets, scores, small_store.classes).set_index("class")
    best = history.set_index("epoch").loc[unbroken.best_epoch]
    assert report.loc["mean", "ap"] == pytest.approx(best["validation_ap"], abs=1e-6)
    assert report.loc["mean", "auc"] == pytest.approx(best["validation_auc"], abs=1e-6)
    assert history["validation_ap"].nunique() == EPOCHS  # or it would not tell one epoch from another


def test_clip_probabilities_do_not_depend_on_the_batch_and_leave_the_mode(small_fit, small_store):
    detector = small_fit.detector.train()
    by_seven = train.predict_clips(detector, small_store, "test", batch_size=7)
    assert detector.training
    np.testing.assert_allclose(by_seven, train.predict_clips(detector.eval(), small_store, "test"), atol=1e-5)
    assert by_seven.shape == (len(small_store.folds["test"]), len(small_store.classes))
    assert not detector.training


def test_the_loss_holds_the_frames_as_much_as_they_weigh(small_store, tmp_path):
    with_frames, without = (
        fit(small_store, tmp_path / "a", epochs=1),
        fit(small_store, tmp_path / "b", epochs=1, objective={"frame_weight": 0.0}),
    )
    assert without.history["train_loss"][0] < with_frames.history["train_loss"][0]


# What cannot be trained


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"classes": ["a", "b"]}, "the detector's classes"),
        ({"sample_rate": 4000}, "the detector's sample_rate (2000) is not the clip store's (4000"),
        ({"clip_seconds": 2.0}, "the detector's clip_seconds (3.0) is not the clip store's (2.0"),
    ],
    ids=lambda v: "-".join(v) if isinstance(v, dict) else "",
)
def test_a_detector_that_does_not_fit_the_store_is_refused(change, words, small_store, tmp_path):
    detector = build(classes=small_store.classes, width=8)
    with pytest.raises(InputError) as error:
        train.fit(detector, change_store(small_store, **change), tmp_path / "fit")
    assert words in str(error.value)
    assert not (tmp_path / "fit").exists()


@pytest.mark.parametrize("fold", ["train", "validation"])
def test_a_store_without_a_fold_is_refused(fold, small_store, tmp_path):
    folds = {**small_store.folds, fold: small_store.folds[fold].select([])}
    with pytest.raises(InputError, match=f"no {fold} clips"):
        fit(change_store(small_store, folds=folds), tmp_path / "fit")


def test_a_store_without_a_known_negative_is_refused(small_store, tmp_path):
    calls = small_store.folds["train"].map(
        lambda row: {"targets": [1.0] * len(row["targets"])}, load_from_cache_file=False
    )
    folds = {**small_store.folds, "train": calls}
    with pytest.raises(InputError, match="nothing to tell calls from"):
        fit(change_store(small_store, folds=folds), tmp_path / "fit")


# Where pictures are made


def test_pictures_made_by_the_reader_train_the_same_detector(small_store, tmp_path):
    made, at_once = {}, {"model": set(), "reader": set()}
    for place in ("model", "reader"):
        detector = build(classes=small_store.classes, width=4, features={"normalise": "band"})
        detector.front_end.register_forward_hook(lambda _, given, __, place=place: at_once[place].add(len(given[0])))
        augmenter = Augmenter(["frequency_mask p=1"], sample_rate=2000, clip_seconds=3.0)
        how = {"epochs": 2, "front_end_in": place, "augmenter": augmenter, "progress": False}
        made[place] = train.fit(detector, small_store, tmp_path / place, **how)
    assert at_once["reader"] == {1} and 1 not in at_once["model"]
    one, other = made["model"], made["reader"]
    np.testing.assert_allclose(one.history["train_loss"], other.history["train_loss"], rtol=1e-3)
    for name, weight in one.detector.state_dict().items():
        torch.testing.assert_close(weight, other.detector.state_dict()[name], rtol=1e-2, atol=1e-3)


def test_the_reader_cannot_make_pictures_of_what_changes_later(small_store, tmp_path):
    how = {"epochs": 1, "front_end_in": "reader", "progress": False}
    detector = build(classes=small_store.classes, width=4)
    augmenter = Augmenter(["gain p=1"], sample_rate=2000, clip_seconds=3.0)
    with pytest.raises(InputError, match="augmentations of waveforms"):
        train.fit(detector, small_store, tmp_path / "gain", augmenter=augmenter, **how)
    learning = build(classes=small_store.classes, width=4, features={"compress": "pcen", "pcen_trainable": True})
    with pytest.raises(InputError, match="front end that learns"):
        train.fit(learning, small_store, tmp_path / "pcen", **how)
