"""Are two stretches one sound? Their cross-correlation says so, whatever the level, the format or the beginning."""

from __future__ import annotations

import numpy as np

SAME = 0.6  # correlation above which two stretches are one sound
_LEAST_SAMPLES = 64


def correlation(one: np.ndarray, other: np.ndarray) -> float:
    """The highest correlation of two sounds at any lag and of either polarity, each spectrum flattened by half.

    Flattened, the noise behind a call counts as much as the call: two calls of a kind, or two recordings with one hum,
    are not one sound, while in a copy the noise agrees as well.
    """
    if min(len(one), len(other)) < _LEAST_SAMPLES:
        return 0.0
    size = 1 << int(np.ceil(np.log2(len(one) + len(other))))
    spectra = [np.fft.rfft(sound - sound.mean(), size) for sound in (one, other)]
    flat = [spectrum / np.sqrt(np.abs(spectrum) + 1e-12) for spectrum in spectra]
    both = np.abs(np.fft.irfft(flat[0] * np.conj(flat[1]), size)).max()
    norm = np.prod([np.sqrt(np.fft.irfft(np.abs(s) ** 2, size)[0]) for s in flat])
    return float(both / norm) if norm > 0 else 0.0
