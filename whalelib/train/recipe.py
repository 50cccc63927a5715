"""How a detector is trained: the knobs of the training as one object, and as arguments of the Trainer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import TrainingArguments

from whalelib.errors import InputError

_SCHEDULES = {"cosine_restarts": "cosine_with_restarts", "constant": "constant_with_warmup", "one_cycle": "constant"}


@dataclass(frozen=True)
class Recipe:
    """The knobs of the section `train`, where each is described; the defaults are the same."""

    seed: int = 0
    epochs: int = 12
    batch_size: int = 64
    learning_rate: float = 3e-3
    weight_decay: float = 0.02
    layer_decay: float = 1.0
    warmup_share: float = 0.1
    schedule: str = "cosine"
    cycles: int = 2
    clip_gradient: float = 1.0
    precision: str = "float32"
    accumulation: int = 1
    recompute: bool = False
    compiled: bool = False
    ema: float = 0.0
    average: str = "none"
    averaged: int = 3
    choose_by: str = "ap"
    patience: int = 0
    front_end_in: str = "model"
    workers: int = 0
    save_every: int = 0
    keep_at: str = ""

    @property
    def smaller_is_better(self) -> bool:
        return self.choose_by == "loss"

    def check(self, processes: int = 1) -> None:
        """Refuse what this machine cannot do, before anything is written."""
        parts = self.accumulation * processes
        if self.batch_size % parts:
            what = f"{self.accumulation} parts" + (f" by {processes} processes" if processes > 1 else "")
            raise InputError(
                f"a batch_size of {self.batch_size} cannot be computed in {what}: make it a multiple of {parts}."
            )
        cuda = torch.cuda.is_available()
        if self.precision == "fp16" and not cuda:
            raise InputError("fp16 needs a GPU, and there is none: set precision to bf16 or float32.")
        if self.precision == "bf16" and cuda and not torch.cuda.is_bf16_supported(including_emulation=False):
            raise InputError("this GPU does not compute in bf16: set precision to fp16 or float32.")

    def arguments(self, folder: Path, progress: bool, processes: int = 1) -> TrainingArguments:
        """What the Trainer is told. Its own arguments do whatever they can do."""
        share = self.batch_size // self.accumulation // processes
        more: dict[str, Any] = {"lr_scheduler_kwargs": {"num_cycles": self.cycles}}
        return TrainingArguments(
            output_dir=str(folder),
            seed=self.seed,
            num_train_epochs=self.epochs,
            per_device_train_batch_size=share,
            per_device_eval_batch_size=max(4 * self.batch_size // processes, 1),
            gradient_accumulation_steps=self.accumulation,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            warmup_steps=self.warmup_share,  # a share, since it is below one
            lr_scheduler_type=_SCHEDULES.get(self.schedule, self.schedule),
            max_grad_norm=self.clip_gradient,
            optim="adamw_torch",
            bf16=self.precision == "bf16",
            fp16=self.precision == "fp16",
            use_cpu=not torch.cuda.is_available() and not torch.backends.mps.is_available(),
            torch_compile=self.compiled,
            eval_strategy="epoch",
            save_strategy="epoch",
            logging_strategy="epoch",
            # The newest and the best; where several are averaged, it is known at the end which.
            save_total_limit=2 if self.average == "none" else None,
            load_best_model_at_end=True,
            metric_for_best_model=self.choose_by,
            greater_is_better=not self.smaller_is_better,
            restore_callback_states_from_checkpoint=bool(self.patience),
            remove_unused_columns=False,
            label_names=["targets"],
            dataloader_num_workers=self.workers,
            dataloader_pin_memory=torch.cuda.is_available(),
            report_to=[],
            disable_tqdm=not progress,
            eval_do_concat_batches=True,
            **(more if self.schedule == "cosine_restarts" else {}),
        )
