"""The front end whose every step is a knob: spectrum, scale, compression, coefficients, deltas, normalisation, size."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn

from whalelib import filters
from whalelib.errors import InputError
from whalelib.features.cepstrum import Cepstrum, Delta
from whalelib.features.contract import SpectralFrontEnd
from whalelib.features.normalising import Normalise
from whalelib.features.pcen import PCEN
from whalelib.features.resizing import Resize
from whalelib.features.spectrum import FLOOR, BandPower

_DECIBELS = 10 / math.log(10)
# The spread of a picture below which only silence would be enlarged. One decibel is less than any real noise has.
_LEAST_SPREAD = {"db": 1.0, "log": 1 / _DECIBELS, "pcen": 1e-3, "power": FLOOR}
PICTURES = ("mel", "linear", "mfcc", "mel+mfcc")


class Spectrogram(SpectralFrontEnd):
    """The front end whose steps are knobs, in the order of this list of arguments.

    `front_end` is `mel` (triangular bands on `mel_scale`), `linear` (every bin of the band), `mfcc` or `mel+mfcc` (two
    channels). `compress` is `db`, `log` (natural), `pcen` or `power` (none); coefficients are always those of decibels.
    `deltas` adds first, or first and second, differences as channels. Single precision, whatever surrounds it.
    """

    def __init__(
        self,
        sample_rate: int,
        clip_seconds: float = 3.0,
        *,
        front_end: str = "mel",
        window_seconds: float = 0.256,
        hop_seconds: float = 0.032,
        n_mels: int = 64,
        band_low_hz: float = 10.0,
        band_high_hz: float = 950.0,
        mel_scale: str = "break",
        mel_break_hz: float = 100.0,
        filter_height: str = "peak",
        compress: str = "db",
        top_db: float = 0.0,
        pcen_seconds: float = 0.4,
        pcen_gain: float = 0.98,
        pcen_bias: float = 2.0,
        pcen_power: float = 0.5,
        pcen_trainable: bool = False,
        n_mfcc: int = 0,
        deltas: int = 0,
        normalise: str = "band",
        picture_bands: int = 0,
        picture_frames: int = 0,
    ) -> None:
        super().__init__()
        n_fft, hop = round(window_seconds * sample_rate), round(hop_seconds * sample_rate)
        if n_fft < 2 or hop < 1:
            raise InputError(
                f"window_seconds {window_seconds:g} and hop_seconds {hop_seconds:g} are less than a sample at "
                f"{sample_rate} Hz: lengthen them."
            )
        for knob, value, known in (
            ("front_end", front_end, PICTURES),
            ("compress", compress, tuple(_LEAST_SPREAD)),
            ("filter_height", filter_height, ("peak", "area")),
            ("deltas", deltas, (0, 1, 2)),
        ):
            if value not in known:
                raise InputError(f"{knob} cannot be {value!r}: it is one of {', '.join(map(str, known))}.")
        self.sample_rate, self.front_end = sample_rate, front_end
        self.sees_mel, self.sees_mfcc = front_end != "mfcc", "mfcc" in front_end
        self.compress, self.top_db = compress if self.sees_mel else "db", top_db  # coefficients are those of decibels
        if front_end == "linear":
            weights = band_of_bins(sample_rate, n_fft, band_low_hz, band_high_hz)
        else:
            weights = filters.triangles(
                sample_rate, n_fft, n_mels, band_low_hz, band_high_hz, scale=mel_scale, break_hz=mel_break_hz,
                height=filter_height,
            )  # fmt: skip
        window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft)
        self.spectrum = BandPower(window, hop, n_fft, weights)
        rows = self.spectrum.bands
        self.cepstrum = None
        if self.sees_mfcc:
            if self.sees_mel and n_mfcc not in (0, rows):
                raise InputError(
                    f"n_mfcc {n_mfcc} with front_end mel+mfcc: both channels have {rows} rows, so set n_mfcc to 0."
                )
            self.cepstrum = Cepstrum(rows, n_mfcc or rows)
            rows = n_mfcc or rows
        # Where nothing needs the power itself, its logarithm is taken while it is still in the cache.
        self.at_once = self.compress == "db" or (self.compress == "log" and not self.sees_mfcc)
        self.unit = 1.0 if self.compress == "log" else _DECIBELS
        self.pcen = None
        if self.compress == "pcen":
            pcen = pcen_seconds, pcen_gain, pcen_bias, pcen_power
            self.pcen = PCEN(self.spectrum.bands, sample_rate / hop, *pcen, trainable=pcen_trainable)
        self.deltas = nn.ModuleList(Delta(order) for order in range(1, deltas + 1))
        self.channels = (self.sees_mel + self.sees_mfcc) * (1 + deltas)
        frames = self.spectrum.frames(round(clip_seconds * sample_rate))
        self.resize = Resize(rows, frames, picture_bands, picture_frames)
        self.bands = self.resize.bands
        self.hop = hop if self.resize.step == 1.0 else hop * self.resize.step
        self.normalise = Normalise(normalise, self.channels, self.bands, _LEAST_SPREAD[self.compress])

    def frames(self, samples: int) -> int:
        """How many columns the picture of a waveform of this length has."""
        return self.resize.frames(self.spectrum.frames(samples))

    def fit(self, waveform: Tensor) -> None:
        """Take the data set's mean and spread from these clips, if they are wanted and not known yet."""
        if not self.normalise.fitted:
            with torch.no_grad():
                self.normalise.fit(self._plain(self.levels(waveform)))

    def levelled(self, power: Tensor) -> Tensor:
        return _level(power, self.unit) if self.at_once else power

    def drawn(self, levels: Tensor) -> Tensor:
        return self.normalise(self._plain(levels))

    def _plain(self, levels: Tensor) -> Tensor:
        """The picture before it is normalised."""
        channels = []
        if self.sees_mel:
            channels.append(self._compressed(levels))
        if self.cepstrum is not None:
            channels.append(self.cepstrum(self._decibels(levels)))
        picture = torch.stack(channels, dim=1) if len(channels) > 1 else channels[0][:, None]
        if len(self.deltas):
            picture = torch.cat([picture, *(delta(picture) for delta in self.deltas)], dim=1)
        return self.resize(picture)

    def _compressed(self, power: Tensor) -> Tensor:
        if self.pcen is not None:
            return self.pcen(power)
        if self.compress == "power":
            return power
        return self._limited(power, self.unit)

    def _decibels(self, power: Tensor) -> Tensor:
        return self._limited(power, _DECIBELS)

    def _limited(self, power: Tensor, unit: float) -> Tensor:
        """Its level (which it may be already), nothing further than `top_db` below the clip's loudest point."""
        level = power if self.at_once else _level(power.clone(), unit)
        if not self.top_db:
            return level
        return torch.maximum(level, level.amax((1, 2), keepdim=True) - self.top_db / _DECIBELS * unit)


def _level(power: Tensor, unit: float) -> Tensor:
    """So many units to a factor of e, in place: 1 gives the natural logarithm, 10 / ln 10 decibels."""
    level = power.clamp_(min=FLOOR).log_()
    return level if unit == 1.0 else level.mul_(unit)


def band_of_bins(sample_rate: int, n_fft: int, low_hz: float, high_hz: float) -> np.ndarray:
    """Every bin of the spectrum inside a band as a row of its own, [n_fft // 2 + 1, rows]."""
    filters.check_band(sample_rate, low_hz, high_hz)
    bins = np.arange(n_fft // 2 + 1) * (sample_rate / n_fft)
    inside = np.flatnonzero((bins >= low_hz) & (bins <= high_hz))
    if not len(inside):
        raise InputError(
            f"the band {low_hz:g} to {high_hz:g} Hz holds no frequency bin, because bins lie {sample_rate / n_fft:.1f} "
            "Hz apart: lengthen window_seconds or widen the band."
        )
    rows = np.zeros((len(bins), len(inside)))
    rows[inside, np.arange(len(inside))] = 1.0
    return rows
