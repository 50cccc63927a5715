"""How good are the scores of clips? Ranking and decisions, class by class, with intervals over groups."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from whalelib.errors import InputError
from whalelib.metrics.intervals import DRAWS, LEVEL, ends, mean_of_classes, resamples
from whalelib.metrics.ranking import Ranking, label_precision

MEASURES = ("ap", "auc", "f1", "accuracy", "padded_ap", "lwlrap")
_CELLS_AT_ONCE = 2**24  # clips times draws, so that memory stays bounded


def clip_report(
    targets: np.ndarray,
    scores: np.ndarray,
    classes: Sequence[str],
    threshold: float = 0.5,
    *,
    groups: Sequence[str] | np.ndarray | None = None,
    draws: int = DRAWS,
    level: float = LEVEL,
    seed: int = 0,
) -> pd.DataFrame:
    """A row a class and one for "mean"; `targets` is [clips, classes] with NaN where the truth is unknown.

    - ap, auc: average precision and area under the ROC; clips with equal scores share one threshold
    - f1, accuracy: of the decision that a score of `threshold` or more is a call
    - padded_ap: average precision with five rows of ones appended to truth and scores (which are probabilities)
    - lwlrap: how well the classes that a clip holds are ranked before the others; equal scores take the worst rank

    Unknown cells are left out. A class without a known positive or without a known negative has no ap, auc and f1
    (NaN), one of which nothing is known has nothing. The mean is that over the classes that have the measure; for
    lwlrap it is that over all labels of all clips.

    With `groups` (the day or tape of each clip) each measure gets an interval, `ap_low` to `ap_high` and so on, by
    drawing whole groups `draws` times.
    """
    targets, scores = _checked(targets, scores, classes)
    group, times = np.zeros(len(targets), dtype=np.int64), np.zeros((0, 1), dtype=np.int64)
    if groups is not None:
        if len(groups) != len(targets):
            raise InputError(f"{len(groups)} groups do not fit {len(targets)} clips: give one for each clip.")
        group, times = resamples(groups, draws, seed)
    everything = np.ones((1, times.shape[1]), dtype=np.int64)
    values = _measured(targets, scores, threshold, group, np.concatenate([everything, times]))
    known = np.isfinite(targets)
    held = known & (np.nan_to_num(targets) >= 0.5)
    report = pd.DataFrame(
        {
            "class": [*classes, "mean"],
            "clips": [*known.sum(axis=0).tolist(), len(targets)],
            "positives": [*held.sum(axis=0).tolist(), int(held.sum())],
            **{name: values[name][0] for name in MEASURES},
        }
    )
    if groups is None:
        return report
    for name in MEASURES:
        report[f"{name}_low"], report[f"{name}_high"] = ends(values[name][1:], level)
    return report


def flat(report: pd.DataFrame) -> dict[str, float]:
    """A report as named numbers: `ap`, `ap_low` and `ap_high` are the mean's, `ap/humpback` is a class's.

    What is no number is left out, and so are the intervals of classes, which would be most of it.
    """
    numbers = report.set_index("class").drop(columns=["clips", "positives"])
    named = {name: float(numbers.at["mean", name]) for name in numbers.columns}
    named |= {f"{m}/{c}": float(numbers.at[c, m]) for c in numbers.index.drop("mean") for m in MEASURES}
    return {name: value for name, value in named.items() if np.isfinite(value)}


def _checked(targets: np.ndarray, scores: np.ndarray, classes: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    targets, scores = np.asarray(targets, dtype=float), np.asarray(scores, dtype=float)
    if targets.ndim != 2 or targets.shape != scores.shape:
        raise InputError(f"targets {targets.shape} and scores {scores.shape} must both be [clips, classes].")
    if targets.shape[1] != len(classes):
        raise InputError(f"there are {targets.shape[1]} columns of targets and {len(classes)} classes: name each one.")
    if not np.isfinite(scores).all():
        row = int(np.flatnonzero(~np.isfinite(scores).all(axis=1))[0])
        raise InputError(f"the scores of clip {row + 1} are no numbers: look for NaN in the recording or the weights.")
    return targets, scores


def _measured(
    targets: np.ndarray, scores: np.ndarray, threshold: float, group: np.ndarray, times: np.ndarray
) -> dict[str, np.ndarray]:
    """Every measure, [draws, classes + 1], the last column being the mean; `times` is [draws, groups]."""
    known = np.isfinite(targets)
    held = known & (np.nan_to_num(targets) >= 0.5)
    found = {name: np.full((len(times), targets.shape[1]), np.nan) for name in MEASURES}
    at_once = max(_CELLS_AT_ONCE // max(len(targets), 1), 1)
    for k in range(targets.shape[1]):
        rows = np.flatnonzero(known[:, k])
        ranking = Ranking(held[rows, k], scores[rows, k])
        for first in range(0, len(times), at_once):
            draws = slice(first, first + at_once)
            weights = np.ascontiguousarray(times[draws].T)[group[rows]]
            for name, value in ranking.measure(weights).items():
                found[name][draws, k] = value

    def total(cells: np.ndarray) -> np.ndarray:
        """Cells summed for each draw: what is a plain sum over clips needs only the sums of groups."""
        of_groups = np.zeros((times.shape[1], targets.shape[1]))
        np.add.at(of_groups, group, cells)
        return times @ of_groups

    called = scores >= threshold
    clips, positives = total(known), total(held)
    precision = label_precision(targets, scores)
    ranked = total(np.nan_to_num(precision))
    with np.errstate(invalid="ignore", divide="ignore"):
        judged = (positives > 0) & (positives < clips)
        found["f1"] = np.where(judged, 2 * total(called & held) / (positives + total(called & known)), np.nan)
        found["accuracy"] = total(known & (called == held)) / clips
        found["lwlrap"] = ranked / positives
        means = {name: mean_of_classes(value) for name, value in found.items()}
        means["lwlrap"] = ranked.sum(axis=1) / positives.sum(axis=1)
    return {name: np.column_stack([value, means[name]]) for name, value in found.items()}
