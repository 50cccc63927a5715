"""The polyphonic sound detection score: detections of many thresholds judged by the time they share with calls.

Bilen, Ferroni, Tuveri, Azcarreta and Krstulović, "A framework for the robust evaluation of sound event detection"
(2020). No call is matched to one detection; several may find it together, and one may find several.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from whalelib import tables
from whalelib.errors import InputError
from whalelib.metrics.known import Exhaustive, left_open

_TOLERANCE = 1e-9


@dataclass(frozen=True)
class Psds:
    """The score, the curve whose area it is, and the rates it was made of."""

    score: float
    curve: pd.DataFrame  # false_per_hour, then a column of recalls a class, and `effective`
    points: pd.DataFrame  # a row a set of detections and class: recall, false_per_hour, cross_per_hour, effective


def psds(
    truth: pd.DataFrame,
    detections: Sequence[pd.DataFrame],
    hours: float,
    classes: Sequence[str],
    *,
    dtc: float = 0.5,
    gtc: float = 0.5,
    cttc: float = 0.3,
    alpha_ct: float = 0.0,
    alpha_st: float = 0.0,
    max_efpr: float = 100.0,
    exhaustive: Exhaustive = True,
) -> Psds:
    """The score of a detector from its detections at several thresholds.

    - dtc (detection tolerance): a detection counts if calls of its class cover at least this share of it; else it is
      false, unless the truth is not known there
    - gtc (ground-truth tolerance): a call is found if detections that count cover at least this share of it
    - cttc (cross-trigger tolerance): a false detection is a cross-trigger of another class whose calls cover at least
      this share of it
    - alpha_ct: weight of the cross-triggers in the effective rate of false alarms, alpha_st: how much of the spread
      between classes is taken off their mean recall, max_efpr: up to how many effective false alarms an hour
    """
    if not detections:
        raise InputError("there are no detections to score: give those of at least one threshold.")
    if not hours > 0 or not max_efpr > 0:
        raise InputError(f"{hours!r} hours and a max_efpr of {max_efpr!r} cannot be: both lie above 0.")
    present = truth[truth["truth"] == "present"]
    shares = {"dtc": dtc, "gtc": gtc, "cttc": cttc}
    points = pd.concat(
        [
            _rates(truth, present, found, hours, classes, shares, exhaustive).assign(point=number)
            for number, found in enumerate(detections)
        ],
        ignore_index=True,
    )
    points["effective"] = points["false_per_hour"] + alpha_ct * points["cross_per_hour"].fillna(0.0)
    curve = _curve(points, classes)
    recalls = curve[list(classes)].to_numpy()
    judged = np.isfinite(recalls).all(axis=0)  # a class without a call has no recall
    if not judged.any():
        return Psds(float("nan"), curve.assign(effective=np.nan), points)
    effective = recalls[:, judged].mean(axis=1) - alpha_st * recalls[:, judged].std(axis=1)
    curve["effective"] = np.maximum(effective, 0.0)
    x = np.minimum(np.append(curve["false_per_hour"], max_efpr), max_efpr)
    return Psds(float((np.diff(x) * curve["effective"]).sum() / max_efpr), curve, points)


def _rates(
    truth: pd.DataFrame,
    present: pd.DataFrame,
    found: pd.DataFrame,
    hours: float,
    classes: Sequence[str],
    shares: dict[str, float],
    exhaustive: Exhaustive,
) -> pd.DataFrame:
    """Recall, false alarms and cross-triggers an hour of each class, for the detections of one threshold."""
    length = (found["offset"] - found["onset"]).to_numpy()
    counts = tables.covered_seconds(present, found) >= shares["dtc"] * length - _TOLERANCE
    false = found[~counts & ~left_open(truth, found, exhaustive)]
    found_share = tables.covered_seconds(found[counts], present)
    calls = (present["offset"] - present["onset"]).to_numpy()
    hit = (found_share > _TOLERANCE) & (found_share >= shares["gtc"] * calls - _TOLERANCE)
    rows = []
    for name in classes:
        these = (present["label"] == name).to_numpy()
        wrong = false[false["label"] == name]
        crossed = [_crossed(wrong, present[present["label"] == n], shares["cttc"]) for n in classes if n != name]
        known = [rate for rate in crossed if np.isfinite(rate)]
        rows.append(
            {
                "class": name,
                "recall": hit[these].mean() if these.any() else np.nan,
                "false_per_hour": len(wrong) / hours,
                "cross_per_hour": float(np.mean(known)) if known else np.nan,
            }
        )
    return pd.DataFrame(rows)


def _crossed(false: pd.DataFrame, others: pd.DataFrame, share: float) -> float:
    """Cross-triggers by the calls of another class, in an hour of these calls."""
    seconds = float((others["offset"] - others["onset"]).sum())
    if not seconds:
        return np.nan
    touched = tables.covered_seconds(others, false, by=["recording"])
    length = (false["offset"] - false["onset"]).to_numpy()
    return float(((touched > _TOLERANCE) & (touched >= share * length - _TOLERANCE)).sum()) * 3600 / seconds


def _curve(points: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    """The best recall of each class at every effective rate of false alarms that any point has, from none on."""
    x = np.unique(np.append(points["effective"].to_numpy(), 0.0))
    curve = pd.DataFrame({"false_per_hour": x})
    for name in classes:
        mine = points[points["class"] == name].sort_values("effective", kind="stable")
        best = np.concatenate([[0.0], np.maximum.accumulate(mine["recall"].to_numpy())])
        curve[name] = best[np.searchsorted(mine["effective"].to_numpy(), x, side="right")]
        if mine["recall"].isna().any():
            curve[name] = np.nan
    return curve
