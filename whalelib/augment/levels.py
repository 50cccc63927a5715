"""Louder, softer, upside down."""

from __future__ import annotations

from torch import Tensor

from whalelib.augment.ranges import Range
from whalelib.augment.registry import Augmentation, Drawn, register


@register("gain", db=Range(-6, 6, "dB", -120, 120))
class Gain(Augmentation):
    """Louder or softer by some decibels."""

    def altered(self, x: Tensor, drawn: Drawn) -> Tensor:
        return x * (10 ** (drawn["db"] / 20))[:, None]


@register("polarity")
class Polarity(Augmentation):
    """Upside down, as a hydrophone with its wires the other way round."""

    def altered(self, x: Tensor, drawn: Drawn) -> Tensor:
        return -x
