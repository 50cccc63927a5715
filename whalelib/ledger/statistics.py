"""Means and differences with their intervals, and how far two orders agree."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

SURE = 0.95
Seeds = tuple[int, ...]  # (seed,), or (seed, fold) in a cross-validation


@dataclass(frozen=True)
class Estimate:
    """A mean with half the width of its interval, which is NaN where there is one value alone."""

    mean: float
    half_width: float
    n: int

    @property
    def low(self) -> float:
        return self.mean - self.half_width

    @property
    def high(self) -> float:
        return self.mean + self.half_width


@dataclass(frozen=True)
class Agreement:
    """A rank correlation with its interval, which is NaN where there are too few pairs to have one."""

    rho: float
    low: float
    high: float
    n: int


def estimate(values: Sequence[float], comparisons: int = 1, held_out: float = 0.0) -> Estimate:
    """Mean and half-width of the 95 % t-interval, widened for a number of simultaneous comparisons.

    `held_out` is the share of the clips that each value was measured on, where the values are the folds of a
    cross-validation. Their detectors learnt from the same clips for the most part, so the variance of their mean is
    larger than their spread shows: by the share held_out / (1 - held_out) of it, as Nadeau and Bengio (2003) have it.
    """
    from scipy.stats import t

    n = len(values)
    if n == 0:
        return Estimate(math.nan, math.nan, 0)
    mean = math.fsum(values) / n
    if n == 1:
        return Estimate(mean, math.nan, 1)
    spread = math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (n - 1))
    if spread <= 1e-12 * max(abs(v) for v in values):
        spread = 0.0  # the values are equal but for rounding
    error = spread * math.sqrt(1 / n + held_out / (1 - held_out))
    return Estimate(mean, float(t.ppf(1 - (1 - SURE) / 2 / comparisons, n - 1)) * error, n)


def paired(
    case: Mapping[Seeds, float],
    reference: Mapping[Seeds, float],
    comparisons: int = 1,
    held_out: float = 0.0,
) -> Estimate:
    """The difference case - reference over the seeds, or seeds and folds, that both have."""
    both = sorted(case.keys() & reference.keys())
    differences = {key: case[key] - reference[key] for key in both}
    scale = max((abs(v) for key in both for v in (case[key], reference[key])), default=0.0)
    differences = {key: 0.0 if abs(d) <= 1e-12 * scale else d for key, d in differences.items()}
    return estimate(units(differences), comparisons, held_out)


def units(values: Mapping[Seeds, float]) -> list[float]:
    """What counts as one repetition: a seed; in a cross-validation a fold, its seeds averaged.

    Several seeds on one fold do not tell how folds differ, so they must not count as so many folds.
    """
    folds: dict[Seeds, list[float]] = {}
    for (seed, *fold), value in sorted(values.items()):
        folds.setdefault(tuple(fold) or (seed,), []).append(value)
    return [math.fsum(of_fold) / len(of_fold) for of_fold in folds.values()]


def agreement(local: Sequence[float], outside: Sequence[float]) -> Agreement:
    """Spearman's rank correlation, its interval by Fisher's transformation with the error of Bonett and Wright (2000).

    An order that is the same to the last place would have no width at all, however short it is; it counts as half a
    swap of neighbours away from that.
    """
    from scipy.stats import norm, rankdata

    n = len(local)
    if n < 2 or len({*local}) < 2 or len({*outside}) < 2:
        return Agreement(math.nan, math.nan, math.nan, n)
    left, right = rankdata(local) - (n + 1) / 2, rankdata(outside) - (n + 1) / 2
    rho = float(left @ right / math.sqrt((left @ left) * (right @ right)))
    if n < 4:
        return Agreement(rho, math.nan, math.nan, n)
    most = 1 - 6 / (n * (n**2 - 1))
    inside = min(max(rho, -most), most)
    reach = float(norm.ppf((1 + SURE) / 2)) * math.sqrt((1 + inside**2 / 2) / (n - 3))
    low, high = math.tanh(math.atanh(inside) - reach), math.tanh(math.atanh(inside) + reach)
    return Agreement(rho, min(low, rho), max(high, rho), n)
