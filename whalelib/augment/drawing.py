"""Chance that can be repeated: what is drawn depends on seed, step and place alone."""

from __future__ import annotations

import numpy as np


class Dice:
    """The numbers of one entry of the list at one step of a training, one for each clip of the batch.

    They are drawn on the processor, so every device hears the same; a training that goes on after a stop draws at step
    1000 what an unbroken one would have drawn there, because nothing is carried from step to step. Each kind of number
    has a stream of its own, so what the third clip draws does not depend on how many clips come after it.
    """

    def __init__(self, key: tuple[int, ...], clips: int) -> None:
        self.key, self.clips, self.streams = key, clips, 0

    def uniform(self, columns: int | None = None) -> np.ndarray:
        """Numbers in [0, 1)."""
        return self._stream().random(self.clips if columns is None else (self.clips, columns))

    def signs(self) -> np.ndarray:
        return np.where(self.uniform() < 0.5, -1.0, 1.0)

    def whole(self, below: int) -> np.ndarray:
        """Whole numbers from 0 up to one less than `below`."""
        return (self.uniform() * below).astype(np.int64)

    def beta(self, alpha: float) -> np.ndarray:
        """Numbers in [0, 1] of the symmetrical Beta distribution."""
        return self._stream().beta(alpha, alpha, self.clips)

    def _stream(self) -> np.random.Generator:
        self.streams += 1
        return np.random.default_rng([*self.key, self.streams])
