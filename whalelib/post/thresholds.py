"""Thresholds, chosen on validation days and on no others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from whalelib import metrics
from whalelib.errors import InputError
from whalelib.metrics.known import Exhaustive
from whalelib.post.detecting import detect

CANDIDATES = tuple(np.round(np.arange(0.05, 1.0, 0.05), 2))
AIMS = ("f1", "segments", "recall", "rate")


def choose_thresholds(
    scores: pd.DataFrame,
    truth: pd.DataFrame,
    classes: Sequence[str],
    *,
    exhaustive: Exhaustive,
    rule: metrics.Rule = metrics.OVERLAP,
    aim: str = "f1",
    aim_recall: float = 0.9,
    aim_rate: float = 1.0,
    segment_seconds: float = 1.0,
    candidates: Sequence[float] = CANDIDATES,
    **steps: Any,
) -> dict[str, float]:
    """For each class the threshold that serves the aim best on these (validation) days; `steps` are those of `detect`.

    - f1: the best event F1. Between equal thresholds the middle one is taken, since it is the furthest from falling off
      either side
    - segments: the same of the F1 of segments of `segment_seconds`, for truth that is no calls but windows
    - recall: the fewest false alarms with a recall of `aim_recall`, or else the highest recall there is
    - rate: the highest recall at no more than `aim_rate` false alarms an hour, or else the fewest there are

    A class without a call on these days keeps 0.5: there is nothing to choose by.
    """
    if aim not in AIMS:
        raise InputError(f"thresholds cannot aim at {aim!r}: it is one of {', '.join(AIMS)}.")
    hours = metrics.known_hours(scores, truth, classes, exhaustive=exhaustive)
    found = at_thresholds(scores, classes, candidates, **steps)
    points = metrics.operating_points(truth, found, hours, classes, rule, exhaustive=exhaustive)
    if aim == "segments":
        points = _by_segments(points, truth, found, scores, segment_seconds, exhaustive)
    best = dict.fromkeys(classes, 0.5)
    for name in classes:
        mine = points[points["class"] == name].sort_values("threshold")
        if mine["calls"].iloc[0]:
            best[name] = _serves(mine, aim, aim_recall, aim_rate)
    return best


def at_thresholds(
    scores: pd.DataFrame, classes: Sequence[str], candidates: Sequence[float] = CANDIDATES, **steps: Any
) -> dict[float, pd.DataFrame]:
    """The detections of each threshold, the same for all classes; for `metrics.operating_points` and `metrics.psds`."""
    return {float(t): detect(scores, dict.fromkeys(classes, float(t)), **steps) for t in candidates}


def _by_segments(
    points: pd.DataFrame,
    truth: pd.DataFrame,
    found: dict[float, pd.DataFrame],
    scores: pd.DataFrame,
    seconds: float,
    exhaustive: Exhaustive,
) -> pd.DataFrame:
    """The points with the F1 of segments in place of that of calls."""
    classes = list(points["class"].unique())
    analysed = scores.groupby(scores["recording"].astype(str), sort=False)["offset"].max()
    recordings = analysed.rename_axis("recording").rename("seconds").reset_index()
    f1: dict[tuple[str, float], float] = {}
    for threshold, detections in found.items():
        report = metrics.segment_report(
            truth, detections, recordings, classes, segment_seconds=seconds, exhaustive=exhaustive
        )
        f1 |= {(name, threshold): value for name, value in zip(report["class"], report["f1"], strict=True)}
    at = zip(points["class"], points["threshold"], strict=True)
    return points.assign(f1=[f1[name, float(threshold)] for name, threshold in at])


def _serves(points: pd.DataFrame, aim: str, recall: float, rate: float) -> float:
    """The threshold of one class, its points in order of threshold."""
    f1, found = points["f1"].fillna(0.0).to_numpy(), points["recall"].to_numpy()
    false, threshold = points["false"].to_numpy(), points["threshold"].to_numpy()
    if aim == "recall":
        good = found >= min(recall, found.max()) - 1e-9
        tied = np.flatnonzero(good & (false == false[good].min()))
        return float(threshold[tied[-1]])
    if aim == "rate":
        per_hour = points["false_per_hour"].to_numpy()
        good = (
            per_hour <= max(rate, np.nanmin(per_hour)) + 1e-9 if np.isfinite(per_hour).any() else false == false.min()
        )
        tied = np.flatnonzero(good & (found == found[good].max()))
        return float(threshold[tied[-1]])
    tied = np.flatnonzero(f1 >= np.nanmax(f1) - 1e-9)
    return float(threshold[tied[len(tied) // 2]])
