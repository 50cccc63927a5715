"""Means of weights: a running one over the steps of a training, and one over the weights of several epochs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

_RUNNING = "running_mean.safetensors"
_WEIGHTS = "model.safetensors"
_COUNT = "n_averaged"
_Tensors = tuple[Tensor, ...] | list[Tensor]


class RunningMean:
    """The exponential moving average of a model's weights and of its batch statistics.

    The mean over n steps starts with a decay of (1 + n) / (10 + n), so that a short training is not judged by weights
    that still remember how they were drawn.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        def blend(mean: _Tensors, now: _Tensors, count: Tensor | int) -> None:
            n = float(count)
            if mean[0].is_floating_point():
                torch._foreach_lerp_(mean, now, 1 - min(decay, (1 + n) / (10 + n)))
            else:  # a counter is taken as it is
                torch._foreach_copy_(mean, now)

        self.mean = AveragedModel(model, multi_avg_fn=blend, use_buffers=True)

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Take in the weights after a step."""
        self.mean.update_parameters(model)

    @contextmanager
    def in_place_of(self, model: nn.Module) -> Iterator[None]:
        """For a while the model has the mean's weights, which are then put back."""
        self._swap(model)
        try:
            yield
        finally:
            self._swap(model)

    @torch.no_grad()
    def _swap(self, model: nn.Module) -> None:
        for mean, now in zip(_tensors(self.mean.module), _tensors(model), strict=True):
            kept = now.clone()
            now.copy_(mean)
            mean.copy_(kept)

    def save(self, folder: Path) -> None:
        """Into a checkpoint, beside the weights of the step."""
        counted = {_COUNT: self.mean.n_averaged.cpu()}
        save_file({**self.mean.module.state_dict(), **counted}, folder / _RUNNING)

    def load(self, folder: Path) -> None:
        """Out of a checkpoint."""
        state = load_file(folder / _RUNNING)
        self.mean.n_averaged.copy_(state.pop(_COUNT))
        self.mean.module.load_state_dict(state)


def _tensors(model: nn.Module) -> list[Tensor]:
    return [*model.parameters(), *model.buffers()]


def weights_of(checkpoint: Path) -> dict[str, Tensor]:
    """The weights by which a checkpoint was judged: the running mean, where there is one."""
    mean = checkpoint / _RUNNING
    state = load_file(mean if mean.exists() else checkpoint / _WEIGHTS)
    state.pop(_COUNT, None)
    return state


def mean_of(checkpoints: Sequence[Path]) -> dict[str, Tensor]:
    """The mean of the weights of several checkpoints; counters are those of the last."""
    states = [weights_of(checkpoint) for checkpoint in checkpoints]
    return {
        name: torch.stack([state[name].double() for state in states]).mean(0).to(last.dtype)
        if last.is_floating_point()
        else last
        for name, last in states[-1].items()
    }
