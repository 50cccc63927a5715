"""Frequency scales, the triangular filters that lie on them, and presets; numpy alone, so the doctor needs no torch."""

from __future__ import annotations

from typing import Any

import numpy as np

from whalelib.errors import InputError

# Front ends by name that set knobs whatever is given for these; the other knobs stay free.
PRESETS: dict[str, dict[str, Any]] = {
    # 256 samples that overlap by 156 at 2 kHz, 39 to 358 Hz: the picture of the right-whale work on DCLDE 2013.
    "dclde": {
        "front_end": "linear",
        "window_seconds": 0.128,
        "hop_seconds": 0.05,
        "band_low_hz": 39.0,
        "band_high_hz": 358.0,
    },
}
SCALES = ("break", "htk", "slaney", "linear")

# The Slaney scale: even steps of 200/3 Hz up to 1 kHz, above it 27 steps to each factor of 6.4.
_SLANEY_STEP, _SLANEY_BREAK, _SLANEY_RATIO = 200.0 / 3.0, 1000.0, np.log(6.4) / 27.0


def to_scale(hz: np.ndarray | float, scale: str = "break", break_hz: float = 100.0) -> np.ndarray:
    """Where frequencies lie on a scale on which the bands are evenly spaced.

    `break` is log(1 + f / break_hz): linear below break_hz, logarithmic above. `htk` is the same with speech's 700 Hz.
    `slaney` is that of the Auditory Toolbox, librosa's default. `linear` is Hz.
    """
    hz = np.asarray(hz, dtype=np.float64)
    if scale == "linear":
        return hz
    if scale == "slaney":
        above = np.log(np.maximum(hz, _SLANEY_BREAK) / _SLANEY_BREAK) / _SLANEY_RATIO
        return np.minimum(hz, _SLANEY_BREAK) / _SLANEY_STEP + above
    return np.log1p(hz / _break_of(scale, break_hz))


def from_scale(place: np.ndarray | float, scale: str = "break", break_hz: float = 100.0) -> np.ndarray:
    """The frequencies at these places of a scale, in Hz."""
    place = np.asarray(place, dtype=np.float64)
    if scale == "linear":
        return place
    if scale == "slaney":
        at_break = _SLANEY_BREAK / _SLANEY_STEP
        above = np.exp(_SLANEY_RATIO * np.maximum(place - at_break, 0.0))
        return np.minimum(place, at_break) * _SLANEY_STEP * above
    hz = _break_of(scale, break_hz)
    return hz * np.expm1(place)


def band_edges(bands: int, low_hz: float, high_hz: float, scale: str = "break", break_hz: float = 100.0) -> np.ndarray:
    """The bands + 2 frequencies between which triangular filters lie: filter k rises from k, peaks at k + 1."""
    low, high = to_scale(np.array([low_hz, high_hz]), scale, break_hz)
    return from_scale(np.linspace(low, high, bands + 2), scale, break_hz)


def empty_bands(edges: np.ndarray, sample_rate: float, n_fft: int) -> np.ndarray:
    """Which filters hold no bin of the spectrum, as indices from 0."""
    bins = np.arange(n_fft // 2 + 1) * (sample_rate / n_fft)
    first = np.searchsorted(bins, edges[:-2], side="right")
    last = np.searchsorted(bins, edges[2:], side="left")
    return np.flatnonzero(last <= first)


def check_band(sample_rate: float, low_hz: float, high_hz: float) -> None:
    """Refuse a band that is empty or reaches beyond half the sample rate."""
    if not 0 <= low_hz < high_hz <= sample_rate / 2:
        raise InputError(
            f"the band {low_hz:g} to {high_hz:g} Hz does not fit a sample_rate of {sample_rate:g} Hz: keep band_low_hz "
            f"below band_high_hz and that at most {sample_rate / 2:g} Hz."
        )


def triangles(
    sample_rate: float,
    n_fft: int,
    bands: int,
    low_hz: float,
    high_hz: float,
    *,
    scale: str = "break",
    break_hz: float = 100.0,
    height: str = "peak",
    straight_in: str = "hz",
    may_be_empty: bool = False,
) -> np.ndarray:
    """Triangular filters [n_fft // 2 + 1, bands]; one without a bin is an InputError that says what mends it.

    `height` is `peak` (one at the centre) or `area` (one over the integral in Hz, as Slaney has it). The sides are
    straight in `hz`, or on the `scale` itself, as Kaldi has them. Some published banks have bands that `may_be_empty`.
    """
    check_band(sample_rate, low_hz, high_hz)
    edges = band_edges(bands, low_hz, high_hz, scale, break_hz)
    bins = np.arange(n_fft // 2 + 1) * (sample_rate / n_fft)
    empty = empty_bands(edges, sample_rate, n_fft)
    if len(empty) and not may_be_empty:
        k = int(empty[0])
        raise InputError(
            f"mel band {k + 1} of {bands} ({edges[k]:.1f} to {edges[k + 2]:.1f} Hz) holds no frequency bin, because "
            f"bins lie {sample_rate / n_fft:.1f} Hz apart: lower n_mels, lengthen window_seconds, or widen the band."
        )
    where, at = (edges, bins) if straight_in == "hz" else (to_scale(f, scale, break_hz) for f in (edges, bins))
    low, centre, high = where[:-2], where[1:-1], where[2:]
    rising = (at[:, None] - low) / (centre - low)
    falling = (high - at[:, None]) / (high - centre)
    filters = np.clip(np.minimum(rising, falling), 0.0, None)
    return filters * (2.0 / (edges[2:] - edges[:-2])) if height == "area" else filters


def _break_of(scale: str, break_hz: float) -> float:
    if scale not in SCALES:
        raise InputError(f"mel_scale cannot be {scale!r}: it is one of {', '.join(SCALES)}.")
    return 700.0 if scale == "htk" else break_hz
