"""Scores made probabilities: curves fitted on validation days, applied to all others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from whalelib import metrics
from whalelib.errors import InputError
from whalelib.metrics.known import Exhaustive

WAYS = ("isotonic", "platt", "temperature")
_LEAST = 1e-7  # float32 scores of 0 and 1 have no logit
_KNOTS = 1001


@dataclass(frozen=True)
class Calibration:
    """A rising curve for each class, as points between which it is straight."""

    curves: dict[str, tuple[np.ndarray, np.ndarray]]

    def apply(self, scores: pd.DataFrame) -> pd.DataFrame:
        """The scores table with calibrated scores; classes without a curve, and cells without a score, stay."""
        changed = {
            name: np.interp(scores[name].to_numpy(dtype=float), *curve).astype(np.float32)
            for name, curve in self.curves.items()
            if name in scores
        }
        return scores.assign(**changed)


def calibrate(
    scores: pd.DataFrame,
    truth: pd.DataFrame,
    classes: Sequence[str],
    how: str,
    *,
    exhaustive: Exhaustive,
) -> Calibration:
    """What makes the scores of these (validation) days probabilities that a cell lies in a call of the class.

    - isotonic: any rising steps; needs many calls
    - platt: a logistic curve of the score's logit, which moves and stretches it
    - temperature: the logit divided by one number, so that 0.5 stays 0.5

    Cells whose truth is not known are left out. A class without a known call, or without a known cell that holds none,
    keeps its scores.
    """
    if how not in WAYS:
        raise InputError(f"scores cannot be calibrated by {how!r}: it is one of {', '.join(WAYS)}.")
    targets = metrics.cell_truth(scores, truth, classes, exhaustive=exhaustive)
    curves = {}
    for k, name in enumerate(classes):
        score = scores[name].to_numpy(dtype=float)
        known = np.isfinite(targets[:, k]) & np.isfinite(score)
        held, score = targets[known, k], score[known]
        if 0 < held.sum() < len(held):
            curves[name] = _isotonic(score, held) if how == "isotonic" else _logistic(score, held, how == "platt")
    return Calibration(curves)


def _isotonic(score: np.ndarray, held: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    from sklearn.isotonic import IsotonicRegression

    fitted = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(score, held)
    return fitted.X_thresholds_, fitted.y_thresholds_


def _logistic(score: np.ndarray, held: np.ndarray, moved: bool) -> tuple[np.ndarray, np.ndarray]:
    """The curve of the logit times a slope, plus a shift if it may be `moved`, that fits best by log-likelihood."""
    from scipy.optimize import minimize
    from scipy.special import expit

    logit = _logit(score)

    def cost(which: np.ndarray) -> tuple[float, np.ndarray]:
        slope, shift = np.exp(which[0]), which[1] if moved else 0.0  # a slope above 0: the order of scores stays
        z = slope * logit + shift
        off = expit(z) - held
        gradient = np.array([(off * logit).mean() * slope, off.mean()])
        return float(np.mean(np.logaddexp(0, z) - held * z)), gradient[: len(which)]

    # A class that is told apart without an error has no best slope; the bound keeps it a number.
    bounds = [(-5, 5), (-20, 20)][: 1 + moved]
    best = minimize(cost, np.zeros(1 + moved), jac=True, method="L-BFGS-B", bounds=bounds).x
    # Even steps of the logit, where the curve is smooth.
    at = np.unique(np.concatenate([[0.0, 1.0], expit(np.linspace(_logit(0.0), _logit(1.0), _KNOTS))]))
    return at, expit(np.exp(best[0]) * _logit(at) + (best[1] if moved else 0.0))


def _logit(score: np.ndarray | float) -> np.ndarray:
    clipped = np.clip(score, _LEAST, 1 - _LEAST)
    return np.log(clipped / (1 - clipped))
