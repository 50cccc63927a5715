"""Two clips of a batch in one, with the labels of both."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from whalelib.augment.drawing import Dice
from whalelib.augment.labels import Labels, blended, united
from whalelib.augment.noise import at_ratio
from whalelib.augment.ranges import Number, Range, Word
from whalelib.augment.registry import STAGES, Augmentation, Drawn, register

_AT = Word("waveform", STAGES)


class _Mixing(Augmentation):
    """Looks at another clip of the batch, never at itself unless it is alone."""

    def draw(self, dice: Dice) -> dict[str, np.ndarray]:
        steps = 1 + dice.whole(max(dice.clips - 1, 1))
        return {**super().draw(dice), "partner": (np.arange(dice.clips) + steps) % dice.clips}

    def change(self, batch: Tensor, rows: Tensor, drawn: Drawn) -> Tensor:
        return self.mixed(batch.index_select(0, rows), batch.index_select(0, drawn["partner"]), drawn)

    def change_labels(self, labels: Labels, rows: Tensor, drawn: Drawn) -> Labels:
        return self.joined(labels.take(rows), labels.take(drawn["partner"]), drawn)

    def mixed(self, one: Tensor, other: Tensor, drawn: Drawn) -> Tensor:
        raise NotImplementedError

    def joined(self, one: Labels, other: Labels, drawn: Drawn) -> Labels:
        raise NotImplementedError


@register("mixup", alpha=Number(0.4, "", 0.001, 100), at=_AT)
class Mixup(_Mixing):
    """A weighted mean of two clips and of their labels, the weight from a Beta(alpha, alpha) distribution."""

    def draw(self, dice: Dice) -> dict[str, np.ndarray]:
        return {**super().draw(dice), "share": dice.beta(self.number("alpha"))}

    def mixed(self, one: Tensor, other: Tensor, drawn: Drawn) -> Tensor:
        return _mean(one, other, drawn["share"])

    def joined(self, one: Labels, other: Labels, drawn: Drawn) -> Labels:
        return blended(one, other, drawn["share"])


@register("superpose", snr=Range(-6, 6, "dB", -60, 60), at=_AT)
class Superpose(_Mixing):
    """Another clip over this one, so many decibels softer, with every label of either.

    Pictures and embeddings have no power to measure: they are averaged in the proportion of the two loudnesses.
    """

    def mixed(self, one: Tensor, other: Tensor, drawn: Drawn) -> Tensor:
        if self.at == "waveform":
            return one + at_ratio(one, other, drawn["snr"])
        return _mean(one, other, torch.sigmoid(drawn["snr"] * (np.log(10) / 20)))

    def joined(self, one: Labels, other: Labels, drawn: Drawn) -> Labels:
        return united(one, other, self.around.empty_class)


def _mean(one: Tensor, other: Tensor, share: Tensor) -> Tensor:
    part = share.to(one.dtype).reshape(-1, *[1] * (one.dim() - 1))
    return part * one + (1 - part) * other
