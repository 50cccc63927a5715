"""Are two stretches one sound? Their cross-correlation says so, whatever the level, the format or the beginning."""

from __future__ import annotations

import numpy as np

SAME = 0.5  # correlation above which two stretches are one sound; of others it stays below half of that
LEAST_SAMPLES = 128  # of fewer, two noises may agree by chance
_LEVEL_SECONDS = 0.1  # over which the level is taken out


def correlation(one: np.ndarray, other: np.ndarray, rate: int) -> float:
    """The highest correlation of two sounds at any lag and of either polarity, evened out in time and frequency.

    Each moment is brought to one level and each spectrum flattened by half, so that the noise behind a call counts as
    much as the call: two calls of a kind, two knocks, or two recordings with one hum are not one sound, while in a copy
    the noise agrees as well.
    """
    if min(len(one), len(other)) < LEAST_SAMPLES:
        return 0.0
    size = 1 << int(np.ceil(np.log2(len(one) + len(other))))
    spectra = [np.fft.rfft(_levelled(sound - sound.mean(), rate), size) for sound in (one, other)]
    flat = [spectrum / np.sqrt(np.abs(spectrum) + 1e-12) for spectrum in spectra]
    both = np.abs(np.fft.irfft(flat[0] * np.conj(flat[1]), size)).max()
    norm = np.prod([np.sqrt(np.fft.irfft(np.abs(s) ** 2, size)[0]) for s in flat])
    return float(both / norm) if norm > 0 else 0.0


def _levelled(sound: np.ndarray, rate: int) -> np.ndarray:
    """The sound divided by its own level, which moves with it."""
    width = max(round(_LEVEL_SECONDS * rate), 1)
    energy = np.concatenate([[0.0], np.cumsum(sound.astype(float) ** 2)])
    first = np.clip(np.arange(len(sound)) - width // 2, 0, None)
    last = np.clip(first + width, None, len(sound))
    power = (energy[last] - energy[first]) / (last - first)
    return sound / np.sqrt(power + 1e-6 * energy[-1] / len(sound) + 1e-20)
