"""Where the time of a training goes: a few batches through the Trainer that trains, with a clock in each place."""

from __future__ import annotations

import copy
import os
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from transformers import PrinterCallback, TrainerCallback
from transformers.trainer_utils import IntervalStrategy, SaveStrategy

from whalelib.clips import Store
from whalelib.losses import Objective
from whalelib.models import Detector
from whalelib.train.batches import ClipBatches, sample_of
from whalelib.train.following import Order
from whalelib.train.recipe import Recipe
from whalelib.train.recomputing import recompute
from whalelib.train.trainer import DetectorTrainer

_WARM_UP = 3  # batches before the clock starts: memory is found, kernels are chosen, the network is compiled


def profiled(detector: Detector, store: Store, *, batches: int = 10, **knobs: Any) -> dict[str, float]:
    """What a batch of a training with these knobs costs.

    `seconds` a batch; of them the share of forward and backward (`learning`) and of waiting for clips (`reading`);
    seconds of all processor cores (`cpu_seconds`) and of the device (`device_seconds`) in its operations, as torch's
    profiler counts them; `memory_mib`, the most that was held (by the device, where there is one, else by the process
    since it began); and the share of the weights that learn (`trainable`). The detector is trained by it, so give one
    that is not needed.
    """
    recipe = Recipe(**{"epochs": 1, **knobs})
    recipe.check()
    detector.front_end.fit(sample_of(store))
    if recipe.recompute:
        recompute(detector.network)
    with tempfile.TemporaryDirectory() as folder:
        arguments = recipe.arguments(Path(folder), progress=False)
        arguments.eval_strategy, arguments.save_strategy = IntervalStrategy.NO, SaveStrategy.NO
        arguments.load_best_model_at_end = False
        arguments.max_steps = _WARM_UP + 2 * batches
        seen = copy.deepcopy(detector.front_end) if recipe.front_end_in == "reader" else None
        clips, aim = ClipBatches(store, "train", front_end=seen), Objective(len(detector.classes))
        trainer = _Clocked(recipe=recipe, objective=aim, model=detector, args=arguments, train_dataset=clips)
        trainer.remove_callback(PrinterCallback)
        trainer.add_callback(Order(trainer))
        clock = _Clock(trainer, batches)
        trainer.add_callback(clock)
        trainer.train()
    sizes = [(p.numel(), p.requires_grad) for p in detector.parameters()]
    return {
        **clock.found,
        "memory_mib": _peak_mib(),
        "trainable": sum(n for n, learns in sizes if learns) / sum(n for n, _ in sizes),
    }


class _Clocked(DetectorTrainer):
    """Knows how long it has learnt, and how long it has waited for clips."""

    learning = reading = 0.0

    def training_step(self, *args: Any, **kwargs: Any) -> Any:
        begun = _now()
        loss = super().training_step(*args, **kwargs)
        self.learning += _now() - begun
        return loss

    def get_batch_samples(self, *args: Any, **kwargs: Any) -> Any:
        begun = _now()
        read = super().get_batch_samples(*args, **kwargs)
        self.reading += _now() - begun
        return read


class _Clock(TrainerCallback):
    """Takes the time of some batches, and then has torch's profiler look at as many."""

    def __init__(self, trainer: _Clocked, batches: int) -> None:
        self.trainer, self.batches = trainer, batches
        kinds = [torch.profiler.ProfilerActivity.CPU]
        if torch.cuda.is_available():
            kinds.append(torch.profiler.ProfilerActivity.CUDA)
        os.environ.setdefault("KINETO_LOG_LEVEL", "9")  # the profiler would write a log of its own into the notebook
        self.profiler = torch.profiler.profile(activities=kinds)
        self.found: dict[str, float] = {}

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        trainer, step = self.trainer, state.global_step - _WARM_UP
        if step == 0:
            trainer.learning = trainer.reading = 0.0
            self.begun = _now()
        elif step == self.batches:
            total = _now() - self.begun
            self.found = {
                "seconds": total / self.batches,
                "learning": trainer.learning / total,
                "reading": trainer.reading / total,
            }
            self.profiler.start()
        elif step == 2 * self.batches:
            self.profiler.stop()
            spent = self.profiler.key_averages()
            self.found["cpu_seconds"] = sum(one.self_cpu_time_total for one in spent) / 1e6 / self.batches
            self.found["device_seconds"] = sum(one.self_device_time_total for one in spent) / 1e6 / self.batches


def _now() -> float:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


def _peak_mib() -> float:
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**20
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (2**20 if sys.platform == "darwin" else 2**10)
