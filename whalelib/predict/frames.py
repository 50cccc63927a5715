"""Pictures of overlapping windows: the frames that neighbours share are computed once."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from whalelib.features import SpectralFrontEnd


class Pictures:
    """The pictures of windows, `hop` samples apart, that lie in one stretch of sound.

    A frame of the middle of a window is the same in all windows that hold it, where these lie a whole number of frames
    apart; those at its ends, which hear the mirrored window beyond them, are its own, and so is what is done to whole
    pictures. Where that saves nothing, every window is taken by itself.
    """

    def __init__(self, front_end: nn.Module, length: int, hop: float) -> None:
        self.front_end, self.length, self.hop = front_end, length, hop
        self.shared = isinstance(front_end, SpectralFrontEnd) and self._plan(front_end)

    def _plan(self, front_end: SpectralFrontEnd) -> bool:
        """Where the own frames of a window end and begin; is anything gained by it?"""
        spectrum = front_end.spectrum
        step, reach, frames = spectrum.hop, spectrum.reach, spectrum.frames(self.length)
        if self.hop != int(self.hop) or int(self.hop) % step:
            return False
        self.first = math.ceil(reach / step)  # of the shared frames
        self.after = (self.length + reach - spectrum.length) // step + 1  # the first frame behind them
        self.offset = self.first * step - reach  # of the first shared frame's beginning
        # The ends, long enough to be mirrored: from a window's first sample on, and up to its last.
        self.head = max((self.first - 1) * step - reach + spectrum.length, reach + 1)
        begin = self.after * step - reach
        self.skipped = max(math.ceil((reach + 1 - (self.length - begin)) / step), 0)
        self.tail = self.length - (begin - self.skipped * step)
        own = self.first + frames - self.after
        fits = self.after > self.first and max(self.head, self.tail) <= self.length
        return fits and int(self.hop) // step + own < frames

    def __call__(self, stretch: Tensor, starts: list[int]) -> Tensor:
        """The pictures [windows, channels, bands, frames] of the windows that begin on these samples of a stretch."""
        if not self.shared:
            return self.front_end(torch.stack([stretch[start : start + self.length] for start in starts]))
        hop, windows, stretch = int(self.hop), len(starts), stretch[starts[0] :]
        front_end = self.front_end
        assert isinstance(front_end, SpectralFrontEnd)
        spectrum, reach = front_end.spectrum, front_end.spectrum.reach
        shared = spectrum.across(stretch[None, self.offset :], front_end.levelled)[0]
        middles = shared.unfold(-1, self.after - self.first, hop // spectrum.hop)[:, :windows].transpose(0, 1)
        parts = [middles]
        if self.first:
            heads = stretch.unfold(0, self.head, hop)[:windows]
            parts.insert(0, spectrum.across(spectrum.mirrored(heads, reach, 0), front_end.levelled)[..., : self.first])
        if self.after < spectrum.frames(self.length):
            tails = stretch[self.length - self.tail :].unfold(0, self.tail, hop)[:windows]
            parts.append(spectrum.across(spectrum.mirrored(tails, 0, reach), front_end.levelled)[..., self.skipped :])
        return front_end.drawn(torch.cat(parts, dim=-1))
