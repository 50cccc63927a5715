"""Several processes that train one detector, started by `torchrun` or `accelerate launch`: one result, as of one."""

from __future__ import annotations

import functools
from typing import Any

import torch
from accelerate import PartialState
from torch import Tensor, distributed, nn
from torch.nn.modules.batchnorm import _BatchNorm


def processes() -> PartialState:
    """How many there are, which this one is, and a place to wait for the others. Alone, one waits for nobody."""
    return PartialState(cpu=not torch.cuda.is_available() and not torch.backends.mps.is_available())


def share_statistics(model: nn.Module) -> None:
    """Let batch norms see the whole batch, of which each process has a part only.

    As torch's SyncBatchNorm does, which works on GPUs alone.
    """
    for module in model.modules():
        if isinstance(module, _BatchNorm):
            module.forward = functools.partial(_normalised, module)  # type: ignore[method-assign]


class _SumOfAll(torch.autograd.Function):
    """The sum over all processes; what each of them learns from it is summed too."""

    @staticmethod
    def forward(ctx: Any, here: Tensor) -> Tensor:
        total = here.clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        total = grads[0].clone()
        distributed.all_reduce(total)
        return total


def _normalised(norm: _BatchNorm, x: Tensor) -> Tensor:
    if not norm.training:
        return type(norm).forward(norm, x)
    axes = [0, *range(2, x.dim())]
    shape = [1, -1, *[1] * (x.dim() - 2)]
    wide = x.float()
    here = torch.tensor([x.numel() / x.shape[1]], device=x.device)
    total = _SumOfAll.apply(torch.cat([wide.sum(axes), here]))
    count = total[-1].detach()
    mean = total[:-1] / count
    centred = wide - mean.view(shape)
    variance = _SumOfAll.apply(centred.square().sum(axes)) / count
    if norm.track_running_stats and norm.running_mean is not None and norm.running_var is not None:
        with torch.no_grad():
            if norm.num_batches_tracked is not None:
                norm.num_batches_tracked.add_(1)
            step = norm.momentum if norm.momentum is not None else 1.0 / float(norm.num_batches_tracked or 1)
            norm.running_mean.lerp_(mean, step)
            norm.running_var.lerp_(variance * count / (count - 1).clamp(min=1), step)
    scaled = centred * torch.rsqrt(variance + norm.eps).view(shape)
    if norm.affine:
        scaled = scaled * norm.weight.view(shape) + norm.bias.view(shape)
    return scaled.to(x.dtype)
