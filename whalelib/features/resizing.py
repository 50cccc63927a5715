"""Pictures of a fixed size, whose columns still lie at known times."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from whalelib.errors import InputError


def resampling_matrix(old: int, step: float, new: int) -> np.ndarray:
    """Weights [old, new] that read a line of `old` points at 0, step, 2 step, ...; smoothed where it shrinks."""
    distance = np.abs(np.arange(old)[:, None] - step * np.arange(new))
    weights = np.clip(1.0 - distance / max(step, 1.0), 0.0, None)
    return weights / weights.sum(0)


class Resize(nn.Module):
    """[..., bands, frames] to a picture with other numbers of rows and columns; 0 leaves one as it is.

    First row stays on first row and last on last, first column on the clip's beginning; the step from column to column
    is fixed by the clip length the module was made for, so another length gives another number of columns.
    """

    def __init__(self, bands: int, frames: int, to_bands: int, to_frames: int) -> None:
        super().__init__()
        if to_frames == 1 or (to_frames and frames < 2):
            raise InputError(
                f"picture_frames cannot be {to_frames} for a picture of {frames} columns: both are two or more. "
                "Shorten hop_seconds, or set picture_frames to 0 to leave the columns as they are."
            )
        self.step = (frames - 1) / max(to_frames - 1, 1) if to_frames else 1.0
        self.bands = to_bands or bands
        self.rows: Tensor | None
        rows = None
        if to_bands and to_bands != bands:
            matrix = resampling_matrix(bands, (bands - 1) / max(to_bands - 1, 1), to_bands)
            rows = torch.from_numpy(matrix.T.astype(np.float32).copy())
        self.register_buffer("rows", rows, persistent=False)

    def frames(self, frames: int) -> int:
        """How many columns so many frames become."""
        return frames if self.step == 1.0 else 1 + int((frames - 1) / self.step + 1e-6)

    def forward(self, picture: Tensor) -> Tensor:
        if self.rows is not None:
            picture = self.rows @ picture
        frames = picture.shape[-1]
        if self.step != 1.0:
            columns = resampling_matrix(frames, self.step, self.frames(frames))
            picture = picture @ torch.from_numpy(columns.astype(np.float32)).to(picture.device)
        return picture
