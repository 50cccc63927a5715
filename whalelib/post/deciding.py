"""What validation days decide about scores: how they are calibrated, and from which one on they are a call."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import pandas as pd

from whalelib import metrics
from whalelib.errors import InputError
from whalelib.metrics.known import Exhaustive
from whalelib.post.calibrating import Calibration, calibrate
from whalelib.post.detecting import detect
from whalelib.post.thresholds import choose_thresholds

_NONE: Mapping[str, float] = MappingProxyType({})


@dataclass(frozen=True)
class Decided:
    """Thresholds, and the curves that scores go through before they are compared with them."""

    thresholds: dict[str, float]
    calibration: Calibration | None = None

    def calibrated(self, scores: pd.DataFrame) -> pd.DataFrame:
        """Scores as the thresholds are meant for."""
        return scores if self.calibration is None else self.calibration.apply(scores)

    def detect(self, scores: pd.DataFrame, **steps: Any) -> pd.DataFrame:
        """The detections in scores that have not been calibrated yet."""
        return detect(self.calibrated(scores), self.thresholds, **steps)


def decide(
    validation: Callable[[], pd.DataFrame],
    truth: pd.DataFrame,
    classes: Sequence[str],
    *,
    exhaustive: Exhaustive,
    calibration: str = "none",
    threshold: float | None = None,
    class_thresholds: Mapping[str, float] = _NONE,
    aim: str = "f1",
    aim_recall: float = 0.9,
    aim_rate: float = 1.0,
    segment_seconds: float = 1.0,
    rule: metrics.Rule = metrics.OVERLAP,
    **steps: Any,
) -> Decided:
    """Calibration first, then the thresholds that `threshold` (of all) and `class_thresholds` (of some) leave open.

    `validation` gives the scores of validation days when they are needed; where all is set by hand they never are.
    `truth` are those days' events, and `steps` are those of `detect`.
    """
    fixed = _given(classes, threshold, class_thresholds)
    left = [name for name in classes if name not in fixed]
    fitted = None
    if left or calibration != "none":
        scores = validation()
        if calibration != "none":
            fitted = calibrate(scores, truth, classes, calibration, exhaustive=exhaustive)
            scores = fitted.apply(scores)
        if left:
            aims: dict[str, Any] = {"aim": aim, "aim_recall": aim_recall, "aim_rate": aim_rate}
            aims["segment_seconds"] = segment_seconds
            fixed |= choose_thresholds(scores, truth, left, rule=rule, exhaustive=exhaustive, **aims, **steps)
    return Decided({name: fixed[name] for name in classes}, fitted)


def _given(classes: Sequence[str], threshold: float | None, by_class: Mapping[str, float]) -> dict[str, float]:
    for name, value in by_class.items():
        if name not in classes:
            raise InputError(f"there is a threshold for {name!r}, which is no class: they are {', '.join(classes)}.")
        if not 0 <= value <= 1:
            raise InputError(f"the threshold {value:g} of {name!r} lies outside 0 to 1.")
    common = {} if threshold is None else dict.fromkeys(classes, threshold)
    return {name: float(value) for name, value in {**common, **by_class}.items()}
