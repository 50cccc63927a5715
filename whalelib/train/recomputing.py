"""Activations computed again for the gradient instead of kept: less memory for more time, and the same result."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint


def recompute(network: nn.Module) -> None:
    """Let each block of the network's longest stack forget its activations until the gradient needs them.

    The Trainer's own switch knows only models of transformers; a stack of blocks is what all networks have.
    """
    stacks = [module for module in network.modules() if isinstance(module, nn.Sequential | nn.ModuleList)]
    for block in max(stacks, key=len, default=[network]):
        plain = block.forward
        again = functools.partial(_passes, block)
        block.forward = functools.partial(checkpoint, plain, use_reentrant=False, context_fn=again)


def _passes(block: nn.Module) -> tuple[contextlib.AbstractContextManager, contextlib.AbstractContextManager]:
    return contextlib.nullcontext(), _blind(block)


@contextlib.contextmanager
def _blind(block: nn.Module) -> Iterator[None]:
    """The second pass sees what the first has seen, so its batch statistics must not be counted twice."""
    norms = [module for module in block.modules() if isinstance(module, _BatchNorm)]
    kept = [norm.momentum for norm in norms]
    counted = {name: count.clone() for name, count in block.named_buffers() if name.endswith("num_batches_tracked")}
    for norm in norms:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, momentum in zip(norms, kept, strict=True):
            norm.momentum = momentum
        block.load_state_dict(counted, strict=False)
