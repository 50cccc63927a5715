"""Center loss: clips of one class are drawn together in the space of embeddings."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Centres(nn.Module):
    """A running centre for each class, and half the squared distance of embeddings [B, D] from those of their classes.

    The centres follow the embeddings, a share `step` of the way at each training step, and have no gradient; a class's
    first clips give it its first centre. They belong to the training and not to the detector. With several processes
    all see the same centres.
    """

    centres: Tensor
    seen: Tensor

    def __init__(self, classes: int, step: float = 0.5) -> None:
        super().__init__()
        self.step = step
        self.register_buffer("centres", torch.zeros(classes, 0))  # as wide as the first embeddings
        self.register_buffer("seen", torch.zeros(classes, dtype=torch.bool))

    def forward(self, embeddings: Tensor, targets: Tensor, divisor: Tensor | None = None) -> Tensor:
        """The mean over all pairs of a clip and a class that it holds, a soft target counting as much as it says.

        `divisor` stands in for their number where these are a part of a larger batch.
        """
        embeddings, held = embeddings.float(), torch.nan_to_num(targets, nan=0.0).float()
        if self.centres.shape[1] == 0:
            self.centres = embeddings.new_zeros(len(self.centres), embeddings.shape[1])
        sums, counts = held.T @ embeddings.detach(), held.sum(0)
        if self.training:
            _add_up_over_processes(sums, counts)
            self._begin(sums, counts)
        distances = (embeddings[:, None] - self.centres).square().sum(-1) / 2
        loss = (distances * held).sum() / (held.sum().clamp(min=1e-6) if divisor is None else divisor)
        if self.training:
            self._follow(sums, counts)
        return loss

    def _begin(self, sums: Tensor, counts: Tensor) -> None:
        new = (counts > 0) & ~self.seen
        self.centres = torch.where(new[:, None], sums / counts.clamp(min=1e-6)[:, None], self.centres)
        self.seen = self.seen | new

    def _follow(self, sums: Tensor, counts: Tensor) -> None:
        there = (counts > 0)[:, None]
        towards = sums / counts.clamp(min=1e-6)[:, None] - self.centres
        self.centres = torch.where(there, self.centres + self.step * towards, self.centres)


def _add_up_over_processes(*tensors: Tensor) -> None:
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        for tensor in tensors:
            torch.distributed.all_reduce(tensor)
