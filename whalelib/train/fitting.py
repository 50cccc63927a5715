"""The training as a whole: begun, gone on with or only loaded; and what is left when it is finished."""

from __future__ import annotations

import copy
import json
import os
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from transformers import EarlyStoppingCallback, EvalPrediction, PrinterCallback, TrainerCallback
from transformers.trainer import DEFAULT_PROGRESS_CALLBACK
from transformers.utils import is_in_notebook

from whalelib import metrics, samplers, tracking
from whalelib.augment import Augmenter
from whalelib.clips import Store
from whalelib.errors import InputError, needs_extra
from whalelib.models import Detector, joined
from whalelib.train import aiming, checkpoints, following
from whalelib.train.afar import Afar
from whalelib.train.averaging import mean_of, weights_of
from whalelib.train.batches import ClipBatches, sample_of
from whalelib.train.processes import processes, share_statistics
from whalelib.train.recipe import Recipe
from whalelib.train.recomputing import recompute
from whalelib.train.trainer import DetectorTrainer

_DONE = "fitted.json"  # the last file to be written: with it a training counts as finished


@dataclass(frozen=True)
class Fitted:
    """A trained detector, its curve (a row an epoch), and the epoch that was kept."""

    detector: Detector
    history: pd.DataFrame
    best_epoch: int
    seconds: float


def fit(
    detector: Detector,
    store: Store,
    folder: str | Path,
    *,
    objective: Mapping[str, Any] | None = None,
    sampling: Mapping[str, Any] | None = None,
    train_targets: np.ndarray | None = None,
    shuffle_labels: bool = False,
    augmenter: Augmenter | None = None,
    mlflow_server: str = "",
    mlflow_experiment: str = "whalelib",
    tensorboard: bool = False,
    progress: bool = True,
    callbacks: Sequence[TrainerCallback] = (),
    **knobs: Any,
) -> Fitted:
    """Train on the store's training fold and keep the epoch with the best validation figure.

    `knobs` are those of `Recipe`. A folder that holds a finished training is read instead; one that holds an unfinished
    training goes on from its newest whole checkpoint, here or at `keep_at`, and ends where an unbroken one would have.
    Under `torchrun` or `accelerate launch` all processes call this, and the first one writes.

    `objective` holds arguments of `losses.Objective` and may name `teachers`, folders of trained detectors; `sampling`
    holds those of `samplers.sampler`. `train_targets` replace those of the training clips. `shuffle_labels` trains on
    labels that belong to other clips: what such a detector still scores is not learnt from the calls. `augmenter`
    changes the training clips, each time differently, and nothing else. `callbacks` of transformers may watch.
    """
    recipe, folder, ranks = Recipe(**knobs), Path(folder), processes()
    afar = Afar(f"{recipe.keep_at.rstrip('/')}/{folder.name}") if recipe.keep_at else None
    with ranks.main_process_first():
        if afar and ranks.is_main_process and not (folder / _DONE).exists():
            afar.fetch_finished(folder)
        done = (folder / _DONE).exists()
    if not done:
        _check_fits(detector, store)
        recipe.check(ranks.num_processes)
        if recipe.front_end_in == "reader":
            _check_reader(detector, augmenter)
        sampling = dict(sampling or {})
        clips = ClipBatches(
            store,
            "train",
            shuffled_labels_seed=recipe.seed if shuffle_labels else None,
            targets=train_targets,
            weighted=sampling.get("sampler") != "rated",  # or a rating would count twice
        )
        aims = {
            "objective": aiming.objective(detector, clips.targets, **(objective or {})),
            "sampler": samplers.sampler(clips.targets, clips.clips["weight"].to_numpy(), seed=recipe.seed, **sampling),
            "augmenter": augmenter,
        }
        with tracking.training(
            mlflow_server if ranks.is_main_process else "",
            mlflow_experiment,
            folder.name,
            {**detector.options, **asdict(recipe), **(objective or {}), **sampling},
        ) as run:
            watchers = [*callbacks, *_watchers(folder, run, tensorboard and ranks.is_main_process, progress)]
            _train(detector, store, folder, recipe, clips, aims, afar, watchers, progress)
            if run:
                run.keep(folder / "detector", "model")
                run.keep(folder / "history.csv")
    return load(folder)


def _watchers(folder: Path, run: Any, tensorboard: bool, progress: bool) -> list[TrainerCallback]:
    found: list[TrainerCallback] = [] if progress else [following.Curve()]
    if run:
        found.append(following.Reported(run))
    if tensorboard:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise needs_extra("tensorboard", "tracking") from None
        from transformers.integrations import TensorBoardCallback

        found.append(TensorBoardCallback(SummaryWriter(str(folder / "logs"))))
    return found


def _train(
    detector: Detector,
    store: Store,
    folder: Path,
    recipe: Recipe,
    clips: ClipBatches,
    aims: dict[str, Any],
    afar: Afar | None,
    watchers: list[TrainerCallback],
    progress: bool,
) -> None:
    ranks, kept = processes(), folder / "checkpoints"
    with ranks.main_process_first():
        if ranks.is_main_process:
            kept.mkdir(parents=True, exist_ok=True)
            if afar:
                afar.fetch_checkpoints(kept)
        newest = checkpoints.newest_whole_checkpoint(kept)
        if newest and ranks.is_main_process:
            checkpoints.settle(Path(newest))
    detector.front_end.fit(sample_of(store))
    if ranks.num_processes > 1:
        share_statistics(detector)
    if recipe.recompute:
        recompute(detector.network)
    if recipe.front_end_in == "reader":
        clips.front_end = copy.deepcopy(detector.front_end)
    arguments = recipe.arguments(kept, progress, ranks.num_processes)
    if newest and checkpoints.stopped_early(Path(newest), recipe.patience):
        arguments.num_train_epochs = round(checkpoints.state_of(Path(newest))["epoch"])
    trainer = DetectorTrainer(
        recipe=recipe,
        model=detector,
        args=arguments,
        train_dataset=clips,
        eval_dataset=ClipBatches(store, "validation", front_end=clips.front_end),
        callbacks=watchers,
        **aims,
    )
    if progress and is_in_notebook():
        trainer.remove_callback(DEFAULT_PROGRESS_CALLBACK)
        trainer.add_callback(following.table_of_means())
    if newest:
        trainer.objective.restore(newest)
    trainer.compute_metrics = _clip_metrics(trainer, store.classes)
    trainer.remove_callback(PrinterCallback)  # without a bar the Trainer would print every number a second time
    trainer.add_callback(following.Order(trainer))
    if recipe.patience:
        trainer.add_callback(EarlyStoppingCallback(recipe.patience))
    if recipe.save_every:
        trainer.add_callback(following.SaveEvery(recipe.save_every))
    if afar:
        trainer.add_callback(following.Copies(afar, folder / "logs"))
    if trainer.mean_weights:
        trainer.add_callback(following.MeanWeights(trainer.mean_weights, trainer.model))
        if newest:
            trainer.mean_weights.load(Path(newest))
    done = trainer.train(resume_from_checkpoint=newest)
    _finish(folder, detector, trainer, done.metrics["train_runtime"], afar)


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


def _check_reader(detector: Detector, augmenter: Augmenter | None) -> None:
    """Pictures that the reader makes are made of the clips as they are, once and for all."""
    if any(parameter.requires_grad for parameter in detector.front_end.parameters()):
        raise InputError("a front end that learns must be in the model: set front_end_in to model.")
    if augmenter is not None and any(one.at == "waveform" for one in augmenter.augmentations):
        raise InputError(
            "front_end_in=reader makes pictures before the augmentations of waveforms: set it to model, or "
            "leave those out."
        )


def _clip_metrics(trainer: DetectorTrainer, classes: list[str]) -> Callable[[EvalPrediction], dict[str, float]]:
    groups = trainer.eval_dataset.clips["group"].to_numpy()

    def compute(answer: EvalPrediction) -> dict[str, float]:
        clips = len(groups)  # what follows is what other processes were given for want of a clip
        targets, scores = np.asarray(answer.label_ids)[:clips], np.asarray(answer.predictions)[:clips]
        report = metrics.clip_report(targets, scores, classes, groups=groups)
        # A validation fold without a judgeable class has no AP; zero keeps the comparison of epochs defined.
        none = dict.fromkeys(metrics.MEASURES, 0.0)
        return {**none, **metrics.flat(report), "loss": trainer.judged_loss()}

    return compute


def _finish(folder: Path, detector: Detector, trainer: DetectorTrainer, seconds: float, afar: Afar | None) -> None:
    recipe, kept = trainer.recipe, folder / "checkpoints"
    history = _history(trainer.state.log_history)
    judged = history[f"validation_{recipe.choose_by}"]
    best = int(history.loc[judged.idxmin() if recipe.smaller_is_better else judged.idxmax(), "epoch"])
    if recipe.average != "none":
        detector.load_state_dict(mean_of(checkpoints.to_average(kept, trainer.state.log_history, recipe)))
    elif trainer.mean_weights and trainer.state.best_model_checkpoint:
        detector.load_state_dict(weights_of(Path(trainer.state.best_model_checkpoint)))
    if trainer.is_world_process_zero():
        _keep(folder, Fitted(detector, history, best, seconds))
        if afar:
            afar.finish(folder, ["detector", "history.csv", _DONE])
        shutil.rmtree(kept, ignore_errors=True)
    processes().wait_for_everyone()


def _keep(folder: Path, fitted: Fitted) -> None:
    fitted.detector.save_pretrained(folder / "detector")  # type: ignore[operator]  # comes from the hub mixin
    fitted.history.to_csv(folder / "history.csv", index=False)
    temporary = folder / f"{_DONE}.{os.getpid()}.part"
    temporary.write_text(json.dumps({"best_epoch": fitted.best_epoch, "seconds": fitted.seconds}))
    temporary.rename(folder / _DONE)


def join(trainings: Iterable[Fitted], folder: str | Path) -> Fitted:
    """Finished trainings as one whose detector has theirs for members; kept in `folder`.

    A folder that holds one already is read instead, and no training is asked for, which may be made as they are. The
    curve and the epoch are the members' means, the seconds their sum.
    """
    folder, ranks = Path(folder), processes()
    with ranks.main_process_first():
        done = (folder / _DONE).exists()
    if not done:
        made = list(trainings)
        curve = pd.concat([one.history for one in made]).groupby("epoch", as_index=False).mean()
        epoch, seconds = round(np.mean([one.best_epoch for one in made])), sum(one.seconds for one in made)
        if ranks.is_main_process:
            folder.mkdir(parents=True, exist_ok=True)
            _keep(folder, Fitted(joined([one.detector for one in made]), curve, epoch, seconds))
        ranks.wait_for_everyone()
    return load(folder)


def _history(log: list[dict[str, Any]]) -> pd.DataFrame:
    """A row an epoch: the mean loss over its steps, and what was found when it was judged."""
    rows = []
    steps, total, since = 0, 0.0, 0
    for row in log:
        if "loss" in row:
            total, steps, since = total + row["loss"] * (row["step"] - since), steps + row["step"] - since, row["step"]
        elif "eval_ap" in row:
            judged = {f"validation_{name}": row[f"eval_{name}"] for name in ("loss", *metrics.MEASURES)}
            rows.append({"epoch": round(row["epoch"]), "train_loss": total / steps if steps else np.nan, **judged})
            steps, total = 0, 0.0
    return pd.DataFrame(rows)


def load(folder: str | Path) -> Fitted:
    """A finished training."""
    folder = Path(folder)
    try:
        about = json.loads((folder / _DONE).read_text())
    except FileNotFoundError:
        raise InputError(f"{folder} holds no finished training: run the training with these knobs first.") from None
    detector = Detector.from_pretrained(str(folder / "detector")).eval()
    return Fitted(detector, pd.read_csv(folder / "history.csv"), about["best_epoch"], about["seconds"])
