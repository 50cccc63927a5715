"""Bootstrap intervals by drawing whole groups (days, tapes), since clips of one day are not independent."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

DRAWS = 200
LEVEL = 0.95


def interval(
    statistic: Callable[[np.ndarray], float],
    groups: Sequence[str] | np.ndarray,
    draws: int = DRAWS,
    level: float = LEVEL,
    seed: int = 0,
) -> tuple[float, float]:
    """Bootstrap interval of a statistic by resampling whole groups (days, recordings).

    `statistic` gets the row numbers of a resample, rows of one group together; resampling clips instead would give an
    interval that is too narrow.
    """
    of_row, times = resamples(groups, draws, seed)
    rows_of = [np.flatnonzero(of_row == group) for group in range(times.shape[1])]
    values = [statistic(np.concatenate([rows_of[g] for g in np.repeat(np.arange(len(many)), many)])) for many in times]
    low, high = ends(np.array(values, dtype=float), level)
    return float(low), float(high)


def resamples(groups: Sequence[str] | np.ndarray, draws: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The number of each row's group, and how often each draw holds each group, [draws, groups].

    Of a single group there is no draw: it does not tell how groups differ, and what has no draw has no interval.
    """
    names, of_row = np.unique(np.asarray(list(groups)), return_inverse=True)
    if len(names) < 2:
        return of_row, np.zeros((0, len(names)), dtype=np.int64)
    picked = np.random.default_rng(seed).integers(0, len(names), (draws, len(names)))
    times = np.zeros((draws, len(names)), dtype=np.int64)
    np.add.at(times, (np.arange(draws)[:, None], picked), 1)
    return of_row, times


def ends(values: np.ndarray, level: float = LEVEL) -> tuple[np.ndarray, np.ndarray]:
    """The two ends of the interval over the first axis.

    A draw that could not be judged (a class without a call in it) is NaN and left out; where these are more than half
    there is no interval, because the rest are a choice and not a sample.
    """
    finite = np.isfinite(values)
    enough = finite.sum(axis=0) * 2 >= len(values) if len(values) else np.zeros(values.shape[1:], dtype=bool)
    if not len(values):
        values = np.full((1, *values.shape[1:]), np.nan)
    tail = (1 - level) / 2
    judged = np.where(np.isfinite(values), values, np.nan)
    low, high = np.nanquantile(np.where(enough, judged, 0.0), [tail, 1 - tail], axis=0)
    return np.where(enough, low, np.nan), np.where(enough, high, np.nan)


def poisson(counts: np.ndarray, level: float = LEVEL) -> tuple[np.ndarray, np.ndarray]:
    """The exact interval of a Poisson count. What comes in bouts varies by more, so see it as the least."""
    from scipy.stats import chi2

    tail = (1 - level) / 2
    low = np.where(counts > 0, chi2.ppf(tail, 2 * np.maximum(counts, 1)) / 2, 0.0)
    return low, chi2.ppf(1 - tail, 2 * (counts + 1)) / 2


def mean_of_classes(values: np.ndarray) -> np.ndarray:
    """The mean over the last axis of what is a number; NaN where nothing is."""
    with np.errstate(invalid="ignore"):
        return np.nansum(values, axis=-1) / np.isfinite(values).sum(axis=-1)


def with_ends(
    report: pd.DataFrame, values: dict[str, np.ndarray], level: float = LEVEL, *, intervals: bool = True
) -> pd.DataFrame:
    """A report with these measures [draws, rows], the first being of all there is, and the ends of their intervals."""
    report = report.assign(**{name: drawn[0] for name, drawn in values.items()})
    for name, drawn in values.items() if intervals else ():
        report[f"{name}_low"], report[f"{name}_high"] = ends(drawn[1:], level)
    return report
