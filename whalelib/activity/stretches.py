"""Moments that stand out, made stretches worth keeping; and how many calls lie in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from whalelib import metrics, tables
from whalelib.activity.levels import excess
from whalelib.errors import InputError

STRETCHES = ["recording", "onset", "offset"]
KEPT = ["recording", "seconds", "kept_seconds", "reason"]
_WHOLE = 0.9  # a call of which a tenth is cut off is still the call


def active(
    recordings: pd.DataFrame,
    *,
    activity_db: float = 6.0,
    margin_seconds: float = 2.0,
    activity_step_seconds: float = 0.25,
    **levels: Any,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The stretches in which something stands `activity_db` above the noise floor, and what of each recording they are.

    Every such moment is kept with `margin_seconds` on both sides; what lies closer than that is one stretch. `levels`
    are those of `excess`. Samples that are no numbers are kept, since nobody knows what was there. A recording that
    cannot be read has no stretch, and its row of the second table says why: it was not found empty, it was not heard.
    """
    parts, rows = [], []
    for rec, onset, above, reason in _listened(recordings, activity_step_seconds, levels):
        if reason:
            rows.append((rec.recording, rec.seconds, np.nan, reason))
            continue
        loud = onset[~(above < activity_db)]  # what is NaN is kept
        found = _widened(rec.recording, rec.seconds, loud, loud + activity_step_seconds, margin_seconds)
        parts.append(found)
        rows.append((rec.recording, rec.seconds, _seconds(found), ""))
    return _together(parts), pd.DataFrame(rows, columns=KEPT)


def heard_by(
    scores: pd.DataFrame, recordings: pd.DataFrame, *, activity_score: float = 0.1, margin_seconds: float = 2.0
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The same by the scores of a detector (a small one, that is quick): where any class reaches `activity_score`.

    Cells that were not analysed are kept; a recording without scores was not heard.
    """
    names = tables.classes_of(scores)
    highest = scores[names].max(axis=1).to_numpy(dtype=float)
    some = scores[~(highest < activity_score)]
    scored = set(scores["recording"].astype(str))
    parts, rows = [], []
    for rec in recordings.itertuples():
        if rec.recording not in scored:
            rows.append((rec.recording, rec.seconds, np.nan, f"{rec.recording} has no scores: scan it first."))
            continue
        here = some[some["recording"] == rec.recording]
        found = _widened(
            rec.recording, rec.seconds, here["onset"].to_numpy(), here["offset"].to_numpy(), margin_seconds
        )
        parts.append(found)
        rows.append((rec.recording, rec.seconds, _seconds(found), ""))
    return _together(parts), pd.DataFrame(rows, columns=KEPT)


def kept(
    stretches: pd.DataFrame, truth: pd.DataFrame, classes: Sequence[str], *, groups: pd.Series | None = None
) -> pd.DataFrame:
    """How many of the present calls lie in the stretches, but for a tenth at most: a row a class and one for "all".

    With `groups` (day or tape, by recording) the recall has its interval.
    """
    calls = truth[(truth["truth"] == "present") & truth["label"].isin(list(classes))].reset_index(drop=True)
    length = (calls["offset"] - calls["onset"]).to_numpy()
    inside = tables.covered_seconds(stretches, calls, by=["recording"]) >= _WHOLE * length - 1e-9
    rows = []
    for name in [*classes, "all"]:
        mine = (calls["label"] == name).to_numpy() if name != "all" else np.ones(len(calls), dtype=bool)
        hit = inside[mine]
        row = {"class": name, "calls": len(hit), "kept": int(hit.sum()), "recall": hit.mean() if len(hit) else np.nan}
        if groups is not None:
            row["recall_low"], row["recall_high"] = _interval(hit, calls.loc[mine, "recording"].map(groups))
        rows.append(row)
    return pd.DataFrame(rows)


def _interval(hit: np.ndarray, groups: pd.Series) -> tuple[float, float]:
    if not len(hit):
        return np.nan, np.nan
    return metrics.interval(lambda rows: float(hit[rows].mean()), groups.to_numpy())


def trade(
    recordings: pd.DataFrame,
    truth: pd.DataFrame,
    classes: Sequence[str],
    *,
    at_db: Sequence[float] = (0, 2, 4, 5, 6, 7, 8, 10, 12, 15, 20),
    margin_seconds: float = 2.0,
    activity_step_seconds: float = 0.25,
    **levels: Any,
) -> pd.DataFrame:
    """The share of the time that each `activity_db` keeps, and the share of each class's calls that is kept with it.

    Each recording is read once. One that cannot be read counts neither way.
    """
    heard = []
    found: dict[float, list[pd.DataFrame]] = {float(db): [] for db in at_db}
    for rec, onset, above, reason in _listened(recordings, activity_step_seconds, levels):
        if reason:
            continue
        heard.append(rec)
        for db, parts in found.items():
            loud = onset[~(above < db)]
            parts.append(_widened(rec.recording, rec.seconds, loud, loud + activity_step_seconds, margin_seconds))
    seconds = sum(rec.seconds for rec in heard)
    here = truth[truth["recording"].isin([rec.recording for rec in heard])]
    bars = []
    for db, parts in found.items():
        stretches = _together(parts)
        share = _seconds(stretches) / seconds if seconds else np.nan
        bars.append(kept(stretches, here, classes).assign(activity_db=db, share=share))
    return pd.concat(bars, ignore_index=True)


def _listened(
    recordings: pd.DataFrame, step: float, levels: Mapping[str, Any]
) -> Iterator[tuple[Any, np.ndarray, np.ndarray, str]]:
    """Each recording with when its moments begin and how far they stand out; or why it could not be read."""
    for rec in recordings.itertuples():
        ear = int(getattr(rec, "listen_channel", 1))
        try:
            above = excess(rec.path, activity_step_seconds=step, channel=ear, **levels)
        except InputError as error:
            yield rec, np.empty(0), np.empty(0), str(error)
            continue
        yield rec, np.arange(len(above)) * step, above, ""


def _seconds(stretches: pd.DataFrame) -> float:
    return float((stretches["offset"] - stretches["onset"]).sum())


def _widened(recording: str, seconds: float, onset: np.ndarray, offset: np.ndarray, margin: float) -> pd.DataFrame:
    """Moments with a margin on both sides, those that meet being one, inside the recording."""
    begin, end = tables.union(np.maximum(onset - margin, 0.0), np.minimum(offset + margin, seconds))
    return pd.DataFrame({"recording": recording, "onset": begin, "offset": end}, columns=STRETCHES)


def _together(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    filled = [part for part in parts if len(part)]
    return pd.concat(filled, ignore_index=True) if filled else tables.empty(tables.SCORES)
