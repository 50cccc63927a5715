"""What is got for what: recall at a chosen rate of false alarms, the reverse, and one way of detecting against another.

Each figure has its interval over groups, and what is compared is compared on the same draws.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from whalelib.errors import InputError
from whalelib.metrics.events import Groups, counted
from whalelib.metrics.intervals import DRAWS, LEVEL, ends, mean_of_classes
from whalelib.metrics.known import Exhaustive
from whalelib.metrics.matching import OVERLAP, Rule

_BEYOND = 1e18  # stands for infinity, between which and a number a quantile has no value


def at_rates(
    truth: pd.DataFrame,
    detections: Mapping[float, pd.DataFrame],
    hours: pd.DataFrame,
    classes: Sequence[str],
    rule: Rule = OVERLAP,
    *,
    exhaustive: Exhaustive,
    groups: pd.Series,
    false_per_hour: float = 1.0,
    recall: float = 0.9,
    draws: int = DRAWS,
    level: float = LEVEL,
    seed: int = 0,
) -> pd.DataFrame:
    """Recall at no more than `false_per_hour`, and the fewest false alarms an hour at `recall` or more: a row a class
    and one for "mean", each figure with the interval over `groups` (day or recording, by recording).

    The detections are those of each threshold, as for `operating_points`. In every draw the threshold is sought anew,
    as one would who had only those days. A recall that no threshold reaches costs infinitely many false alarms; a class
    without a call has neither figure.
    """
    if not detections:
        raise InputError("there is no threshold to judge detections at: give at least one.")
    of = Groups(groups, classes)
    times = of.times(draws, seed)
    found, false = [], []
    for threshold in sorted(detections, reverse=True):
        counts, _, heard = counted(truth, detections[threshold], hours, of, rule, exhaustive=exhaustive)
        with np.errstate(invalid="ignore", divide="ignore"):
            calls, hits, wrong = (times @ count for count in counts)
            found.append(hits / calls)
            false.append(wrong / (times @ heard))
    recalls, rates = np.stack(found), np.stack(false)  # [thresholds, draws, classes]
    judged = np.isfinite(recalls[0])
    best = np.where(rates <= false_per_hour + 1e-9, recalls, 0.0).max(axis=0)
    fewest = np.where(recalls >= recall - 1e-9, rates, _BEYOND).min(axis=0)
    table = pd.DataFrame({"class": [*classes, "mean"]})
    for name, values in (("recall", best), ("false_per_hour", fewest)):
        values = np.where(judged, values, np.nan)
        values = np.column_stack([values, mean_of_classes(values)])
        low, high = ends(values[1:], level)
        for column, value in ((name, values[0]), (f"{name}_low", low), (f"{name}_high", high)):
            table[column] = np.where(value >= _BEYOND / 1e6, np.inf, value)
    return table


def compare(
    truth: pd.DataFrame,
    ways: Mapping[str, pd.DataFrame],
    hours: pd.DataFrame,
    classes: Sequence[str],
    rule: Rule = OVERLAP,
    *,
    exhaustive: Exhaustive,
    groups: pd.Series,
    draws: int = DRAWS,
    level: float = LEVEL,
    seed: int = 0,
) -> pd.DataFrame:
    """Ways of detecting the same days, a row a way, over all classes together.

    `f1_change` is F1 less that of the first way, on the same draws of groups, with its interval: where that holds zero,
    these days do not tell the two apart.
    """
    of = Groups(groups, classes)
    times = of.times(draws, seed)
    rows, first = [], None
    for name, detections in ways.items():
        counts, _, heard = counted(truth, detections, hours, of, rule, exhaustive=exhaustive)
        calls, hits, false = (times @ count.sum(axis=1) for count in counts)
        with np.errstate(invalid="ignore", divide="ignore"):
            f1 = 2 * hits / (calls + hits + false)
            alarms = np.nansum(counts[2].sum(axis=0) / heard.sum(axis=0))
            shares = (hits[0] / (hits[0] + false[0]), hits[0] / calls[0])
        first = f1 if first is None else first
        change = f1 - first
        low, high = ends(change[1:], level)
        rows.append(
            (
                name,
                len(detections),
                int(hits[0]),
                int(false[0]),
                *shares,
                f1[0],
                alarms,
                change[0],
                float(low),
                float(high),
            )
        )
    columns = ["way", "detections", "hits", "false", "precision", "recall", "f1", "false_per_hour"]
    return pd.DataFrame(rows, columns=[*columns, "f1_change", "f1_change_low", "f1_change_high"])
