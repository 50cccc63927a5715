"""Fourier transforms that several augmentations share: filtering, and reading at other places than the samples."""

from __future__ import annotations

import torch
from torch import Tensor

_FINER = 4


def filtered(x: Tensor, response: Tensor) -> Tensor:
    """Waveforms [B, N] with their spectra multiplied by a response [B or 1, N // 2 + 1]; no delay."""
    return torch.fft.irfft(torch.fft.rfft(x).mul_(response), n=x.shape[-1])


def bins(samples: int, device: torch.device) -> Tensor:
    """The frequency of each bin of a spectrum as a share of half the sample rate, [samples // 2 + 1]."""
    return torch.arange(samples // 2 + 1, device=device) * (2 / samples)


def read_at(x: Tensor, position: Tensor, rate: Tensor) -> Tensor:
    """Waveforms [B, N] read at other places than their samples, [B, M]; silence outside.

    What would fold back when it is read `rate` [B] times as fast is taken out first. Several times as many samples, by
    Fourier, make the cubic between four of them good up to half the sample rate.
    """
    samples = x.shape[-1]
    spectra = torch.fft.rfft(x).mul_(bins(samples, x.device) <= 1 / rate.clamp(min=1.0)[:, None])
    if samples % 2 == 0:
        spectra[:, -1] *= 0.5  # half of it belongs to the negative frequency that now stands apart from it
    fine = torch.fft.irfft(spectra, n=_FINER * samples).mul_(_FINER)
    at = position * _FINER
    first = at.floor()
    t = at - first
    index = first.long()
    a, b, c, d = (fine.gather(1, (index + k).clamp(0, _FINER * samples - 1)) for k in (-1, 0, 1, 2))
    cubic = b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))
    return cubic.masked_fill_((position < 0) | (position > samples - 1), 0.0)
