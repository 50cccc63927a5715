"""Fingerprints: small pictures of the most striking moments of a recording, alike in copies of it.

The moments are chosen by the sound itself, so a copy that begins earlier or later, is louder, or has another format
chooses the same ones. Each band's steady level is taken out first, so that a recorder's hum makes no two files alike.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import soxr
from numpy.lib.stride_tricks import sliding_window_view

FRAME_SECONDS, HOP_SECONDS = 0.256, 0.032
BANDS = 16
LOWEST_HZ = 20.0
REACH = 8  # frames before and after the moment
EVERY = 3  # of which every third is kept: 6 of them
QUIET = 1e-2  # share of the mean power below which a band is silent, so that faint noise makes no copy another sound
DIMENSIONS = BANDS * len(range(-REACH, REACH + 1, EVERY))


@dataclass(frozen=True)
class Anchors:
    """Fingerprints with the number of their recording, their time in it, and how striking the moment is."""

    vectors: np.ndarray  # [n, DIMENSIONS], each of length one
    number: np.ndarray
    seconds: np.ndarray
    strength: np.ndarray

    @staticmethod
    def none() -> Anchors:
        return Anchors(np.zeros((0, DIMENSIONS), np.float32), np.zeros(0, np.int64), np.zeros(0), np.zeros(0))

    @staticmethod
    def join(parts: list[Anchors]) -> Anchors:
        parts = [*parts, Anchors.none()]
        names = ("vectors", "number", "seconds", "strength")
        return Anchors(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))

    def take(self, which: np.ndarray) -> Anchors:
        return Anchors(self.vectors[which], self.number[which], self.seconds[which], self.strength[which])

    def strongest(self, count: int) -> Anchors:
        return self.take(np.argsort(-self.strength, kind="stable")[:count])

    def of(self, number: int) -> Anchors:
        return replace(self, number=np.full(len(self.number), number))


def fingerprint(samples: np.ndarray, rate: int, onset: float, highest_hz: float, count: int) -> Anchors:
    """The fingerprints of up to `count` moments of a stretch of sound that begins at `onset`."""
    if rate > 4 * highest_hz:  # what lies far above the bands would only cost time and memory
        lower = max(round(4 * highest_hz), 1)
        samples, rate = soxr.resample(samples, rate, lower), lower
    size, hop = max(round(FRAME_SECONDS * rate), 2), max(round(HOP_SECONDS * rate), 1)
    if len(samples) < size or not np.any(samples != samples[0]):
        return Anchors.none()
    missing = size + 2 * REACH * hop - len(samples)
    if missing > 0:  # silence around a short sound, so that it has a moment with all that belongs to it
        samples = np.pad(samples - samples.mean(), (missing // 2, missing - missing // 2))
        onset -= missing // 2 / rate
    frames = sliding_window_view(samples, size)[::hop] * np.hanning(size).astype(np.float32)
    power = np.abs(np.fft.rfft(frames, axis=1)).astype(np.float32) ** 2
    # The same bands in Hz whatever the rate is, so that a resampled copy stays a copy.
    edges = np.geomspace(LOWEST_HZ, max(highest_hz, 2 * LOWEST_HZ), BANDS + 1) * size / rate
    bins = np.arange(power.shape[1])[:, None]
    banded = power @ ((bins >= edges[:-1]) & (bins < edges[1:])).astype(np.float32)
    picture = np.log10(banded + QUIET * banded.mean() + 1e-20)
    picture -= picture.mean(axis=0)
    striking = np.convolve(np.maximum(picture, 0).sum(axis=1), np.ones(3) / 3, mode="same")
    inner = striking[REACH : len(striking) - REACH].copy()
    vectors, at, strength = [], [], []
    for _ in range(count):
        k = int(np.argmax(inner))
        if inner[k] <= 0:
            break
        patch = picture[k : k + 2 * REACH + 1 : EVERY].ravel()
        length = float(np.linalg.norm(patch))
        if length > 0:
            vectors.append(patch / length)
            at.append(onset + ((k + REACH) * hop + size / 2) / rate)
            strength.append(float(inner[k]))
        inner[max(k - REACH, 0) : k + REACH + 1] = 0
    if not vectors:
        return Anchors.none()
    return Anchors(np.stack(vectors).astype(np.float32), np.zeros(len(at), np.int64), np.array(at), np.array(strength))
