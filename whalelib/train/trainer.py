"""The Trainer of transformers, told how a detector's loss and answers are had."""

from __future__ import annotations

import contextlib
import math
from pathlib import Path
from typing import Any

import torch
from accelerate.data_loader import SeedableRandomSampler
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, SequentialSampler
from transformers import Trainer

from whalelib.augment import Augmenter
from whalelib.clips import UNKNOWN
from whalelib.losses import Objective
from whalelib.models import Detector, parameter_groups
from whalelib.train.averaging import RunningMean
from whalelib.train.batches import Shares, loader
from whalelib.train.recipe import Recipe


class DetectorTrainer(Trainer):
    """A step is `batch_size` clips, in however many parts and by however many processes they are computed.

    Losses are means over known targets, and parts differ in how many they have, so each part is divided by what is
    known in the whole step.
    """

    def __init__(
        self,
        *,
        recipe: Recipe,
        objective: Objective,
        sampler: Any = None,
        augmenter: Augmenter | None = None,
        **rest: Any,
    ) -> None:
        super().__init__(**rest)
        self.recipe, self.augmenter = recipe, augmenter
        self.objective = objective.to(self.args.device)
        # The order of an epoch's clips: the same in every process, and told by seed and epoch alone.
        self.sampler = sampler or SeedableRandomSampler(self.train_dataset, data_seed=self.args.seed)
        if objective.center_weight:  # what the head answers from, averaged over time, is the clip's embedding
            self._detector(self.model).head.register_forward_pre_hook(self._keep_embeddings)
        self.lr_scheduler: Any
        self.optimizer: Any
        self.model_accepts_loss_kwargs = True  # the loss has its share already; it is not divided by the parts again
        self.mean_weights = RunningMean(self.model, recipe.ema) if recipe.ema else None
        self._judged: list[tuple[float, float]] = []  # loss and clips of each batch of an evaluation

    # What is read

    def get_train_dataloader(self) -> DataLoader:
        size = self.recipe.batch_size // self.recipe.accumulation
        return self._loader(self.train_dataset, Shares(self.sampler, size, *self._place()))

    def get_eval_dataloader(self, eval_dataset: Any = None) -> DataLoader:
        dataset = self.eval_dataset if eval_dataset is None else eval_dataset
        size = 4 * self.recipe.batch_size
        return self._loader(dataset, Shares(SequentialSampler(dataset), size, *self._place(), equal=True))

    def _loader(self, dataset: Dataset, shares: Shares) -> DataLoader:
        return loader(dataset, shares, self.args.dataloader_num_workers)

    def _place(self) -> tuple[int, int]:
        return self.args.process_index, self.args.world_size

    # What is learnt

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
        """The Trainer's AdamW, with a step size for each layer where `layer_decay` asks for them."""
        if self.recipe.layer_decay < 1 and self.optimizer is None:
            optimizer, options = self.get_optimizer_cls_and_kwargs(self.args, self.model)
            step_size, pull = self.args.learning_rate, self.args.weight_decay
            groups = parameter_groups(self._detector(self.model), step_size, pull, self.recipe.layer_decay)
            self.optimizer = optimizer(groups, **options)
        return super().create_optimizer(model)

    def compute_loss(
        self, model: Any, inputs: dict[str, Tensor], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        if self.augmenter is not None and model.training:
            inputs, later = self.augmenter(inputs, self.state.global_step, self.args.process_index)
            logits = model(inputs["waveform"], later, inputs.get("picture"))
        else:
            logits = model(inputs["waveform"], picture=inputs.get("picture"))
        counts = None
        if num_items_in_batch is not None:  # gradients of processes are averaged
            counts = num_items_in_batch[:-1] / self.args.world_size
        loss = self.objective.train(model.training)(
            logits.clip,
            logits.frames,
            inputs["targets"],
            frames_at(inputs["frames"], logits.frames.shape[1], self._detector(model)),
            inputs["weight"],
            embeddings=getattr(self, "embeddings", None),
            waveform=inputs["waveform"],
            counts=counts,
        )
        return (loss, logits) if return_outputs else loss

    def _keep_embeddings(self, _: Any, given: tuple[Tensor, ...]) -> None:
        self.embeddings = given[0].mean(1)

    def _known(self, inputs: dict[str, Tensor]) -> Tensor:
        """What the losses of a part are divided by, and its clips."""
        detector, weight = self._detector(self.model), inputs["weight"]
        grid = frames_at(inputs["frames"], detector.frames, detector)
        counts = self.objective.counts(inputs["targets"], grid, weight)
        return torch.cat([counts, (weight > 0).sum()[None]]).double()

    def _get_num_items_in_batch(self, batch_samples: list, device: torch.device) -> Tensor | None:
        """What is known in all parts of a step, here and in the other processes; None where a step is one part."""
        if not batch_samples or (self.args.gradient_accumulation_steps == 1 and self.args.world_size == 1):
            return None
        return self._everywhere(sum(self._known(part).to(device) for part in batch_samples))

    def _everywhere(self, counts: Any) -> Tensor:
        if self.args.world_size == 1:
            return counts
        return self.accelerator.gather(counts.float()).view(self.args.world_size, -1).double().sum(0)

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        if self.recipe.schedule == "one_cycle" and self.lr_scheduler is None:
            optimizer = optimizer or self.optimizer
            peaks, steps = [group["lr"] for group in optimizer.param_groups], num_training_steps + 1
            rise = max(self.recipe.warmup_share, 2 / steps)  # torch divides by a rise of a single step
            self.lr_scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, peaks, steps, pct_start=rise)
            self._created_lr_scheduler = True
        return super().create_scheduler(num_training_steps, optimizer)

    # What is judged and kept

    def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        self._judged = []
        with self.mean_weights.in_place_of(self.model) if self.mean_weights else contextlib.nullcontext():
            return super().evaluate(*args, **kwargs)

    def prediction_step(self, model: Any, inputs: Any, prediction_loss_only: bool, ignore_keys: Any = None) -> Any:
        inputs = self._prepare_inputs(inputs)
        totals = self._everywhere(self._known(inputs))
        with torch.no_grad():
            loss, logits = self.compute_loss(model, inputs, return_outputs=True, num_items_in_batch=totals)
        if self.args.world_size > 1:
            loss = self.accelerator.gather(loss).mean()
        self._judged.append((float(loss), float(totals[-1])))
        return None, self._detector(model).probabilities(logits.clip.float()), inputs["targets"]

    def judged_loss(self) -> float:
        """The mean loss of the evaluation that is running, each batch by its clips."""
        clips = math.fsum(count for _, count in self._judged)
        return math.fsum(loss * count for loss, count in self._judged) / max(clips, 1.0)

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        super().save_model(output_dir, _internal_call)
        if output_dir and self.args.should_save:
            self.objective.save(output_dir)
        if self.mean_weights and self.args.should_save:
            self.mean_weights.save(Path(output_dir or str(self.args.output_dir)))

    def _detector(self, model: Any) -> Detector:
        return self.accelerator.unwrap_model(model, keep_torch_compile=False)


def frames_at(cells: Tensor, frames: int, detector: Detector) -> Tensor:
    """The stored grid of frame targets [B, cells, K], seen at the detector's frames [B, T, K]; NaN where unknown.

    A frame takes the cell its centre falls into. Frames beyond the clip (its last one may be) are unknown.
    """
    centres = torch.arange(frames, device=cells.device) * detector.frame_seconds
    index = (centres / detector.clip_seconds * cells.shape[1]).long()
    beyond = index >= cells.shape[1]
    picked = cells[:, index.clamp(max=cells.shape[1] - 1)].float()
    return picked.masked_fill((picked == UNKNOWN) | beyond[None, :, None], torch.nan)
