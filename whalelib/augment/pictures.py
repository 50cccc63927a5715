"""Changes of the picture that the front end has made."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from whalelib.augment.drawing import Dice
from whalelib.augment.labels import Labels, cell_middles, moved
from whalelib.augment.ranges import Number, Range
from whalelib.augment.registry import Augmentation, Drawn, register

_COUNT = Number(2, "masks", 1, 64, whole=True)


class _Mask(Augmentation):
    """Stripes in which the picture is its own mean."""

    def draw(self, dice: Dice) -> dict[str, np.ndarray]:
        count = round(self.number("count"))
        width = self._width().draw(dice, columns=count)
        return {"width": width, "place": dice.uniform(count)}

    def _width(self) -> Range:
        raise NotImplementedError

    def stripes(self, size: int, width: Tensor, place: Tensor) -> Tensor:
        """Which of `size` columns (or rows) are masked, [B, size]; `width` [B, count] in columns."""
        wide = width.round().clamp(max=size)
        first = (place * (size - wide + 1)).floor()
        column = torch.arange(size, device=width.device)[:, None]
        return ((column >= first[:, None]) & (column < (first + wide)[:, None])).any(-1)


@register("time_mask", "picture", seconds=Range(0, 0.2, "s", 0, 3600), count=_COUNT)
class TimeMask(_Mask):
    """Some stretches of time are covered; the labels stay, since the network is to infer them from what is around."""

    def _width(self) -> Range:
        width = self.set["seconds"]
        assert isinstance(width, Range)
        return width

    def altered(self, x: Tensor, drawn: Drawn) -> Tensor:
        width = drawn["width"] * (x.shape[3] / self.around.clip_seconds)
        return _covered(x, self.stripes(x.shape[3], width, drawn["place"])[:, None, None, :])


@register("frequency_mask", "picture", share=Range(0, 0.1, "of the bands", 0, 1), count=_COUNT)
class FrequencyMask(_Mask):
    """Some bands are covered."""

    def _width(self) -> Range:
        width = self.set["share"]
        assert isinstance(width, Range)
        return width

    def altered(self, x: Tensor, drawn: Drawn) -> Tensor:
        return _covered(x, self.stripes(x.shape[2], drawn["width"] * x.shape[2], drawn["place"])[:, None, :, None])


def _covered(picture: Tensor, mask: Tensor) -> Tensor:
    return torch.where(mask, picture.mean((2, 3), keepdim=True), picture)


@register("crop_resize", "picture", time=Range(0.8, 1, "of the clip", 0.05, 1), bands=Range(0.9, 1, "", 0.05, 1))
class CropResize(Augmentation):
    """A part of the picture, brought back to its size: longer, and a little higher or lower."""

    def draw(self, dice: Dice) -> dict[str, np.ndarray]:
        return {**super().draw(dice), "left": dice.uniform(), "bottom": dice.uniform()}

    def altered(self, x: Tensor, drawn: Drawn) -> Tensor:
        across = _across(x.shape[3], drawn["time"], drawn["left"])
        up = _across(x.shape[2], drawn["bands"], drawn["bottom"])
        grid = torch.stack(torch.broadcast_tensors(across[:, None, :], up[:, :, None]), dim=-1)
        return F.grid_sample(x.float(), grid, mode="bilinear", padding_mode="border", align_corners=True).to(x.dtype)

    def relabelled(self, labels: Labels, drawn: Drawn) -> Labels:
        size = drawn["time"][:, None]
        return moved(labels, (1 - size) * drawn["left"][:, None] + size * cell_middles(labels), drawn["time"])


def _across(size: int, share: Tensor, place: Tensor) -> Tensor:
    """Where in the old picture each of its new columns lies, [B, size], from -1 at the first to 1 at the last."""
    first = (1 - share) * place
    return 2 * (first[:, None] + share[:, None] * torch.linspace(0, 1, size, device=share.device)) - 1
