"""Do the times fit the sound? The energy in the calls' own bands, at the annotated times and at shifted ones.

A wrong time zone moves annotations by whole hours, a drifting clock by seconds. Either way the annotated boxes hold
noise, and boxes moved back hold calls: their level stands out from the sound around them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.lib.stride_tricks import sliding_window_view

from whalelib import audio
from whalelib.doctor.finding import Finding, finding, sentence
from whalelib.errors import InputError

if TYPE_CHECKING:
    from whalelib.doctor.case import Case, Knobs

HOURS = tuple(h for h in range(-12, 13) if h)
SECONDS = tuple(s for s in range(-5, 6) if s)
MOST_CALLS = 240  # calls that are listened to, spread evenly over all
FEWEST_CALLS = 20
LONGEST_SECONDS = 10.0  # of a longer call only the beginning is measured
AROUND_SECONDS = 7.0  # of sound on both sides that a call must stand out from
CLEAR_DB, CLEAR_SIGMAS = 1.0, 4.0
UNCLEAR_DB = 0.5  # a mean contrast below this tells nothing


def clock(case: Case) -> Iterator[Finding]:
    """A time zone or clock offset at which the annotations fit the sound better than as they are."""
    table = case.clock
    if table.empty or table.loc[table["offset_seconds"] == 0, "calls"].iloc[0] < FEWEST_CALLS:
        reason = f"fewer than {FEWEST_CALLS} calls have sound around them to stand out from"
        what = sentence(f"whether the times fit the sound could not be tested: {reason}")
        yield finding("note", "clock-not-tested", what, "look at a few calls in notebook 01 and trust your eyes")
        return
    as_is = table.loc[table["offset_seconds"] == 0, "contrast_db"].iloc[0]
    clear = table[
        (table["gain_db"] > CLEAR_DB)
        & (table["sigmas"] > CLEAR_SIGMAS)
        & (table["contrast_db"] > 0)
        & (table["calls"] >= FEWEST_CALLS)
    ]
    if len(clear):
        best = clear.sort_values("gain_db", ascending=False, kind="stable").iloc[0]
        shift = best["offset_seconds"]
        said = f"{shift / 3600:+g} h" if abs(shift) >= 3600 else f"{shift:+g} s"
        cause = "the time zone (zone)" if abs(shift) >= 3600 else "the recorder's clock, and gaps before the calls"
        what = (
            f"Moved by {said}, the annotated boxes stand out by {best['contrast_db']:.1f} dB from the sound around "
            f"them, as they are by {as_is:.1f} dB: the times do not seem to be those of the recordings."
        )
        shown = table.sort_values("gain_db", ascending=False, kind="stable")
        yield finding("warning", "clock-offset", what, f"check {cause}; move the annotations by {said}", shown)
    elif as_is < UNCLEAR_DB:
        what = (
            f"Whether the times fit the sound cannot be told: the annotated boxes stand out by only {as_is:.1f} dB "
            "from the sound around them, and moved ones do no better."
        )
        mend = (
            "look at a few calls in notebook 01; dense or faint calls, and boxes without frequencies, stand out little"
        )
        yield finding("note", "clock-unclear", what, mend, table)


def offsets(recordings: pd.DataFrame, calls: pd.DataFrame, channel: pd.Series, knobs: Knobs) -> pd.DataFrame:
    """One row an offset: `contrast_db`, the mean level of the boxes there over the sound around them, in decibels;
    `gain_db`, how much more that is than at offset 0 for the same calls, and in `sigmas`; how many `calls` it has."""
    # A label for a whole file has nothing around it.
    calls = calls[calls["offset"] - calls["onset"] < 0.8 * calls["seconds"]]
    calls = calls.iloc[np.unique(np.linspace(0, max(len(calls) - 1, 0), MOST_CALLS).astype(int))[: len(calls)]]
    at_hour = _Hours(recordings)
    shifts = (0, *SECONDS, *(3600 * h for h in HOURS))
    contrast = np.full((len(calls), len(shifts)), np.nan)
    reader = _Reader(recordings, channel, knobs.sample_rate)
    for row, call in enumerate(calls.itertuples()):
        length = min(call.offset - call.onset, LONGEST_SECONDS)
        band = _band(call.low_hz, call.high_hz, knobs)
        contrast[row, : 1 + len(SECONDS)] = _contrast(
            reader, call.recording, call.onset, length, band, np.array([0, *SECONDS], dtype=float)
        )
        for column, shift in enumerate(shifts):
            place = at_hour.find(call.recording, call.onset + shift, length) if abs(shift) >= 3600 else None
            if place:
                contrast[row, column] = _contrast(reader, *place, length, band, np.zeros(1))[0]
    rows = []
    for column, shift in enumerate(shifts):
        gain = contrast[:, column] - contrast[:, 0]
        gain = gain[np.isfinite(gain)]
        if len(gain):
            spread = max(float(gain.std()), 0.1)  # of calls that are all alike the mean is not known to perfection
            both = np.isfinite(contrast[:, column]) & np.isfinite(contrast[:, 0])
            sigmas = float(gain.mean()) / spread * np.sqrt(len(gain))
            rows.append((float(shift), contrast[both, column].mean(), gain.mean(), sigmas, len(gain)))
    return pd.DataFrame(rows, columns=["offset_seconds", "contrast_db", "gain_db", "sigmas", "calls"])


def _band(low_hz: float, high_hz: float, knobs: Knobs) -> tuple[float, float]:
    """The call's band as far as the front end hears it; where it is not known, the whole band."""
    low = low_hz if np.isfinite(low_hz) else knobs.band_low_hz
    high = min(high_hz if np.isfinite(high_hz) else knobs.band_high_hz, knobs.sample_rate / 2)
    return (low, high) if high > low else (knobs.band_low_hz, knobs.band_high_hz)


class _Reader:
    """Reads stretches of recordings at the detector's rate."""

    def __init__(self, recordings: pd.DataFrame, channel: pd.Series, sample_rate: int) -> None:
        self._known, self._channel, self.sample_rate = recordings.set_index("recording"), channel, sample_rate

    def read(self, recording: str, begin: float, end: float) -> tuple[np.ndarray, float]:
        """The samples between two times, as far as there are any, and the time of the first."""
        begin, end = max(begin, 0.0), min(end, float(self._known.at[recording, "seconds"]))
        if end <= begin:
            return np.zeros(0, np.float32), begin
        path, channel = self._known.at[recording, "path"], int(self._channel[recording])
        try:
            return audio.read(path, begin, end - begin, self.sample_rate, channel), begin
        except InputError:  # it is a finding of its own already
            return np.zeros(0, np.float32), begin


def _contrast(
    reader: _Reader, recording: str, onset: float, length: float, band: tuple[float, float], shifts: np.ndarray
) -> np.ndarray:
    """For each shift in seconds, the level of the shifted box over the median of the sound outside the unshifted."""
    levels = np.full(len(shifts), np.nan)
    samples, begin = reader.read(recording, onset - AROUND_SECONDS, onset + length + AROUND_SECONDS)
    rate = reader.sample_rate
    size = int(max(min(0.256, length) * rate, 8))
    if len(samples) < 4 * size:
        return levels
    # Hops of a quarter: each box holds frames of its own even if it is as short as one.
    frames = sliding_window_view(samples, size)[:: max(size // 4, 1)] * np.hanning(size).astype(np.float32)
    hz = np.fft.rfftfreq(size, 1 / rate)
    first = min(int(np.searchsorted(hz, band[0])), len(hz) - 1)
    last = max(int(np.searchsorted(hz, band[1], side="right")), first + 1)
    power = (np.abs(np.fft.rfft(frames, axis=1)[:, first:last]) ** 2).sum(axis=1)
    centre = begin + (np.arange(len(frames)) * max(size // 4, 1) + size / 2) / rate
    end = begin + len(samples) / rate
    summed = np.concatenate([[0.0], np.cumsum(power, dtype=np.float64)])

    def level(at: np.ndarray) -> np.ndarray:
        a, b = np.searchsorted(centre, at), np.searchsorted(centre, at + length)
        mean = (summed[b] - summed[a]) / np.maximum(b - a, 1)
        inside = (b > a) & (at >= begin - 1e-6) & (at + length <= end + 1e-6)
        return np.where(inside & (mean > 0), 10 * np.log10(np.maximum(mean, 1e-30)), np.nan)

    # Boxes of the call's own length, or the median would mean another thing for short and long calls.
    steps = np.arange(1, int((AROUND_SECONDS + length) / (length / 2)) + 1) * (length / 2)
    around = level(np.concatenate([onset - steps[1:], onset + steps[1:]]))
    around = around[np.isfinite(around)]
    if len(around) >= 2:
        levels = level(onset + shifts) - np.median(around)
    return levels


class _Hours:
    """Finds which recording of the same recorder was running at another hour."""

    def __init__(self, recordings: pd.DataFrame) -> None:
        timed = recordings[recordings["start"].notna()]
        begin = (timed["start"] - pd.Timestamp("2000-01-01", tz="UTC")).dt.total_seconds()
        timed = timed.assign(begin=begin, recorder=[recorder_of(name) for name in timed["recording"]])
        timed = timed.sort_values(["begin", "recording"], kind="stable")
        self._begin = dict(zip(timed["recording"], timed["begin"], strict=True))
        self._recorder = dict(zip(timed["recording"], timed["recorder"], strict=True))
        self._timeline = {
            recorder: (here["begin"].to_numpy(), here["seconds"].to_numpy(), here["recording"].to_list())
            for recorder, here in timed.groupby("recorder", sort=False)
        }

    def find(self, recording: str, onset: float, length: float) -> tuple[str, float] | None:
        """The recording and onset of a stretch given in the seconds of `recording`, if one holds all of it."""
        if recording not in self._begin:
            return None
        begins, seconds, names = self._timeline[self._recorder[recording]]
        at = self._begin[recording] + onset
        k = int(np.searchsorted(begins, at + 1e-6, side="right")) - 1
        if k < 0 or at + length > begins[k] + seconds[k]:
            return None
        return names[k], max(float(at - begins[k]), 0.0)


def recorder_of(recording: str) -> str:
    """A recording's name without its date and time: what recordings of one mooring share."""
    return re.sub(r"\d{6,8}([_T-]?\d{6})?Z?", "", recording)
