"""Fit a detector to a clip store: transformers' Trainer underneath, resumed wherever it was stopped."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.utils.data import Dataset
from transformers import EvalPrediction, PrinterCallback, Trainer, TrainerCallback, TrainingArguments

from whalelib import metrics
from whalelib.augment import Augmenter
from whalelib.clips import UNKNOWN, Store
from whalelib.errors import InputError
from whalelib.losses import masked_bce
from whalelib.models import Detector


@dataclass(frozen=True)
class Fitted:
    """A trained detector, its curve (a row an epoch), and the epoch that was kept."""

    detector: Detector
    history: pd.DataFrame
    best_epoch: int
    seconds: float


class ClipBatches(Dataset):
    """A fold of a store, read a whole batch at a time; decoding clips one by one would cost more than the network."""

    def __init__(self, store: Store, fold: str, shuffled_labels_seed: int | None = None) -> None:
        self.store, self.fold = store, fold
        self.label_of = np.arange(len(store.folds[fold]))
        if shuffled_labels_seed is not None:
            np.random.default_rng(shuffled_labels_seed).shuffle(self.label_of)

    def __len__(self) -> int:
        return len(self.label_of)

    def __getitem__(self, row: int) -> dict[str, Tensor]:
        return self.__getitems__([row])

    def __getitems__(self, rows: list[int]) -> dict[str, Tensor]:
        batch = self.store.batch(self.fold, rows)
        if not np.array_equal(self.label_of[rows], rows):
            labels = self.store.batch(self.fold, self.label_of[rows].tolist())
            batch.update(targets=labels["targets"], frames=labels["frames"])
        # Arrow's buffers are read-only, which a tensor cannot be.
        return {name: torch.from_numpy(np.require(values, requirements="W")) for name, values in batch.items()}


def _as_read(batch: dict[str, Tensor]) -> dict[str, Tensor]:
    return batch


class DetectorTrainer(Trainer):
    """The Trainer, told how a detector's loss and answers are had."""

    frame_weight = 1.0
    augmenter: Augmenter | None = None

    def compute_loss(self, model: Any, inputs: dict[str, Tensor], return_outputs: bool = False, **_: Any) -> Any:
        if self.augmenter is not None and model.training:
            inputs, later = self.augmenter(inputs, self.state.global_step, self.args.process_index)
            logits = model(inputs["waveform"], later)
        else:
            logits = model(inputs["waveform"])
        loss = masked_bce(logits.clip, inputs["targets"], inputs["weight"])
        if self.frame_weight:
            grid = frames_at(inputs["frames"], logits.frames.shape[1], self._detector(model))
            loss = loss + self.frame_weight * masked_bce(logits.frames, grid, inputs["weight"])
        return (loss, logits) if return_outputs else loss

    def prediction_step(self, model: Any, inputs: Any, prediction_loss_only: bool, ignore_keys: Any = None) -> Any:
        inputs = self._prepare_inputs(inputs)
        with torch.no_grad():
            loss, logits = self.compute_loss(model, inputs, return_outputs=True)
        return loss.detach(), torch.sigmoid(logits.clip), inputs["targets"]

    def _detector(self, model: Any) -> Detector:
        return self.accelerator.unwrap_model(model)


def frames_at(cells: Tensor, frames: int, detector: Detector) -> Tensor:
    """The stored grid of frame targets [B, cells, K], seen at the detector's frames [B, T, K]; NaN where unknown.

    A frame takes the cell its centre falls into. Frames beyond the clip (its last one may be) are unknown.
    """
    centres = torch.arange(frames, device=cells.device) * detector.frame_seconds
    index = (centres / detector.clip_seconds * cells.shape[1]).long()
    beyond = index >= cells.shape[1]
    picked = cells[:, index.clamp(max=cells.shape[1] - 1)].float()
    return picked.masked_fill((picked == UNKNOWN) | beyond[None, :, None], torch.nan)


class _Curve(TrainerCallback):
    """Lets the progress be seen as plain lines where there is no terminal and no notebook."""

    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: Any = None, **_: Any) -> None:
        if metrics and state.is_world_process_zero:
            print(f"epoch {state.epoch:4.0f}  validation AP {metrics['eval_ap']:.3f}  AUC {metrics['eval_auc']:.3f}")


def fit(
    detector: Detector,
    store: Store,
    folder: str | Path,
    *,
    seed: int = 0,
    epochs: int = 12,
    batch_size: int = 64,
    learning_rate: float = 3e-3,
    weight_decay: float = 0.02,
    warmup_share: float = 0.1,
    frame_weight: float = 1.0,
    workers: int = 0,
    shuffle_labels: bool = False,
    augmenter: Augmenter | None = None,
    progress: bool = True,
) -> Fitted:
    """Train on the store's training fold and keep the epoch with the best validation average precision.

    A folder that holds a finished training is read instead; one that holds an unfinished training goes on from its
    newest whole checkpoint, and ends where an unbroken one would have. `shuffle_labels` trains on labels that belong to
    other clips: what such a detector still scores is not learnt from the calls. `augmenter` changes the training
    clips, each time differently, and nothing else.
    """
    folder = Path(folder)
    if (folder / "fitted.json").exists():
        return load(folder)
    _check_fits(detector, store)
    folder.mkdir(parents=True, exist_ok=True)
    arguments = TrainingArguments(
        output_dir=str(folder / "checkpoints"),
        seed=seed,
        num_train_epochs=epochs,
        per_device_train_batch_size=batch_size,
        per_device_eval_batch_size=4 * batch_size,
        learning_rate=learning_rate,
        weight_decay=weight_decay,
        warmup_steps=warmup_share,  # a share, since it is below one
        lr_scheduler_type="cosine",
        optim="adamw_torch",
        eval_strategy="epoch",
        save_strategy="epoch",
        logging_strategy="epoch",
        save_total_limit=2,
        load_best_model_at_end=True,
        metric_for_best_model="ap",
        greater_is_better=True,
        remove_unused_columns=False,
        label_names=["targets"],
        dataloader_num_workers=workers,
        dataloader_pin_memory=torch.cuda.is_available(),
        report_to=[],
        disable_tqdm=not progress,
        eval_do_concat_batches=True,
    )
    trainer = DetectorTrainer(
        model=detector,
        args=arguments,
        data_collator=_as_read,
        train_dataset=ClipBatches(store, "train", shuffled_labels_seed=seed if shuffle_labels else None),
        eval_dataset=ClipBatches(store, "validation"),
        compute_metrics=_clip_metrics(store.classes),
        callbacks=[] if progress else [_Curve()],
    )
    trainer.remove_callback(PrinterCallback)  # without a bar the Trainer would print every number a second time
    trainer.frame_weight, trainer.augmenter = frame_weight, augmenter
    done = trainer.train(resume_from_checkpoint=newest_whole_checkpoint(folder / "checkpoints"))
    return _finish(folder, detector, trainer, done.metrics["train_runtime"])


def _check_fits(detector: Detector, store: Store) -> None:
    for name in ("classes", "sample_rate", "clip_seconds"):
        if getattr(detector, name) != getattr(store, name):
            raise InputError(
                f"the detector's {name} ({getattr(detector, name)}) is not the clip store's ({getattr(store, name)} in "
                f"{store.folder}): build the detector from the store, or cut the clips again."
            )
    for fold in ("train", "validation"):
        if not len(store.folds[fold]):
            raise InputError(
                f"the clip store {store.folder} has no {fold} clips: give it more groups, or change the shares."
            )
    train = store.table("train")[store.classes]
    if not (train == 0).any().any():
        raise InputError(
            "no training clip is known to be without a call, so there is nothing to tell calls from: set exhaustive "
            "to true if every call is annotated, annotate absences, or raise negatives."
        )


def _clip_metrics(classes: list[str]) -> Any:
    def compute(answer: EvalPrediction) -> dict[str, float]:
        report = metrics.clip_report(np.asarray(answer.label_ids), np.asarray(answer.predictions), classes)
        mean = report.set_index("class").loc["mean"]
        # A validation fold without a judgeable class has no AP; zero keeps the comparison of epochs defined.
        return {name: float(np.nan_to_num(mean[name])) for name in ("ap", "auc", "f1")}

    return compute


def newest_whole_checkpoint(folder: Path) -> str | None:
    """The newest checkpoint whose last-written file is whole; broken ones, left by a kill, are removed."""
    whole = []
    for checkpoint in folder.glob("checkpoint-*"):
        try:
            whole.append((json.loads((checkpoint / "trainer_state.json").read_text())["global_step"], checkpoint))
        except (OSError, ValueError, KeyError):
            shutil.rmtree(checkpoint)
    return str(max(whole)[1]) if whole else None


def _finish(folder: Path, detector: Detector, trainer: Trainer, seconds: float) -> Fitted:
    log = trainer.state.log_history
    evaluations = [row for row in log if "eval_ap" in row]
    losses = {round(row["epoch"]): row["loss"] for row in log if "loss" in row}
    history = pd.DataFrame(
        {
            "epoch": [round(row["epoch"]) for row in evaluations],
            "train_loss": [losses.get(round(row["epoch"]), np.nan) for row in evaluations],
            "validation_loss": [row["eval_loss"] for row in evaluations],
            "validation_ap": [row["eval_ap"] for row in evaluations],
            "validation_auc": [row["eval_auc"] for row in evaluations],
        }
    )
    best = int(history.loc[history["validation_ap"].idxmax(), "epoch"])
    detector.save_pretrained(folder / "detector")  # type: ignore[operator]  # comes from the hub mixin
    history.to_csv(folder / "history.csv", index=False)
    temporary = folder / f"fitted.{os.getpid()}.part"
    temporary.write_text(json.dumps({"best_epoch": best, "seconds": seconds}))
    temporary.rename(folder / "fitted.json")  # the last thing written: from here on the training counts as finished
    shutil.rmtree(folder / "checkpoints", ignore_errors=True)
    return load(folder)


def load(folder: str | Path) -> Fitted:
    """A finished training."""
    folder = Path(folder)
    try:
        about = json.loads((folder / "fitted.json").read_text())
    except FileNotFoundError:
        raise InputError(f"{folder} holds no finished training: run the training with these knobs first.") from None
    detector = Detector.from_pretrained(str(folder / "detector")).eval()
    return Fitted(detector, pd.read_csv(folder / "history.csv"), about["best_epoch"], about["seconds"])


def predict_clips(detector: Detector, store: Store, fold: str, batch_size: int = 256) -> np.ndarray:
    """Clip probabilities of a fold, [clips, classes]."""
    batches = ClipBatches(store, fold)
    device = next(detector.parameters()).device
    was_training = detector.training
    detector.eval()
    found = [np.empty((0, len(store.classes)), dtype=np.float32)]
    with torch.inference_mode():
        for first in range(0, len(batches), batch_size):
            rows = list(range(first, min(first + batch_size, len(batches))))
            waveform = batches.__getitems__(rows)["waveform"].to(device)
            found.append(torch.sigmoid(detector(waveform).clip).float().cpu().numpy())
    detector.train(was_training)
    return np.concatenate(found)
