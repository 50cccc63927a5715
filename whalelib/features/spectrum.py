"""Waveform to the power in each band: short Fourier transform and filters, in blocks that fit the cache."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from whalelib.errors import InputError

# Power below this (-100 dB re full scale) counts as silence; 16-bit quantisation noise lies above it.
FLOOR = 1e-10
# Framed samples that a processor transforms at once: fewer would wait for its threads, more for its memory.
_BLOCK_SAMPLES = 1 << 19
# Filters that are multiplied at once. Neighbours share most of their bins, far ones none: a product of all of them
# with the whole spectrum would multiply zeros.
_FILTERS_AT_ONCE = 16


def same(x: Tensor) -> Tensor:
    return x


class BandPower(nn.Module):
    """Power in bands, [B, N] to [B, bands, frames]: windowed frames, Fourier transform, squares, weighted sums.

    Frame t is centred on sample t * hop and the ends are mirrored, unless `centred` is false: then it begins there and
    only whole frames are taken. `filters` [bins, bands] gives the weights of the bins from 0 Hz up. `prepare`
    may change the frames before they are windowed (Kaldi's offset and pre-emphasis); it is linear.
    """

    def __init__(
        self,
        window: np.ndarray,
        hop: int,
        n_fft: int,
        filters: np.ndarray,
        centred: bool = True,
        prepare: Callable[[Tensor], Tensor] = same,
    ) -> None:
        super().__init__()
        self.n_fft, self.hop, self.length, self.centred, self.prepare = n_fft, hop, len(window), centred, prepare
        # For exports, which take constants from numpy: the window, and `prepare`, which is linear, as a matrix. (That
        # of doing nothing would be the square of a window long, gigabytes at high rates.)
        self._shape = window
        self._prepared = None if prepare is same else prepare(torch.eye(len(window), dtype=torch.float64)).T.numpy()
        used = np.flatnonzero(filters.sum(1))
        self.first_bin, self.last_bin = int(used[0]), int(used[-1]) + 1
        within = filters[self.first_bin : self.last_bin]
        self.bands = within.shape[1]
        self.groups = [_reach(within, k) for k in range(0, self.bands, _FILTERS_AT_ONCE)]
        # Each weight stands twice, for the real and the imaginary part, so that their squares are never added up first.
        twice = np.repeat(within, 2, axis=0)
        self.window: Tensor
        self.filters: Tensor
        self.register_buffer("window", torch.from_numpy(window.astype(np.float32)), persistent=False)
        self.register_buffer("filters", torch.from_numpy(twice.astype(np.float32)), persistent=False)

    def frames(self, samples: int) -> int:
        """How many frames a waveform of this length gives."""
        if self.centred:
            return 1 + (samples - self.length % 2) // self.hop  # an odd window reaches a sample less far past the end
        return 1 + (samples - self.length) // self.hop

    def check_length(self, samples: int) -> None:
        """Refuse a waveform that is too short to be mirrored, or to hold a frame."""
        least = self.length // 2 + 1 if self.centred else self.length
        if samples < least:
            raise InputError(
                f"a clip of {samples} samples is shorter than {'half an' if self.centred else 'an'} analysis window "
                f"({least} samples): pad the clip or shorten window_seconds."
            )

    @property
    def reach(self) -> int:
        """Samples that a frame hears before the one it lies on."""
        return self.length // 2 if self.centred else 0

    def forward(self, waveform: Tensor, then: Callable[[Tensor], Tensor] = same) -> Tensor:
        """The bands' power; `then` is done to every element while it is still in the cache, and may work in place."""
        return self.across(self.mirrored(waveform, self.reach, self.reach), then)

    @staticmethod
    def mirrored(waveform: Tensor, before: int, after: int) -> Tensor:
        """A waveform [B, N] with so many samples mirrored at its ends."""
        if not before and not after:
            return waveform
        return F.pad(waveform[:, None], (before, after), mode="reflect")[:, 0]

    def across(self, waveform: Tensor, then: Callable[[Tensor], Tensor] = same) -> Tensor:
        """The same of the frames that lie wholly within a waveform; the first one begins with it."""
        if is_exported():
            return then(self._by_convolution(waveform))
        framed = waveform.unfold(-1, self.length, self.hop)
        if waveform.device.type != "cpu":
            return then(self._power(framed, [(0, self.bands, 0, len(self.filters) // 2)]))
        _, frames, length = framed.shape
        whole = max(_BLOCK_SAMPLES // (frames * length), 1)
        part = min(frames, max(_BLOCK_SAMPLES // length, 1))
        blocks = [
            torch.cat([then(self._power(f, self.groups)) for f in block.split(part, dim=1)], dim=2)
            if part < frames
            else then(self._power(block, self.groups))
            for block in framed.split(whole)
        ]
        return blocks[0] if len(blocks) == 1 else torch.cat(blocks)

    def _power(self, framed: Tensor, groups: list[tuple[int, int, int, int]]) -> Tensor:
        clips, frames, _ = framed.shape
        spectrum = torch.fft.rfft(self.prepare(framed) * self.window, n=self.n_fft)
        squares = torch.view_as_real(spectrum)[:, :, self.first_bin : self.last_bin].square_()
        across = squares.reshape(clips * frames, -1).T
        bands = [self.filters[2 * low : 2 * high, a:b].T @ across[2 * low : 2 * high] for a, b, low, high in groups]
        power = bands[0] if len(bands) == 1 else torch.cat(bands)
        return power.view(self.bands, clips, frames).transpose(0, 1)

    def _by_convolution(self, waveform: Tensor) -> Tensor:
        """The same by products with sines and cosines: slower, but every export format and its runtimes know it."""
        bins = np.arange(self.first_bin, self.last_bin)
        turn = 2 * np.pi * bins[:, None] * np.arange(self.length) / self.n_fft
        waves = np.stack([np.cos(turn), np.sin(turn)], axis=1).reshape(-1, self.length) * self._shape
        if self._prepared is not None:
            waves = waves @ self._prepared
        kernels = torch.from_numpy(waves.astype(np.float32)).to(waveform.device)
        spectrum = F.conv1d(waveform[:, None], kernels[:, None], stride=self.hop)
        return self.filters.T @ spectrum.square()


def _reach(filters: np.ndarray, first: int) -> tuple[int, int, int, int]:
    """The filters of a group (from, to) and the bins that any of them holds (from, to)."""
    last = min(first + _FILTERS_AT_ONCE, filters.shape[1])
    held = np.flatnonzero(filters[:, first:last].sum(1))
    return first, last, int(held[0]), int(held[-1]) + 1


def is_exported() -> bool:
    """Is this call being recorded for an export?"""
    exporting = getattr(torch.compiler, "is_exporting", torch.compiler.is_compiling)  # torch 2.6 knows the second alone
    return exporting() or torch.onnx.is_in_onnx_export() or torch.jit.is_tracing()
