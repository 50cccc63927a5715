"""The front end: waveform in, picture out, batched and on the device of its buffers.

It is a module that the checkpoint carries, so the picture at inference cannot differ from the one in training.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from whalelib.errors import InputError

# Power below this (-100 dB re full scale) counts as silence; 16-bit quantisation noise lies above it.
_FLOOR = 1e-10
_BLOCK = 16  # clips transformed at once: the spectra of a block stay in the processor's cache


def mel_filters(
    sample_rate: int, n_fft: int, n_mels: int, low_hz: float, high_hz: float, break_hz: float = 700.0
) -> Tensor:
    """Triangular filters of height one, [n_fft // 2 + 1, n_mels]; a filter without a bin is an InputError.

    Centres lie evenly on log(1 + f / break_hz): linear below the break, logarithmic above. 700 Hz is the mel scale of
    speech, which spends three bands on everything that a blue or fin whale says.
    """
    if not 0 <= low_hz < high_hz <= sample_rate / 2:
        raise InputError(
            f"the band {low_hz:g} to {high_hz:g} Hz does not fit a sample_rate of {sample_rate} Hz: keep band_low_hz "
            f"below band_high_hz and that at most {sample_rate / 2:g} Hz."
        )
    bins = torch.arange(n_fft // 2 + 1, dtype=torch.float64) * (sample_rate / n_fft)
    ends = math.log1p(low_hz / break_hz), math.log1p(high_hz / break_hz)
    edges = break_hz * torch.expm1(torch.linspace(*ends, n_mels + 2, dtype=torch.float64))
    low, centre, high = edges[:-2], edges[1:-1], edges[2:]
    rising = (bins[:, None] - low) / (centre - low)
    falling = (high - bins[:, None]) / (high - centre)
    filters = torch.clamp(torch.minimum(rising, falling), min=0)
    empty = torch.nonzero(filters.sum(0) <= 0).flatten()
    if len(empty):
        k = int(empty[0])
        raise InputError(
            f"mel band {k + 1} of {n_mels} ({edges[k]:.1f} to {edges[k + 2]:.1f} Hz) holds no frequency bin, because "
            f"bins lie {sample_rate / n_fft:.1f} Hz apart: lower n_mels, lengthen window_seconds, or widen the band."
        )
    return filters.float()


class LogMel(nn.Module):
    """Log-power mel spectrogram, [B, N] to [B, 1, n_mels, frames]; frame t is centred on t * hop_seconds.

    `normalise` takes the level out of the picture: "clip" subtracts the clip's mean and divides by its spread; "band"
    subtracts each band's own mean over time, which also takes out steady noise and tonals, and divides by the clip's
    spread; "none" leaves decibels. Silence becomes a picture of zeros.
    """

    def __init__(
        self,
        sample_rate: int,
        window_seconds: float = 0.256,
        hop_seconds: float = 0.032,
        n_mels: int = 64,
        band_low_hz: float = 10.0,
        band_high_hz: float = 950.0,
        mel_break_hz: float = 100.0,
        normalise: str = "band",
    ) -> None:
        super().__init__()
        self.sample_rate = sample_rate
        self.n_fft = round(window_seconds * sample_rate)
        self.hop = round(hop_seconds * sample_rate)
        if self.n_fft < 2 or self.hop < 1:
            raise InputError(
                f"window_seconds {window_seconds:g} and hop_seconds {hop_seconds:g} are less than a sample at "
                f"{sample_rate} Hz: lengthen them."
            )
        if normalise not in ("none", "clip", "band"):
            raise InputError(f"normalise cannot be {normalise!r}: it is one of none, clip, band.")
        self.channels, self.bands, self.normalise = 1, n_mels, normalise
        filters = mel_filters(sample_rate, self.n_fft, n_mels, band_low_hz, band_high_hz, mel_break_hz)
        # Only the bins inside the band are multiplied; the rest of the spectrum never leaves the transform.
        used = torch.nonzero(filters.sum(1)).flatten()
        self.first_bin, self.last_bin = int(used[0]), int(used[-1]) + 1
        self.filters: Tensor
        self.window: Tensor
        self.register_buffer("filters", filters[self.first_bin : self.last_bin].contiguous(), persistent=False)
        self.register_buffer("window", torch.hann_window(self.n_fft), persistent=False)

    def frames(self, samples: int) -> int:
        """How many frames a waveform of this length gives."""
        return 1 + (samples - self.n_fft % 2) // self.hop  # an odd window reaches a sample less far beyond the end

    def forward(self, waveform: Tensor) -> Tensor:
        if waveform.shape[-1] <= self.n_fft // 2:
            raise InputError(
                f"a clip of {waveform.shape[-1]} samples is shorter than half an analysis window "
                f"({self.n_fft // 2} samples): pad the clip or shorten window_seconds."
            )
        # Decibels of quiet sea need single precision whatever the network runs in.
        with torch.autocast(waveform.device.type, enabled=False):
            power = torch.cat([self._mel_power(block) for block in waveform.float().split(_BLOCK)])
            picture = 10.0 * torch.log10(power.clamp(min=_FLOOR))
            return self._normalised(picture)[:, None]

    def _mel_power(self, waveform: Tensor) -> Tensor:
        half = self.n_fft // 2
        padded = nn.functional.pad(waveform[:, None], (half, half), mode="reflect")[:, 0]
        framed = padded.unfold(-1, self.n_fft, self.hop)
        spectrum = torch.fft.rfft(framed * self.window)[..., self.first_bin : self.last_bin]
        return ((spectrum.real.square() + spectrum.imag.square()) @ self.filters).transpose(1, 2)

    def _normalised(self, picture: Tensor) -> Tensor:
        if self.normalise == "none":
            return picture
        axes = (1, 2) if self.normalise == "clip" else (2,)
        centred = picture - picture.mean(axes, keepdim=True)
        # One decibel of spread is less than any real noise has; below it there is only silence to enlarge.
        return centred / centred.square().mean((1, 2), keepdim=True).sqrt().clamp(min=1.0)
