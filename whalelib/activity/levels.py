"""How loud each moment is in each band, and how far that stands above what is usual around it."""

from __future__ import annotations

import numpy as np
import pandas as pd

from whalelib import audio
from whalelib.errors import InputError

LEVELS = ["recording", "onset", "offset", "level_db"]
_LEAST_BINS = 4  # a narrower band is one number drawn from noise, and jumps by itself
_FLOOR = 1e-12  # power below which there is digital silence
_SMOOTHED = 3  # steps over which powers are averaged: a call lasts several, a jump of the noise one


def third_octaves(sample_rate: int, step_seconds: float, low_hz: float, high_hz: float) -> list[slice]:
    """Bands a third of an octave wide, as bins of a spectrum of `step_seconds`; at least four bins each."""
    n = round(step_seconds * sample_rate)
    hz = np.fft.rfftfreq(n, 1 / sample_rate)
    first = int(np.searchsorted(hz, max(low_hz, hz[1] if len(hz) > 1 else 0.0)))
    last = int(np.searchsorted(hz, min(high_hz, sample_rate / 2), side="right"))
    if last - first < 1:
        raise InputError(
            f"there is nothing between {low_hz:g} and {high_hz:g} Hz in recordings at {sample_rate} Hz and steps of "
            f"{step_seconds:g} s: widen the band or lengthen the step."
        )
    bands = []
    while first < last:
        end = int(np.searchsorted(hz, hz[first] * 2 ** (1 / 3)))
        end = max(end, first + _LEAST_BINS)
        if last - end < _LEAST_BINS:
            end = last
        bands.append(slice(first, end))
        first = end
    return bands


def _powers(path: str, sample_rate: int, low_hz: float, high_hz: float, step: float, channel: int) -> np.ndarray:
    """Power of each step and band, [steps, bands]; NaN where samples are no numbers. The last step may be shorter."""
    n = round(step * sample_rate)
    bands = third_octaves(sample_rate, step, low_hz, high_hz)
    window = np.hanning(n + 2)[1:-1]
    scale = 1 / (window**2).sum() / n * 2
    edges = np.array([band.start for band in bands] + [bands[-1].stop])
    found, rest, bad, done = [], np.empty(0, dtype=np.float32), [], 0
    for block in audio.stream(path, sample_rate, channel):
        bad += block.bad
        samples = np.concatenate([rest, block.samples])
        whole = len(samples) // n
        found.append(_in_bands(samples[: whole * n].reshape(whole, n), window, edges) * scale)
        rest, done = samples[whole * n :], done + whole
    if len(rest):
        found.append(_in_bands(np.pad(rest, (0, n - len(rest)))[None], window, edges) * scale * n / len(rest))
    powers = np.concatenate(found) if found else np.zeros((0, len(bands)))
    for begin, end in bad:
        powers[int(begin / step) : int(np.ceil(end / step))] = np.nan
    return powers


def _in_bands(frames: np.ndarray, window: np.ndarray, edges: np.ndarray) -> np.ndarray:
    spectrum = np.abs(np.fft.rfft(frames * window, axis=1)) ** 2
    before = np.concatenate([np.zeros((len(frames), 1)), np.cumsum(spectrum, axis=1)], axis=1)
    return np.diff(before[:, edges], axis=1)


def levels(
    recordings: pd.DataFrame,
    *,
    sample_rate: int = 2000,
    band_low_hz: float = 10.0,
    band_high_hz: float = 950.0,
    step_seconds: float = 1.0,
) -> pd.DataFrame:
    """The level of each step of each recording in the whole band, `level_db` relative to full scale.

    A recording that cannot be read has no rows: what it holds is not known.
    """
    parts = []
    for rec in recordings.itertuples():
        try:
            powers = _powers(
                rec.path, sample_rate, band_low_hz, band_high_hz, step_seconds, int(getattr(rec, "listen_channel", 1))
            )
        except InputError:
            continue
        onset = np.arange(len(powers)) * step_seconds
        level = 10 * np.log10(powers.sum(axis=1) + _FLOOR)
        offset = np.minimum(onset + step_seconds, rec.seconds)
        parts.append(pd.DataFrame({"recording": rec.recording, "onset": onset, "offset": offset, "level_db": level}))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=LEVELS)


def excess(
    path: str,
    *,
    sample_rate: int = 2000,
    band_low_hz: float = 10.0,
    band_high_hz: float = 950.0,
    activity_step_seconds: float = 0.25,
    floor_seconds: float = 60.0,
    floor_share: float = 0.3,
    channel: int = 1,
) -> np.ndarray:
    """How many dB each step of a recording stands above its noise floor, in the third of an octave where that is most.

    The floor of a band is the level that `floor_share` of the steps around stay below; it is taken over stretches of
    `floor_seconds` and follows the noise from one to the next. NaN where samples are no numbers.
    """
    from scipy.ndimage import uniform_filter1d

    powers = _powers(path, sample_rate, band_low_hz, band_high_hz, activity_step_seconds, channel)
    if not len(powers):
        return np.zeros(0)
    unknown = np.isnan(powers).any(axis=1)
    smooth = uniform_filter1d(np.nan_to_num(powers), _SMOOTHED, axis=0, mode="nearest")
    level = 10 * np.log10(smooth + _FLOOR)
    level[unknown] = np.nan
    above = (level - _floor(level, max(round(floor_seconds / activity_step_seconds), 1), floor_share)).max(axis=1)
    return np.where(unknown, np.nan, above)


def _floor(level: np.ndarray, steps: int, share: float) -> np.ndarray:
    """The running quantile of each band, exact in the middles of half-overlapping stretches, straight between them."""
    half = max(steps // 2, 1)
    middles, found = [], []
    for first in range(0, max(len(level) - half, 1), half):
        part = level[first : first + steps]
        if np.isfinite(part).any():
            middles.append(first + len(part) / 2)
            found.append(np.nanquantile(part, share, axis=0))
    if not found:
        return np.zeros_like(level)
    at, values = np.arange(len(level)) + 0.5, np.stack(found)
    return np.column_stack([np.interp(at, middles, values[:, band]) for band in range(level.shape[1])])
