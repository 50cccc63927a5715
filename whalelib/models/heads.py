"""Heads: embeddings [B, T, D] to frame logits [B, T, K] and clip logits [B, K]."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from whalelib.errors import InputError

# How frames answer for their clip. All but `mean` let one short call decide.
POOLINGS = {
    "attention": "a weighted mean of the frames' logits, the weights learnt for each class",
    "attention_max": "the best frame, after its odds have been scaled by its attention next to the most attended one's",
    "decision": "a weighted mean of the frames' probabilities: decision-level attention",
    "gem": "generalised mean of the frames' probabilities, its exponent learnt; between mean and max",
    "max": "the loudest frame decides",
    "mean": "every frame's logit counts the same",
}


class PoolingHead(nn.Module):
    """One to three layers a frame, and a rule (`POOLINGS`) by which the frames answer for the clip."""

    def __init__(
        self,
        dim: int,
        n_classes: int,
        pooling: str = "attention",
        dropout: float = 0.2,
        layers: int = 1,
    ) -> None:
        super().__init__()
        if pooling not in POOLINGS:
            raise InputError(f"pooling cannot be {pooling!r}: it is one of {', '.join(POOLINGS)}.")
        if layers not in (1, 2, 3):
            raise InputError(f"head_layers cannot be {layers}: a head has 1, 2 or 3 layers.")
        self.pooling = pooling
        self.hidden = nn.Sequential(*(Hidden(dim, dropout) for _ in range(layers - 1)))
        self.dropout = nn.Dropout(dropout)
        self.classify = nn.Linear(dim, n_classes)
        if pooling in ("attention", "attention_max", "decision"):
            self.attend = nn.Linear(dim, n_classes, bias=False)  # the softmax over time cancels a bias
        if pooling == "gem":
            self.exponent = nn.Parameter(torch.full((n_classes,), 3.0))

    def forward(self, embeddings: Tensor) -> tuple[Tensor, Tensor]:
        embeddings = self.dropout(self.hidden(embeddings))
        frames = self.classify(embeddings)
        return self._pooled(embeddings, frames), frames

    def _pooled(self, embeddings: Tensor, frames: Tensor) -> Tensor:
        if self.pooling == "mean":
            return frames.mean(1)
        if self.pooling == "max":
            return frames.amax(1)
        if self.pooling == "gem":
            return generalised_mean(frames, self.exponent.clamp(min=1.0))
        attention = self.attend(embeddings)
        if self.pooling == "attention":
            return (torch.softmax(attention, dim=1) * frames).sum(1)
        if self.pooling == "attention_max":
            return (frames + attention - attention.amax(1, keepdim=True)).amax(1)
        return mean_probability(frames, torch.log_softmax(attention, dim=1))


class Hidden(nn.Module):
    """A layer before the last: dropout, linear, batch norm, PReLU."""

    def __init__(self, dim: int, dropout: float) -> None:
        super().__init__()
        self.dropout, self.linear = nn.Dropout(dropout), nn.Linear(dim, dim)
        self.norm, self.bend = nn.BatchNorm1d(dim), nn.PReLU()

    def forward(self, x: Tensor) -> Tensor:
        x = self.linear(self.dropout(x))
        return self.bend(self.norm(x.flatten(0, 1)).view_as(x))


def generalised_mean(logits: Tensor, exponent: Tensor) -> Tensor:
    """The logit of (mean over time of p ** exponent) ** (1 / exponent), without leaving the logarithm."""
    with torch.autocast(logits.device.type, enabled=False):
        powers = (exponent * F.logsigmoid(logits.float())).clamp(max=-1e-37)
        frames = math.log(logits.shape[1])
        present = torch.logsumexp(powers, dim=1) - frames
        # Next to certainty the logarithm of the mean is a difference of like numbers; what it lacks to one is not.
        lacking = torch.exp(torch.logsumexp(torch.log(-torch.expm1(powers)), dim=1) - frames)
        log_p = torch.where(lacking < 0.5, torch.log1p(-lacking.clamp(max=0.5)), present) / exponent
        return log_p - torch.log(-torch.expm1(log_p))


def mean_probability(logits: Tensor, log_weights: Tensor) -> Tensor:
    """The logit of the weighted mean over time of the frames' probabilities, without leaving the logarithm."""
    with torch.autocast(logits.device.type, enabled=False):
        logits, log_weights = logits.float(), log_weights.float()
        present = torch.logsumexp(log_weights + F.logsigmoid(logits), dim=1)
        return present - torch.logsumexp(log_weights + F.logsigmoid(-logits), dim=1)
