"""Scores to detections, step by step, each step vectorised over a recording's cells."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from whalelib import tables
from whalelib.errors import InputError
from whalelib.post import runs
from whalelib.post.smoothing import smooth
from whalelib.post.suppressing import suppress


def detect(
    scores: pd.DataFrame,
    thresholds: Mapping[str, float],
    *,
    smoothing: str = "moving",
    smooth_seconds: float = 0.2,
    hysteresis: float = 0.0,
    at_least: int = 1,
    of_cells: int = 1,
    merge_seconds: float = 0.25,
    min_seconds: float = 0.3,
    max_seconds: float = 0.0,
    too_long: str = "drop",
    sharpen: bool = False,
    suppress_seconds: float = 0.0,
    suppress_iou: float = 1.0,
    bands: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """The detections in a scores table, as events whose score is the highest smoothed score inside.

    Steps, in this order: smooth; keep cells at or above the class's threshold of which there are `at_least` among
    `of_cells` neighbours (or in a row); let a detection go on while the score is no more than `hysteresis` below the
    threshold; merge detections of a class that lie closer than `merge_seconds` unless something between them was not
    analysed; drop those shorter than `min_seconds`; drop or cut those longer than `max_seconds` (0: none); move both
    ends to where the score crosses the threshold (`sharpen`); of detections in one another's way keep the best
    (`suppress`). `bands` (from `bands_of`) gives each class its frequencies.
    """
    missing = [name for name in thresholds if name not in scores]
    if missing:
        raise InputError(f"the scores have no column {missing[0]!r}: they hold {', '.join(tables.classes_of(scores))}.")
    if too_long not in ("drop", "cut"):
        raise InputError(f"too_long cannot be {too_long!r}: what is too long is dropped (drop) or cut (cut).")
    found = []
    for recording, part in scores.groupby("recording", sort=False):
        onset, offset = part["onset"].to_numpy(), part["offset"].to_numpy()
        cell = float(np.median(offset - onset))
        values = smooth(part[list(thresholds)].to_numpy(dtype=float), round(smooth_seconds / cell), smoothing)
        here = []
        for k, (name, threshold) in enumerate(thresholds.items()):
            column = values[:, k]
            # Scores are float32; compared as doubles, a score of 0.7 would lie below a threshold of 0.7.
            open_ = column.astype(np.float32) >= np.float32(threshold)
            open_ = runs.often_enough(open_, at_least, max(of_cells, at_least))
            cells = runs.runs(open_)
            level = threshold
            if hysteresis:
                level = threshold - hysteresis
                cells = runs.holding(runs.runs(open_ | (column.astype(np.float32) >= np.float32(level))), open_)
            cells = runs.merge(cells, onset, offset, np.isnan(column), merge_seconds)
            cells = runs.bounded(cells, onset, offset, min_seconds, max_seconds, too_long)
            if len(cells[0]):
                first, last = onset[cells[0]], offset[cells[1] - 1]
                if sharpen:
                    first, last = runs.crossings(column, onset, offset, cells, level)
                peak = runs.peaks(column, cells)
                here.append(pd.DataFrame({"onset": first, "offset": last, "label": name, "score": peak}))
        if here:
            of_recording = pd.concat(here, ignore_index=True).assign(recording=recording)
            found.append(of_recording.sort_values(["onset", "label"], kind="stable"))
    if not found:
        return tables.empty(tables.EVENTS)
    events = pd.concat(found, ignore_index=True)
    for edge in ("low_hz", "high_hz"):
        events[edge] = events["label"].map(bands[edge]) if bands is not None else np.nan
    return suppress(tables.events(events), suppress_seconds=suppress_seconds, suppress_iou=suppress_iou)


def bands_of(events: pd.DataFrame) -> pd.DataFrame:
    """Each label's usual band, low_hz and high_hz: where the middle of its annotated calls lies."""
    return events[events["truth"] == "present"].groupby("label")[["low_hz", "high_hz"]].median()


def refine(
    events: pd.DataFrame, frames: pd.DataFrame, thresholds: Mapping[str, float], *, reach_seconds: float = 0.0
) -> pd.DataFrame:
    """Detections (of long windows, say) with their ends moved to where the scores of frames cross the threshold.

    A detection begins with the first frame at or above its class's threshold that it touches, once both its ends are
    moved outwards by `reach_seconds`, and ends with the last. Where it touches none, it stays as it is.
    """
    missing = [name for name in thresholds if name not in frames]
    if missing:
        raise InputError(f"the frames have no column {missing[0]!r}: they hold {', '.join(tables.classes_of(frames))}.")
    events = events.reset_index(drop=True)
    onset, offset = events["onset"].to_numpy(dtype=float, copy=True), events["offset"].to_numpy(dtype=float, copy=True)
    for rows, cells in tables.same_kind(events, frames, by=["recording"]):
        begin, end = (frames[name].to_numpy()[cells] for name in ("onset", "offset"))
        for name, threshold in thresholds.items():
            mine = rows[(events["label"] == name).to_numpy()[rows]]
            column = frames[name].to_numpy(dtype=float)[cells]
            heard = np.flatnonzero(column.astype(np.float32) >= np.float32(threshold))
            # The cells that a widened detection touches, and of those the first and the last one heard.
            first = np.searchsorted(heard, np.searchsorted(end, onset[mine] - reach_seconds, side="right"))
            last = np.searchsorted(heard, np.searchsorted(begin, offset[mine] + reach_seconds, side="left")) - 1
            some = first <= last
            span = heard[first[some]], heard[last[some]] + 1
            onset[mine[some]], offset[mine[some]] = runs.crossings(column, begin, end, span, threshold)
    return events.assign(onset=onset, offset=offset)
