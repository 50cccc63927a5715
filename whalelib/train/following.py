"""What goes on beside the steps of a training: its order, its copies, its means, and where it is written to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from whalelib.train.afar import Afar
from whalelib.train.averaging import RunningMean


class Curve(TrainerCallback):
    """Lets the progress be seen as plain lines where there is no terminal and no notebook."""

    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: Any = None, **_: Any) -> None:
        if metrics and state.is_world_process_zero:
            print(f"epoch {state.epoch:4.0f}  validation AP {metrics['eval_ap']:.3f}  AUC {metrics['eval_auc']:.3f}")


class Order(TrainerCallback):
    """Tells the sampler which epoch it is, from which it draws the order of the clips."""

    def __init__(self, trainer: Any) -> None:
        self.trainer = trainer

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if hasattr(self.trainer.sampler, "set_epoch"):
            self.trainer.sampler.set_epoch(int(state.epoch or 0))


class MeanWeights(TrainerCallback):
    """Takes the weights of each step into the running mean."""

    def __init__(self, mean: RunningMean, model: Any) -> None:
        self.mean, self.model = mean, model

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.mean.update(self.model)


class SaveEvery(TrainerCallback):
    """Checkpoints within an epoch. The loss is logged with each, so that a resumed training remembers all of it."""

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        # The last step of an epoch is saved when it has been judged.
        if state.global_step % self.steps == 0 and state.epoch % 1:
            control.should_log = control.should_save = True


class Copies(TrainerCallback):
    """Keeps copies of the checkpoints afar."""

    def __init__(self, afar: Afar, logs: Path) -> None:
        self.afar, self.logs = afar, logs

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.is_world_process_zero:
            self.afar.mirror(sorted(Path(args.output_dir).glob("checkpoint-*")), self.logs)


class Reported(TrainerCallback):
    """Sends every logged figure to a run on a tracking server."""

    def __init__(self, run: Any) -> None:
        self.run = run

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        if state.is_world_process_zero:
            self.run.metrics({n: v for n, v in (logs or {}).items() if isinstance(v, int | float)}, state.global_step)


def table_of_means() -> TrainerCallback:
    """The Trainer's bar in notebooks, which has a column for each figure: those of classes are too many."""
    from transformers.utils.notebook import NotebookProgressCallback

    class Table(NotebookProgressCallback):
        def on_evaluate(self, args: Any, state: Any, control: Any, metrics: Any = None, **more: Any) -> None:
            shown = {n: v for n, v in (metrics or {}).items() if "/" not in n and not n.endswith(("_low", "_high"))}
            super().on_evaluate(args, state, control, metrics=shown, **more)

    return Table()
