"""The truth that goes with the sound, and what becomes of it when the sound is moved or mixed."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

_ENOUGH = 0.5  # less than this share of a call leaves open whether the clip still holds it, as when clips are cut


@dataclass(frozen=True)
class Labels:
    """Targets [B, K], frame targets [B, cells, K] and weights [B] of a batch; NaN where the truth is not known."""

    targets: Tensor
    frames: Tensor
    weight: Tensor

    @classmethod
    def of(cls, batch: Mapping[str, Tensor]) -> Labels:
        """A batch of the clip store; its frame targets are whole numbers, negative where the truth is not known."""
        frames = batch["frames"]
        if not frames.is_floating_point():
            frames = frames.float().masked_fill(frames < 0, torch.nan)
        return cls(batch["targets"], frames, batch["weight"])

    def take(self, rows: Tensor) -> Labels:
        return Labels(*(values.index_select(0, rows) for values in self))

    def put(self, rows: Tensor, new: Labels) -> Labels:
        """These labels with other ones in some rows."""
        return Labels(*(old.index_copy(0, rows, changed) for old, changed in zip(self, new, strict=True)))

    def __iter__(self):  # type: ignore[no-untyped-def]
        return iter((self.targets, self.frames, self.weight))


def moved(labels: Labels, source: Tensor, rate: Tensor | None = None) -> Labels:
    """The labels of sound that was moved in time; `source` says where each cell's sound was, as a share of the clip.

    Cells whose sound lay outside the clip are unknown. Where less than half of a call is left, the clip's target is
    unknown too; a target of which the frames know nothing stays. `rate` is how much faster the sound goes by now.
    """
    cells, classes = labels.frames.shape[1:]
    place = (source * cells).floor().long()
    outside = (place < 0) | (place >= cells)
    index = place.clamp(0, cells - 1)[..., None].expand(-1, -1, classes)
    frames = labels.frames.gather(1, index).masked_fill(outside[..., None], torch.nan)
    had, has = labels.frames.nansum(1), frames.nansum(1)
    if rate is not None:
        has = has * rate[:, None]
    lost = (had > 0) & (has < _ENOUGH * had)
    targets = labels.targets.masked_fill(lost & (labels.targets > 0), torch.nan)
    return dataclasses.replace(labels, targets=targets, frames=frames)


def cell_middles(labels: Labels) -> Tensor:
    """The middle of each cell as a share of the clip, [cells]."""
    cells = labels.frames.shape[1]
    return (torch.arange(cells, device=labels.frames.device) + 0.5) / cells


def blended(one: Labels, other: Labels, share: Tensor) -> Labels:
    """Both in these shares, `share` [B] being the first one's. What is unknown in one of them is unknown."""

    def mean(a: Tensor, b: Tensor) -> Tensor:
        part = share.to(a.dtype).reshape(-1, *[1] * (a.dim() - 1))
        return part * a + (1 - part) * b

    return Labels(*(mean(a, b) for a, b in zip(one, other, strict=True)))


def united(one: Labels, other: Labels, empty_class: int | None = None) -> Labels:
    """What is in either. A call is there if it is in one of them, whatever is not known of the other.

    The class that says that no call is there (`empty_class`) is true only if it is true of both. The weight is that of
    the clip that is trusted less.
    """
    targets, frames = _either(one.targets, other.targets), _either(one.frames, other.frames)
    if empty_class is not None:
        for union, a, b in ((targets, one.targets, other.targets), (frames, one.frames, other.frames)):
            union[..., empty_class] = 1 - _either(1 - a[..., empty_class], 1 - b[..., empty_class])
    return Labels(targets, frames, torch.minimum(one.weight, other.weight))


def _either(a: Tensor, b: Tensor) -> Tensor:
    """The larger one; if one of them is unknown, only a certain call in the other decides."""
    return torch.where((a == 1) | (b == 1), 1.0, torch.maximum(a, b))  # maximum hands NaN on
