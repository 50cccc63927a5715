"""How much of a recording is silent or clipped, measured on the samples of its file while it is scanned."""

from __future__ import annotations

import numpy as np

_FULL_SCALE = 1 - 2**-15  # the highest value that 16 bits have; the lowest is -1 with any number of bits
_FEWEST_SAMPLES = 20  # fewer may be equal by chance


class Levels:
    """Counts tenths of a second in which no sample changes, and such that hold a sample at full scale."""

    def __init__(self) -> None:
        self._samples = self._silent = self._clipped = 0
        self._rest = np.empty((0, 1), dtype=np.float32)

    def hear(self, samples: np.ndarray, rate: int) -> None:
        """The next samples [samples, channels] of the file."""
        tenth = max(rate // 10, _FEWEST_SAMPLES)
        samples = np.concatenate([self._rest, samples]) if len(self._rest) else samples
        used = len(samples) // tenth * tenth
        self._count(samples[:used].reshape(-1, tenth, samples.shape[1]))
        self._rest = samples[used:].copy()

    def shares(self) -> tuple[float, float]:
        """Which share of all that was heard is silent, and which is clipped."""
        if len(self._rest):  # the end of the file, shorter than a tenth
            self._count(self._rest[None])
            self._rest = self._rest[:0]
        whole = max(self._samples, 1)
        return self._silent / whole, self._clipped / whole

    def _count(self, tenths: np.ndarray) -> None:
        """Count tenths [tenths, samples, channels]. What is no number equals nothing, and is no silence."""
        highest, lowest = tenths.max(axis=1), tenths.min(axis=1)
        length = tenths.shape[1]
        self._samples += len(tenths) * length
        self._silent += int((highest == lowest).all(axis=1).sum()) * length
        self._clipped += int(((highest >= _FULL_SCALE) | (lowest <= -_FULL_SCALE)).any(axis=1).sum()) * length
