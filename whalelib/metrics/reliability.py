"""Does a score of 0.8 mean that four out of five are calls? Reliability tables and the calibration error."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from whalelib.errors import InputError
from whalelib.metrics.intervals import DRAWS, LEVEL, ends, resamples

RELIABILITY = ["low", "high", "count", "score", "share"]


def reliability(
    targets: np.ndarray,
    scores: np.ndarray,
    bins: int = 10,
    *,
    groups: Sequence[str] | np.ndarray | None = None,
    draws: int = DRAWS,
    level: float = LEVEL,
    seed: int = 0,
) -> pd.DataFrame:
    """Scores in bins of equal width: how many, their mean, and the share of calls among them, which should equal it.

    `targets` are 1, 0 or NaN; what is unknown, or has no score, is left out. Bins without a score are left out, too.
    With `groups` (day or recording of each one) the share has an interval, `share_low` to `share_high`.
    """
    targets, scores = np.ravel(np.asarray(targets, dtype=float)), np.ravel(np.asarray(scores, dtype=float))
    if targets.shape != scores.shape or (groups is not None and len(groups) != len(scores)):
        raise InputError(f"{targets.size} targets do not fit {scores.size} scores: give one (and one group) for each.")
    known = np.isfinite(targets) & np.isfinite(scores)
    if ((scores < 0) | (scores > 1)).any() or bins < 1:
        raise InputError("reliability is that of probabilities, in at least one bin: give scores from 0 to 1.")
    bin_of = np.minimum((scores[known] * bins).astype(int), bins - 1)
    count, score, held = (np.bincount(bin_of, weights=w, minlength=bins) for w in (None, scores[known], targets[known]))
    some = count > 0
    table = pd.DataFrame({"low": np.arange(bins) / bins, "high": (np.arange(bins) + 1) / bins, "count": count})
    with np.errstate(invalid="ignore"):
        table = table.assign(score=score / count, share=held / count)
    if groups is not None:
        of_row, times = resamples(np.asarray(list(groups))[known], draws, seed)
        sums = np.zeros((2, times.shape[1], bins))
        np.add.at(sums[0], (of_row, bin_of), 1.0)
        np.add.at(sums[1], (of_row, bin_of), targets[known])
        with np.errstate(invalid="ignore"):
            table["share_low"], table["share_high"] = ends((times @ sums[1]) / (times @ sums[0]), level)
    return table[some].reset_index(drop=True)


def calibration_error(table: pd.DataFrame) -> float:
    """The expected calibration error: how far the share of calls lies from the mean score, over all scores."""
    if table["count"].sum() == 0:
        return float("nan")
    return float(np.average(np.abs(table["share"] - table["score"]), weights=table["count"]))
