"""The losses themselves: logits and targets to a loss for each answer, and how much each of them counts.

Targets lie in [0, 1] and may be soft (a mixed clip, a teacher's answer). NaN means that the truth is not known: such a
target costs nothing, has no gradient, and does not count in the mean. A class that is known to be absent is a plain 0
beside NaNs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

_LEAST = 1e-6  # keeps a mean over nothing, and the root of nothing, from being no number


@dataclass(frozen=True)
class Weighing:
    """What changes how much an answer costs: weights of classes [K], of calls against silence, and so on."""

    class_weight: Tensor | None = None
    positive_weight: float = 1.0
    label_smoothing: float = 0.0
    focal_gamma: float = 2.0

    def of_classes(self, logits: Tensor) -> Tensor:
        one = logits.new_ones(logits.shape[-1])
        return one if self.class_weight is None else self.class_weight.to(one)


class Terms(NamedTuple):
    """What each answer costs, and how much it counts in the mean (which depends on the targets alone)."""

    losses: Tensor
    counts: Tensor


def bce(logits: Tensor, targets: Tensor, weighing: Weighing = Weighing()) -> Terms:
    """Binary cross-entropy, [..., K]: every class is asked for by itself."""
    return _binary(logits, targets, weighing, gamma=0.0)


def focal(logits: Tensor, targets: Tensor, weighing: Weighing = Weighing()) -> Terms:
    """Binary cross-entropy times the distance between answer and target to the power of `focal_gamma`, [..., K].

    What is answered well already costs next to nothing. For hard targets it is Lin's focal loss, for soft ones the
    "quality" one.
    """
    return _binary(logits, targets, weighing, gamma=weighing.focal_gamma)


def _binary(logits: Tensor, targets: Tensor, weighing: Weighing, gamma: float) -> Terms:
    logits, known = logits.float(), torch.isfinite(targets)
    smoothing = weighing.label_smoothing
    soft = torch.where(known, targets, 0.0).float() * (1 - smoothing) + smoothing / 2
    positive = logits.new_tensor(weighing.positive_weight)
    losses = F.binary_cross_entropy_with_logits(logits, soft, pos_weight=positive, reduction="none")
    if gamma:
        losses = losses * (torch.sigmoid(logits) - soft).abs().clamp(min=_LEAST) ** gamma
    counts = known * weighing.of_classes(logits)
    return Terms(losses * counts, counts)


def softmax(logits: Tensor, targets: Tensor, weighing: Weighing = Weighing()) -> Terms:
    """Cross-entropy between classes that exclude each other, [..., 1].

    "None of them" is one outcome more, whose logit is zero; so silence can be learnt, and with one class it is `bce`.
    Targets are the shares of the classes (divided by their sum where that is above 1), and what is left of 1 is the
    share of none. Where classes are unknown it is the share of "none, or one of these": a class known to be absent
    costs -log(1 - p).
    """
    log_p = F.log_softmax(_with_none(logits.float()), dim=-1)
    known = torch.isfinite(targets)
    outcomes, smoothing = log_p.shape[-1], weighing.label_smoothing
    shares = torch.where(known, targets, 0.0).float()
    shares = shares / shares.sum(-1, keepdim=True).clamp(min=1)
    rest = (1 - shares.sum(-1)).clamp(min=0)
    open_ = torch.cat([~known, torch.ones_like(known[..., :1])], dim=-1)
    if smoothing:
        shares = torch.where(known, shares * (1 - smoothing) + smoothing / outcomes, 0.0)
        rest = rest * (1 - smoothing) + open_.sum(-1) * smoothing / outcomes
    weighted = shares * weighing.of_classes(logits) * weighing.positive_weight
    losses = -(weighted * log_p[..., :-1]).sum(-1) - rest * log_p.masked_fill(~open_, -torch.inf).logsumexp(-1)
    anything = known.any(-1)
    return Terms((losses * anything)[..., None], ((weighted.sum(-1) + rest) * anything)[..., None])


LOSSES: dict[str, Callable[..., Terms]] = {"bce": bce, "focal": focal, "softmax": softmax}


def mean(terms: Terms, weight: Tensor | None = None, divisor: Tensor | float | None = None) -> Tensor:
    """The mean over what is known; zero, with a gradient of zero, where nothing is.

    `weight` is one number a clip. `divisor` stands in for the count of these terms where they are a part of a larger
    batch: of what is accumulated, or of what all processes see.
    """
    factor = 1.0 if weight is None else weight.reshape(-1, *[1] * (terms.losses.dim() - 1))
    if divisor is None:
        divisor = (terms.counts * factor).sum().clamp(min=_LEAST)
    return (terms.losses * factor).sum() / divisor


def exclusive_probabilities(logits: Tensor) -> Tensor:
    """The probabilities that the softmax loss has taught: of each class, beside the outcome "none of them"."""
    return torch.softmax(_with_none(logits), dim=-1)[..., :-1]


def _with_none(logits: Tensor) -> Tensor:
    return torch.cat([logits, torch.zeros_like(logits[..., :1])], dim=-1)


def class_weights(targets: Tensor, power: float) -> Tensor:
    """Weights of classes [K]: how often each is in the targets [N, K], to the power of minus `power`.

    They are one on average. A class that is never there weighs as one that is there once.
    """
    often = torch.nan_to_num(targets.double(), nan=0.0).sum(0).clamp(min=1)
    weights = often**-power
    return (weights / weights.mean()).float()
