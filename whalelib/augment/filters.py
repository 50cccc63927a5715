"""What a recorder or the water does to some frequencies and not to others."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from whalelib.augment.drawing import Dice
from whalelib.augment.ranges import Number, Range
from whalelib.augment.registry import Augmentation, Drawn, register
from whalelib.augment.spectra import bins, filtered

_OCTAVES = 6.0  # below half the sample rate: the equaliser's lowest point; still lower it is flat


@register("equaliser", db=Range(-6, 6, "dB", -60, 60), points=Number(5, "points", 1, 64, whole=True))
class Equaliser(Augmentation):
    """A random curve over six octaves below half the sample rate, with straight lines between its points."""

    def draw(self, dice: Dice) -> dict[str, np.ndarray]:
        db = self.set["db"]
        assert isinstance(db, Range)
        return {"db": db.draw(dice, columns=round(self.number("points")))}

    def altered(self, x: Tensor, drawn: Drawn) -> Tensor:
        return filtered(x, 10 ** (self.curve(bins(x.shape[-1], x.device), drawn["db"]) / 20))

    @staticmethod
    def curve(frequency: Tensor, db: Tensor) -> Tensor:
        """Decibels [B, F] at frequencies (shares of half the sample rate) of curves through `db` [B, points]."""
        points = db.shape[1]
        place = (1 + frequency.clamp(min=1e-9).log2() / _OCTAVES) * (points - 1)
        tents = (1 - (place.clamp(0, points - 1) - torch.arange(points, device=db.device)[:, None]).abs()).clamp(min=0)
        return db @ tents


@register("band_filter", low=Range(0, 0.05, "of half the sample rate", 0, 1), high=Range(0.5, 1, "", 0, 1))
class BandFilter(Augmentation):
    """Takes out what lies below one edge and above another, 24 dB an octave; edges are shares of half the sample rate.

    At an edge the sound is 3 dB softer.
    """

    def altered(self, x: Tensor, drawn: Drawn) -> Tensor:
        return filtered(x, self.response(bins(x.shape[-1], x.device), drawn["low"], drawn["high"]))

    @staticmethod
    def response(frequency: Tensor, low: Tensor, high: Tensor) -> Tensor:
        """The gain [B, F] of two Butterworth filters of the fourth order, without their delay."""
        below = (low[:, None] / frequency.clamp(min=1e-9)) ** 8
        above = (frequency / high[:, None].clamp(min=1e-9)) ** 8
        return ((1 + below) * (1 + above)).rsqrt()
