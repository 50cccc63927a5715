"""From bands to coefficients, and from frames to their slopes: fixed matrices, so that they run anywhere."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from whalelib.errors import InputError

DELTA_WIDTH = 9  # frames over which a slope is fitted


class Cepstrum(nn.Module):
    """The orthonormal cosine transform over bands, [B, bands, frames] to [B, coefficients, frames]."""

    def __init__(self, bands: int, coefficients: int) -> None:
        super().__init__()
        if not 1 <= coefficients <= bands:
            raise InputError(
                f"{coefficients} coefficients cannot be had from {bands} bands: lower n_mfcc or raise n_mels."
            )
        k, n = np.arange(coefficients)[:, None], np.arange(bands)
        basis = np.cos(np.pi * k * (2 * n + 1) / (2 * bands)) * np.sqrt(2.0 / bands)
        basis[0] /= np.sqrt(2.0)
        self.basis: Tensor
        self.register_buffer("basis", torch.from_numpy(basis.astype(np.float32)), persistent=False)

    def forward(self, picture: Tensor) -> Tensor:
        return self.basis @ picture


class Delta(nn.Module):
    """The slope (order 1) or the curvature (order 2) over time of a polynomial fitted to nine frames around each.

    Near the ends, where there are no nine frames around, the fit to the first or last nine is taken, as librosa
    does; of a polynomial of this order that derivative is the same everywhere.
    """

    def __init__(self, order: int) -> None:
        super().__init__()
        half = DELTA_WIDTH // 2
        fit = np.linalg.pinv(np.vander(np.arange(-half, half + 1), order + 1, increasing=True))
        kernel = math.factorial(order) * fit[order]
        self.kernel: Tensor
        self.register_buffer("kernel", torch.from_numpy(kernel.astype(np.float32))[None, None], persistent=False)

    def forward(self, picture: Tensor) -> Tensor:
        frames = picture.shape[-1]
        if frames < DELTA_WIDTH:
            raise InputError(
                f"a picture of {frames} frames has no deltas, which want {DELTA_WIDTH}: shorten hop_seconds, lengthen "
                "the clip, or set deltas to 0."
            )
        slopes = F.conv1d(picture.reshape(-1, 1, frames), self.kernel)
        half = DELTA_WIDTH // 2
        return F.pad(slopes, (half, half), mode="replicate").view(picture.shape)
