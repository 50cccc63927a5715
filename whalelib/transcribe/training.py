"""Fine-tuning by transformers' Seq2SeqTrainer: from a feature store to a transcriber, in any number of sessions."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch.utils.data import Dataset
from transformers import EvalPrediction, PrinterCallback, Seq2SeqTrainer, Seq2SeqTrainingArguments, TrainerCallback

from whalelib import tracking
from whalelib.errors import InputError
from whalelib.train import checkpoints
from whalelib.train.afar import Afar
from whalelib.train.following import Copies, Reported
from whalelib.train.recipe import Recipe
from whalelib.transcribe.model import Transcriber, load, merged
from whalelib.transcribe.scoring import edits
from whalelib.transcribe.store import Transcripts
from whalelib.transcribe.vocabulary import IGNORED

_DONE = "fitted.json"


@dataclass(frozen=True)
class Taught:
    """A trained transcriber, its curve (a row an evaluation), and the step that was kept."""

    transcriber: Transcriber
    history: pd.DataFrame
    best_step: int
    seconds: float


def teach(
    transcriber: Transcriber,
    store: Transcripts,
    folder: str | Path,
    *,
    beams: int = 1,
    mlflow_server: str = "",
    mlflow_experiment: str = "whalelib",
    progress: bool = True,
    callbacks: Sequence[TrainerCallback] = (),
    **knobs: Any,
) -> Taught:
    """Train on the store's training fold and keep the evaluation with the lowest unit (or word) error rate.

    `knobs` are those of `train.Recipe`; with `save_every` it is judged and saved each so many steps, else each epoch.
    A finished training is read instead; an unfinished one goes on from its newest whole checkpoint, here or at
    `keep_at`, and ends where an unbroken one would have.
    """
    recipe, folder = Recipe(**knobs), Path(folder)
    afar = Afar(f"{recipe.keep_at.rstrip('/')}/{folder.name}") if recipe.keep_at else None
    if afar and not (folder / _DONE).exists():
        afar.fetch_finished(folder)
    if not (folder / _DONE).exists():
        _check(transcriber, store)
        recipe.check()
        about = {**knobs, **store.about["hearing"], "beams": beams}
        with tracking.training(mlflow_server, mlflow_experiment, folder.name, about) as run:
            watchers = [*callbacks, *([Reported(run)] if run else [])]
            _train(transcriber, store, folder, recipe, beams, afar, watchers, progress)
            if run:
                run.keep(folder / "transcriber", "model")
                run.keep(folder / "history.csv")
    return load_taught(folder)


def load_taught(folder: str | Path) -> Taught:
    """A finished training."""
    folder = Path(folder)
    try:
        about = json.loads((folder / _DONE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{folder} holds no finished training: run notebook 07 with these knobs first.") from None
    history = pd.read_csv(folder / "history.csv")
    return Taught(load(folder / "transcriber"), history, about["best_step"], about["seconds"])


class Sentences(Dataset):
    """A fold's pictures and tokens, one window at a time."""

    def __init__(self, store: Transcripts, fold: str) -> None:
        self.rows, self.shape = store.folds[fold], (store.hearing.bands, store.hearing.frames)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, row: int) -> dict[str, Any]:
        found = self.rows[row]
        return {"input_features": found["input_features"].reshape(self.shape), "labels": found["labels"]}


def collate(rows: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
    """A batch: sentences are filled up with what the loss does not look at."""
    longest = max(len(row["labels"]) for row in rows)
    labels = torch.full((len(rows), longest), IGNORED)
    for k, row in enumerate(rows):
        labels[k, : len(row["labels"])] = torch.as_tensor(row["labels"], dtype=torch.long)
    pictures = torch.from_numpy(np.stack([row["input_features"] for row in rows]).astype(np.float32))
    return {"input_features": pictures, "labels": labels}


def _check(transcriber: Transcriber, store: Transcripts) -> None:
    if transcriber.hearing != store.hearing or transcriber.words != store.words:
        raise InputError(
            f"the transcriber does not hear or say what the feature store {store.folder} holds: build it from the "
            "store's hearing and words, or make the features again."
        )
    for fold in ("train", "validation"):
        if not len(store.folds[fold]):
            raise InputError(f"the feature store {store.folder} has no {fold} windows: give it more groups (days).")
    longest = max(len(labels) for fold in ("train", "validation") for labels in store.folds[fold]["labels"])
    most = transcriber.model.config.max_target_positions
    if longest > most:
        raise InputError(
            f"a window's transcript has {longest} tokens and the model says {most} at most: "
            + ("leave such sentences out." if store.words.kind == "text" else "set transcript_seconds lower.")
        )


def _arguments(recipe: Recipe, folder: Path, beams: int, progress: bool) -> Seq2SeqTrainingArguments:
    plain = recipe.arguments(folder, progress).to_dict()
    every = {"eval_strategy": "epoch", "save_strategy": "epoch"}
    if recipe.save_every:
        every = {"eval_strategy": "steps", "save_strategy": "steps"}
    wanted = {
        **{name: plain[name] for name in _SAME},
        **every,
        "eval_steps": recipe.save_every or None,
        "save_steps": recipe.save_every or 500,
        "per_device_eval_batch_size": recipe.batch_size,
        "metric_for_best_model": "unit_error_rate",
        "greater_is_better": False,
        "label_names": ["labels"],
        "gradient_checkpointing": recipe.recompute,
        "predict_with_generate": True,
        "generation_num_beams": beams,
    }
    return Seq2SeqTrainingArguments(**wanted)


# What a recipe says of a training of whichever kind.
_SAME = (
    "output_dir", "seed", "num_train_epochs", "per_device_train_batch_size", "gradient_accumulation_steps",
    "learning_rate", "weight_decay", "warmup_steps", "lr_scheduler_type", "lr_scheduler_kwargs", "max_grad_norm",
    "optim", "bf16", "fp16", "use_cpu", "torch_compile", "logging_strategy", "save_total_limit",
    "load_best_model_at_end", "remove_unused_columns", "dataloader_num_workers", "dataloader_pin_memory", "report_to",
    "disable_tqdm",
)  # fmt: skip


def _train(
    transcriber: Transcriber,
    store: Transcripts,
    folder: Path,
    recipe: Recipe,
    beams: int,
    afar: Afar | None,
    watchers: Sequence[TrainerCallback],
    progress: bool,
) -> None:
    kept = folder / "checkpoints"
    kept.mkdir(parents=True, exist_ok=True)
    if afar:
        afar.fetch_checkpoints(kept)
    newest = checkpoints.newest_whole_checkpoint(kept)
    if newest:
        checkpoints.settle(Path(newest))
    trainer = Seq2SeqTrainer(
        model=transcriber.model,
        args=_arguments(recipe, kept, beams, progress),
        data_collator=collate,
        train_dataset=Sentences(store, "train"),
        eval_dataset=Sentences(store, "validation"),
        compute_metrics=_error_rate(transcriber.words),
        callbacks=[*watchers, *([Copies(afar, folder / "logs")] if afar else [])],
    )
    trainer.remove_callback(PrinterCallback)
    if not progress:
        trainer.add_callback(_Curve())
    done = trainer.train(resume_from_checkpoint=newest)
    transcriber.model = trainer.model
    merged(transcriber).save(folder / "transcriber")
    history = _history(trainer.state.log_history)
    history.to_csv(folder / "history.csv", index=False)
    best = int(history.loc[history["unit_error_rate"].idxmin(), "step"])
    part = folder / f"{_DONE}.{os.getpid()}.part"
    part.write_text(json.dumps({"best_step": best, "seconds": done.metrics["train_runtime"]}), encoding="utf-8")
    part.replace(folder / _DONE)
    if afar:
        afar.finish(folder, ["transcriber", "history.csv", _DONE])
    shutil.rmtree(kept, ignore_errors=True)


class _Curve(TrainerCallback):
    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: Any = None, **_: Any) -> None:
        if metrics:
            print(f"step {state.global_step:5d}  validation unit error rate {metrics['eval_unit_error_rate']:.3f}")


def _error_rate(words: Any) -> Callable[[EvalPrediction], dict[str, float]]:
    def compute(answer: EvalPrediction) -> dict[str, float]:
        counts = np.zeros(4)
        for told, truth in zip(np.asarray(answer.predictions), np.asarray(answer.label_ids), strict=True):
            said = [t for t in told.tolist() if t != IGNORED][len(words.start) :]
            counts += edits(words.units([t for t in truth.tolist() if t != IGNORED]), words.units(said))
        return {"unit_error_rate": float(counts[:3].sum() / max(counts[3], 1))}

    return compute


def _history(log: list[dict[str, Any]]) -> pd.DataFrame:
    """A row an evaluation, with the last loss that was logged before it."""
    rows, loss = [], np.nan
    for row in log:
        loss = row.get("loss", loss)
        if "eval_unit_error_rate" in row:
            told = {name: row[f"eval_{name}"] for name in ("unit_error_rate", "loss")}
            rows.append({"step": row["step"], "epoch": row["epoch"], "train_loss": loss,
                         "unit_error_rate": told["unit_error_rate"], "validation_loss": told["loss"]})  # fmt: skip
    return pd.DataFrame(rows)
