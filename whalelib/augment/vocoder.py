"""Time stretched without a change of pitch."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F


class ShortSpectra:
    """Overlapping spectra of waveforms, [B, frames, bins], and back: four windows over every sample."""

    def __init__(self, window_samples: int, device: torch.device) -> None:
        self.hop = max(window_samples // 4, 1)
        self.size = 4 * self.hop
        self.window = torch.hann_window(self.size, device=device)

    def frames(self, samples: int) -> int:
        return -(-samples // self.hop) + 1

    def of(self, x: Tensor) -> Tensor:
        frames = self.frames(x.shape[-1])
        padded = F.pad(x, (self.size // 2, (frames - 1) * self.hop + self.size // 2 - x.shape[-1]))
        return torch.fft.rfft(padded.unfold(-1, self.size, self.hop) * self.window)

    def back(self, spectra: Tensor, samples: int) -> Tensor:
        sound = torch.fft.irfft(spectra, n=self.size).mul_(self.window)
        weight = self.window.square().expand(1, spectra.shape[1], -1)
        ends = slice(self.size // 2, self.size // 2 + samples)
        return self._overlapped(sound)[:, ends] / self._overlapped(weight)[:, ends].clamp(min=1e-3)

    def _overlapped(self, pieces: Tensor) -> Tensor:
        clips, frames, _ = pieces.shape
        total = pieces.new_zeros(clips, (frames + 3) * self.hop)
        for part in range(4):
            quarter = pieces[..., part * self.hop : (part + 1) * self.hop].reshape(clips, -1)
            total[:, part * self.hop : (part + frames) * self.hop] += quarter
        return total


def stretched(x: Tensor, where: Callable[[int], Tensor], window_samples: int, samples: int) -> Tensor:
    """Waveforms [B, samples] whose short spectra are taken from elsewhere in time, with the pitch kept.

    `where(frames)` [B, frames] says at which frame of the old sound each frame of the new one is. This is a phase
    vocoder: levels are interpolated, and phases go on from frame to frame by what they went on there.
    """
    short = ShortSpectra(window_samples, x.device)
    spectra, source = short.of(x), where(short.frames(samples))
    row, last = torch.arange(len(x), device=x.device)[:, None], spectra.shape[1] - 1
    inside = ((source > -1) & (source < last + 1)).to(x.dtype)[..., None]
    first = source.floor().clamp(0, last - 1)
    part = (source - first).clamp(0, 1)[..., None] * inside
    index = first.long()
    level = (spectra.real.square() + spectra.imag.square()).sqrt_()  # abs() guards against overflow, at five times this
    levels = level[row, index].mul_(inside - part).add_(level[row, index + 1].mul_(part))
    turn = _unit(spectra[:, 1:] * spectra[:, :-1].conj())
    phases = torch.cat([torch.ones_like(turn[:, :1]), turn[row, index[:, :-1]]], dim=1)
    for frame in range(1, phases.shape[1]):  # three times as fast as a product along an axis that is not the last
        phases[:, frame] *= phases[:, frame - 1]
    phases *= _anchor(spectra, turn, phases, source, index)
    return short.back(phases.mul_(levels), samples)


def _anchor(spectra: Tensor, turn: Tensor, phases: Tensor, source: Tensor, index: Tensor) -> Tensor:
    """The turn [B, 1, bins] that gives `phases` those of the sound itself in its middle, where a call is likeliest."""
    row, middle = torch.arange(len(source), device=source.device), (source - turn.shape[1] / 2).abs().argmin(1)
    at = index[row, middle]
    # How far a bin's phase goes from frame to frame is known but for whole turns: about as far as its own frequency's.
    usual = torch.arange(spectra.shape[2], device=source.device) * (torch.pi / 2)
    going = usual + (turn[row, at] * torch.polar(torch.ones_like(usual), -usual)).angle()
    gone = (source[row, middle] - at)[:, None] * going
    there = _unit(spectra[row, at]) * torch.polar(torch.ones_like(gone), gone)
    return (there * phases[row, middle].conj())[:, None]


def _unit(z: Tensor) -> Tensor:
    """Complex numbers brought to length one; silence has a phase of zero."""
    return torch.sgn(z + 1e-30)
