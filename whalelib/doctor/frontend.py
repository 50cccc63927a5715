"""Do clips and front end suit the calls? Calls against clip, window and band; mel bands that hold nothing."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from whalelib import filters
from whalelib.doctor.case import Case, Knobs
from whalelib.doctor.finding import Finding, finding, many


def short_calls(case: Case) -> Iterator[Finding]:
    """Calls that fall between two frames, or fill only a part of one."""
    length = case.calls["offset"] - case.calls["onset"]
    rows = case.calls.assign(length=length)[["recording", "label", "onset", "length"]]
    hop, window = case.knobs.hop_seconds, case.knobs.window_seconds
    for severity, code, chosen, knob, value, says in (
        ("warning", "call-below-hop", length < hop, "hop_seconds", hop, "it may fall between two frames"),
        (
            "note",
            "call-below-window",
            (length >= hop) & (length < window),
            "window_seconds",
            window,
            "the picture blurs it",
        ),
    ):
        if chosen.any():
            what = f"{many(int(chosen.sum()), 'call')} shorter than {knob} ({value:g} s): {says}."
            yield finding(
                severity, code, what, f"shorten {knob} to about {_about(length[chosen].median() / 2)}", rows[chosen]
            )


def long_calls(case: Case) -> Iterator[Finding]:
    """Calls that no clip can hold."""
    length, clip = case.calls["offset"] - case.calls["onset"], case.knobs.clip_seconds
    long = length > clip * (1 + 1e-6)
    if not long.any():
        return
    share = long.groupby(case.calls["label"]).mean()
    most = [str(label) for label in share.index[share > 0.5]]
    severity = "warning" if most else "note"
    whom = f", among them most of {', '.join(map(repr, most[:4]))}" if most else ""
    what = f"{many(int(long.sum()), 'call')} last longer than clip_seconds ({clip:g} s){whom}."
    mend = f"raise clip_seconds to {_about(length.quantile(0.95))}, or let a clip hold a part of the call (min_overlap)"
    rows = case.calls.assign(length=length)[["recording", "label", "onset", "length"]]
    yield finding(severity, "call-above-clip", what, mend, rows[long].sort_values("length", ascending=False))


def calls_outside_band(case: Case) -> Iterator[Finding]:
    """Calls of which the band of the front end holds less than half."""
    calls, knobs = case.calls, case.knobs
    known = calls[calls["low_hz"].notna() & calls["high_hz"].notna() & (calls["high_hz"] > calls["low_hz"])]
    low, high = known["low_hz"], known["high_hz"]
    inside = (np.minimum(high, knobs.band_high_hz) - np.maximum(low, knobs.band_low_hz)) / (high - low)
    outside = known[inside < 0.5]
    if len(outside):
        what = (
            f"{many(len(outside), 'call')} lie mostly outside the band of the front end "
            f"({knobs.band_low_hz:g} to {knobs.band_high_hz:g} Hz)."
        )
        mend = (
            f"set band_low_hz to {_about(known['low_hz'].quantile(0.05))} and band_high_hz to "
            f"{_about(known['high_hz'].quantile(0.95))}, with a sample_rate of at least twice that"
        )
        yield finding(
            "warning", "call-outside-band", what, mend, outside[["recording", "label", "onset", "low_hz", "high_hz"]]
        )


def mel_bands(case: Case) -> Iterator[Finding]:
    """Bands that would be empty, with the knobs that fill them."""
    k = case.knobs
    if k.front_end not in ("mel", "mfcc", "mel+mfcc"):
        return  # every row of the others is a bin, or published
    if not 0 <= k.band_low_hz < k.band_high_hz <= k.sample_rate / 2:
        band = f"{k.band_low_hz:g} to {k.band_high_hz:g} Hz"
        what = f"The band of the front end, {band}, does not fit a sample_rate of {k.sample_rate} Hz."
        yield finding("error", "band-above-rate", what, f"keep band_high_hz at most {k.sample_rate / 2:g} Hz")
        return
    n_fft = round(k.window_seconds * k.sample_rate)
    if n_fft < 2 or round(k.hop_seconds * k.sample_rate) < 1:
        what = f"window_seconds or hop_seconds is less than a sample at {k.sample_rate} Hz."
        yield finding("error", "window-below-sample", what, "lengthen them")
        return
    if k.window_seconds > k.clip_seconds:
        what = f"window_seconds ({k.window_seconds:g} s) is longer than clip_seconds ({k.clip_seconds:g} s)."
        yield finding("error", "window-above-clip", what, "shorten window_seconds or lengthen clip_seconds")
    rows = _empty(k, n_fft, k.n_mels)
    if len(rows):
        first = rows.iloc[0]
        what = (
            f"{many(len(rows), 'mel band')} of {k.n_mels} hold no frequency bin, the first from {first['low_hz']:.1f} "
            f"to {first['high_hz']:.1f} Hz: bins lie {k.sample_rate / n_fft:.1f} Hz apart."
        )
        yield finding("error", "empty-mel-bands", what, _mend_bands(k), rows)


def _empty(k: Knobs, n_fft: int, n_mels: int) -> pd.DataFrame:
    """The mel bands that hold no bin of the spectrum: their number from 1 and their edges."""
    edges = filters.band_edges(n_mels, k.band_low_hz, k.band_high_hz, k.mel_scale, k.mel_break_hz)
    empty = filters.empty_bands(edges, k.sample_rate, n_fft)
    return pd.DataFrame({"band": empty + 1, "low_hz": edges[empty], "high_hz": edges[empty + 2]})


def _mend_bands(k: Knobs) -> str:
    """The mend, with the values that really fill every band."""
    n_fft = round(k.window_seconds * k.sample_rate)
    fewer = next((n for n in range(k.n_mels - 1, 0, -1) if _empty(k, n_fft, n).empty), None)
    tried = [round(k.window_seconds * factor, 4) for factor in np.arange(1.05, 40, 0.05)]
    longer = next(
        (w for w in tried if w <= k.clip_seconds and _empty(k, round(w * k.sample_rate), k.n_mels).empty), None
    )
    ways = [f"lower n_mels to {fewer}"] if fewer else []
    ways += [f"lengthen window_seconds to {longer:g}"] if longer else []
    return " or ".join([*ways, "raise mel_break_hz or band_low_hz, so that the lowest bands are wider"])


def _about(value: float) -> str:
    """A value rounded to two digits, as one would set a knob."""
    return f"{float(f'{value:.2g}'):g}"
