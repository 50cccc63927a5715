"""Fit a detector to a clip store: transformers' Trainer underneath, resumed wherever it was stopped."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.utils.data import Dataset
from transformers import EvalPrediction, PrinterCallback, Trainer, TrainerCallback, TrainingArguments
from transformers.trainer import DEFAULT_PROGRESS_CALLBACK
from transformers.utils import is_in_notebook

from whalelib import metrics, samplers
from whalelib.augment import Augmenter
from whalelib.clips import UNKNOWN, Store
from whalelib.errors import InputError
from whalelib.losses import Objective
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

    def __init__(
        self,
        store: Store,
        fold: str,
        shuffled_labels_seed: int | None = None,
        targets: np.ndarray | None = None,
        weighted: bool = True,
    ) -> None:
        """`targets` take the place of the store's (pseudo-labels do); unless `weighted`, every clip weighs the same."""
        self.store, self.fold, self.weighted = store, fold, weighted
        self.replaced = None if targets is None else np.asarray(targets, dtype=np.float32)
        self.label_of = np.arange(len(store.folds[fold]))
        if shuffled_labels_seed is not None:
            np.random.default_rng(shuffled_labels_seed).shuffle(self.label_of)

    @cached_property
    def clips(self) -> pd.DataFrame:
        """The clips table of the fold."""
        return self.store.table(self.fold)

    @property
    def targets(self) -> np.ndarray:
        """What each clip is trained on, [clips, classes]."""
        own = self.clips[self.store.classes].to_numpy() if self.replaced is None else self.replaced
        return own[self.label_of]

    def __len__(self) -> int:
        return len(self.label_of)

    def __getitem__(self, row: int) -> dict[str, Tensor]:
        return self.__getitems__([row])

    def __getitems__(self, rows: list[int]) -> dict[str, Tensor]:
        batch = self.store.batch(self.fold, rows)
        if not np.array_equal(self.label_of[rows], rows):
            labels = self.store.batch(self.fold, self.label_of[rows].tolist())
            batch.update(targets=labels["targets"], frames=labels["frames"])
        if self.replaced is not None:
            batch["targets"] = self.replaced[self.label_of[rows]]
        if not self.weighted:
            batch["weight"] = np.ones_like(batch["weight"])
        # Arrow's buffers are read-only, which a tensor cannot be.
        return {name: torch.from_numpy(np.require(values, requirements="W")) for name, values in batch.items()}


def _as_read(batch: dict[str, Tensor]) -> dict[str, Tensor]:
    return batch


class DetectorTrainer(Trainer):
    """The Trainer, told how a detector's loss and answers are had, and which clips an epoch sees."""

    augmenter: Augmenter | None = None

    def __init__(self, *, objective: Objective, sampler: samplers.EpochSampler | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.objective = objective.to(self.args.device)
        self.sampler = sampler
        if sampler is not None:
            self.add_callback(_Epochs(sampler))
        if objective.center_weight:  # what the head answers from, averaged over time, is the clip's embedding
            self._detector(self.model).head.register_forward_pre_hook(self._keep_embeddings)

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:
        return self.sampler if self.sampler is not None else super()._get_train_sampler(train_dataset)

    def _keep_embeddings(self, _: Any, given: tuple[Tensor, ...]) -> None:
        self.embeddings = given[0].mean(1)

    def compute_loss(self, model: Any, inputs: dict[str, Tensor], return_outputs: bool = False, **_: Any) -> Any:
        if self.augmenter is not None and model.training:
            inputs, later = self.augmenter(inputs, self.state.global_step, self.args.process_index)
            logits = model(inputs["waveform"], later)
        else:
            logits = model(inputs["waveform"])
        grid = frames_at(inputs["frames"], logits.frames.shape[1], self._detector(model))
        loss = self.objective.train(model.training)(
            logits.clip,
            logits.frames,
            inputs["targets"],
            grid,
            inputs["weight"],
            embeddings=getattr(self, "embeddings", None),
            waveform=inputs["waveform"],
        )
        return (loss, logits) if return_outputs else loss

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        super().save_model(output_dir, _internal_call)
        if output_dir and self.args.should_save:
            self.objective.save(output_dir)

    def prediction_step(self, model: Any, inputs: Any, prediction_loss_only: bool, ignore_keys: Any = None) -> Any:
        inputs = self._prepare_inputs(inputs)
        with torch.no_grad():
            loss, logits = self.compute_loss(model, inputs, return_outputs=True)
        return loss.detach(), self._detector(model).probabilities(logits.clip), inputs["targets"]

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


class _Epochs(TrainerCallback):
    """Tells the sampler its epoch. accelerate does so, too, but not where several processes resume within one."""

    def __init__(self, sampler: samplers.EpochSampler) -> None:
        self.sampler = sampler

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.sampler.set_epoch(int(state.epoch))


def _table_of_means() -> TrainerCallback:
    """The Trainer's bar in notebooks, which has a column for each figure: those of classes are too many."""
    from transformers.utils.notebook import NotebookProgressCallback

    class Table(NotebookProgressCallback):
        def on_evaluate(self, args: Any, state: Any, control: Any, metrics: Any = None, **more: Any) -> None:
            shown = {n: v for n, v in (metrics or {}).items() if "/" not in n and not n.endswith(("_low", "_high"))}
            super().on_evaluate(args, state, control, metrics=shown, **more)

    return Table()


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
    workers: int = 0,
    objective: Mapping[str, Any] | None = None,
    sampling: Mapping[str, Any] | None = None,
    train_targets: np.ndarray | None = None,
    shuffle_labels: bool = False,
    augmenter: Augmenter | None = None,
    progress: bool = True,
) -> Fitted:
    """Train on the store's training fold and keep the epoch with the best validation average precision.

    A folder that holds a finished training is read instead; one that holds an unfinished training goes on from its
    newest whole checkpoint, and ends where an unbroken one would have.

    `objective` holds arguments of `losses.Objective` and may name `teachers`, folders of trained detectors; `sampling`
    holds those of `samplers.sampler`. `train_targets` replace those of the training clips. `shuffle_labels` trains on
    labels that belong to other clips: what such a detector still scores is not learnt from the calls. `augmenter`
    changes the training clips, each time differently, and nothing else.
    """
    folder = Path(folder)
    if (folder / "fitted.json").exists():
        return load(folder)
    _check_fits(detector, store)
    sampling = dict(sampling or {})
    clips = ClipBatches(
        store,
        "train",
        shuffled_labels_seed=seed if shuffle_labels else None,
        targets=train_targets,
        weighted=sampling.get("sampler") != "rated",  # or a rating would count twice
    )
    aim = _objective(detector, clips.targets, **(objective or {}))
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
    validation = ClipBatches(store, "validation")
    trainer = DetectorTrainer(
        objective=aim,
        sampler=samplers.sampler(clips.targets, clips.clips["weight"].to_numpy(), seed=seed, **sampling),
        model=detector,
        args=arguments,
        data_collator=_as_read,
        train_dataset=clips,
        eval_dataset=validation,
        compute_metrics=_clip_metrics(store.classes, validation.clips["group"].to_numpy()),
        callbacks=[] if progress else [_Curve()],
    )
    if progress and is_in_notebook():
        trainer.remove_callback(DEFAULT_PROGRESS_CALLBACK)
        trainer.add_callback(_table_of_means())
    trainer.remove_callback(PrinterCallback)  # without a bar the Trainer would print every number a second time
    trainer.augmenter = augmenter
    newest = newest_whole_checkpoint(folder / "checkpoints")
    if newest:
        aim.restore(newest)
    done = trainer.train(resume_from_checkpoint=newest)
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


def _objective(
    detector: Detector, targets: np.ndarray, *, teachers: Sequence[str | Path] = (), **settings: Any
) -> Objective:
    heard = [_teacher(folder, detector) for folder in teachers]
    aim = Objective(len(detector.classes), torch.from_numpy(targets), teacher_detectors=heard, **settings)
    if aim.exclusive != detector.exclusive:
        raise InputError(
            "the softmax loss is for detectors whose classes exclude each other, and the other losses are for the "
            f"rest: build the detector with exclusive={aim.exclusive}, or choose another loss."
        )
    return aim


def _teacher(folder: str | Path, pupil: Detector) -> Detector:
    """A trained detector from its folder, or from that of its training; it must answer what the pupil is asked."""
    within = Path(folder) / "detector"
    if not (Path(folder) / "config.json").exists() and not (within / "config.json").exists():
        raise InputError(f"the teacher {folder} is no folder of a trained detector: name one that a training has left.")
    teacher = Detector.from_pretrained(str(within if within.exists() else folder))
    for name in ("classes", "sample_rate", "clip_seconds"):
        mine, others = getattr(pupil, name), getattr(teacher, name)
        if mine != others:
            raise InputError(f"the teacher {folder} has {name} {others}, and the detector {mine}: choose another one.")
    return teacher


def _clip_metrics(classes: list[str], groups: np.ndarray) -> Any:
    def compute(answer: EvalPrediction) -> dict[str, float]:
        scores = np.asarray(answer.predictions)
        report = metrics.clip_report(np.asarray(answer.label_ids), scores, classes, groups=groups)
        # A validation fold without a judgeable class has no AP; zero keeps the comparison of epochs defined.
        return {"ap": 0.0, "auc": 0.0, "f1": 0.0, **metrics.flat(report)}

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
            found.append(detector.probabilities(detector(waveform).clip).float().cpu().numpy())
    detector.train(was_training)
    return np.concatenate(found)
