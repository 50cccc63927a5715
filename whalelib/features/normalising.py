"""What is taken out of a picture before the network sees it: level, spread, steady noise."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from whalelib.errors import InputError
from whalelib.features.spectrum import is_exported

# Over which axes of [B, channels, bands, frames] mean and spread are taken.
_AXES = {
    "clip": ((1, 2, 3), (1, 2, 3)),
    "channel": ((2, 3), (2, 3)),
    "frequency": ((3,), (3,)),
    "band": ((3,), (1, 2, 3)),
}
KINDS = ("none", *_AXES, "minmax", "dataset")


class Normalise(nn.Module):
    """Pictures [B, channels, bands, frames] with their level and spread taken out. Silence becomes zeros.

    - none: as they are
    - clip: mean and spread of the whole clip, all channels together
    - channel: each channel by its own mean and spread
    - frequency: each band by its own mean and spread over time
    - band: each band by its own mean over time, which takes out steady noise and tonals, and the clip's spread
    - minmax: each clip from 0 to 1
    - dataset: each band by its mean and spread over the training clips, which `fit` finds and the checkpoint carries

    `least` is the spread below which there is only silence to enlarge.
    """

    def __init__(self, kind: str, channels: int, bands: int, least: float = 1.0) -> None:
        super().__init__()
        if kind not in KINDS:
            raise InputError(f"normalise cannot be {kind!r}: it is one of {', '.join(KINDS)}.")
        self.kind, self.least = kind, least
        if kind == "dataset":
            self.mean: Tensor
            self.spread: Tensor
            self.register_buffer("mean", torch.full((channels, bands, 1), torch.nan))
            self.register_buffer("spread", torch.full((channels, bands, 1), torch.nan))

    def fit(self, pictures: Tensor) -> None:
        """Take mean and spread of the data set from a sample of its pictures."""
        self.mean.copy_(pictures.mean((0, 3))[..., None])
        self.spread.copy_(pictures.std((0, 3), correction=0)[..., None].clamp(min=self.least))

    @property
    def fitted(self) -> bool:
        """Is there nothing left to be learnt from the training clips?"""
        return self.kind != "dataset" or bool(self.mean.isfinite().all())

    def forward(self, picture: Tensor) -> Tensor:
        if self.kind == "none":
            return picture
        if self.kind == "dataset":
            if not is_exported() and not self.fitted:
                raise InputError(
                    "normalise dataset does not know the data set yet: train the detector, or call the front end's fit "
                    "with training clips."
                )
            return (picture - self.mean) / self.spread
        if self.kind == "minmax":
            least, most = picture.amin((1, 2, 3), keepdim=True), picture.amax((1, 2, 3), keepdim=True)
            return (picture - least) / (most - least).clamp(min=self.least)
        of_mean, of_spread = _AXES[self.kind]
        centred = picture - picture.mean(of_mean, keepdim=True)
        return centred / centred.square().mean(of_spread, keepdim=True).sqrt().clamp(min=self.least)
