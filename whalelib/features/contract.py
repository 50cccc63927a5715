"""What every front end is and says of itself."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from whalelib.errors import InputError
from whalelib.features.spectrum import BandPower, is_exported


class FrontEnd(nn.Module):
    """Waveform [B, N] to picture [B, channels, bands, frames]; frame t is centred on sample t * hop."""

    sample_rate: int
    channels: int
    bands: int
    hop: float  # samples from one frame to the next; whole, unless the picture was resized

    def frames(self, samples: int) -> int:
        """How many frames the picture of a waveform of this length has."""
        raise NotImplementedError

    def fit(self, waveform: Tensor) -> None:
        """Learn from training clips what the picture needs to know of them; most pictures need nothing."""

    def forward(self, waveform: Tensor) -> Tensor:
        raise NotImplementedError


class SpectralFrontEnd(FrontEnd):
    """One that begins with a spectrum: then each element is `levelled` by itself, then the window's picture is `drawn`.

    Overlapping windows can share all but the drawing, which alone may look at the whole window.
    """

    spectrum: BandPower

    def levelled(self, power: Tensor) -> Tensor:
        """What is done to each element of the spectrum's power; it may work in place."""
        raise NotImplementedError

    def drawn(self, levels: Tensor) -> Tensor:
        """The picture of the levels [B, bands, frames] of whole clips."""
        raise NotImplementedError

    def levels(self, waveform: Tensor) -> Tensor:
        """The spectrum of a waveform, levelled: [B, bands, frames]."""
        self.spectrum.check_length(waveform.shape[-1])
        return self.spectrum(checked(waveform), self.levelled)

    def forward(self, waveform: Tensor) -> Tensor:
        # Decibels of quiet sea need single precision whatever the network runs in.
        with torch.autocast(waveform.device.type, enabled=False):
            return self.drawn(self.levels(waveform))


def checked(waveform: Tensor) -> Tensor:
    """Samples in single precision, each of them a number.

    On an accelerator, where a look would make it wait, a sample that is none counts as silence.
    """
    waveform = waveform.float()
    if is_exported():
        return waveform
    if waveform.device.type != "cpu":
        return waveform.nan_to_num(0.0, 0.0, 0.0)
    if not torch.isfinite(waveform.sum()) and not torch.isfinite(waveform).all():
        row = int(torch.nonzero(~torch.isfinite(waveform).all(-1))[0])
        raise InputError(
            f"clip {row} of the batch holds samples that are no numbers (NaN or infinite): leave it out, or replace "
            "them with zeros."
        )
    return waveform
