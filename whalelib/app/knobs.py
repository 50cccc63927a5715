"""What a visitor can turn without another scan: sliders, and what their places mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from whalelib.app.listening import Ear, Scribe

_MOST_SLIDERS = 8  # classes with a threshold of their own; more are moved together
_LOOSEST = 5.0  # by how much all thresholds can be moved, in log-odds
LONGEST_SECONDS = 5.0


@dataclass(frozen=True)
class Slider:
    """A range, where it stands at first, and what is said beside it."""

    label: str
    low: float
    high: float
    at: float
    step: float
    visible: bool = True


@dataclass(frozen=True)
class Knobs:
    """Thresholds, and the steps from scores to detections."""

    thresholds: Mapping[str, float]
    steps: Mapping[str, Any] = field(default_factory=dict)


def sliders(ear: Ear | Scribe) -> list[Slider]:
    """The sliders for this listener: merging and shortest call first, then the thresholds.

    A detector has a threshold for each class, or where there are many one slider that moves all of them from where they
    are; a transcriber's calls have one for how sure it must be.
    """
    steps = [
        ("merge what is closer than (s)", ear.steps.get("merge_seconds", 0.25)),
        ("drop what is shorter than (s)", ear.steps.get("min_seconds", 0.3)),
    ]
    found = [Slider(label, 0, max(LONGEST_SECONDS, at), at, 0.05, visible=not ear.writes) for label, at in steps]
    if ear.writes:
        return [*found, Slider("how sure it must be of a call", 0.0, 0.99, 0.0, 0.01)]
    if len(ear.classes) > _MOST_SLIDERS:
        return [*found, Slider("all classes: fewer detections, or more (log-odds)", -_LOOSEST, _LOOSEST, 0.0, 0.1)]
    starts = {name: min(max(ear.threshold(name), 0.01), 0.99) for name in ear.classes}
    return [*found, *(Slider(name.replace("_", " "), 0.01, 0.99, at, 0.01) for name, at in starts.items())]


def turned(ear: Ear | Scribe, places: Sequence[float]) -> Knobs:
    """What these places of the sliders mean."""
    merge, least, *at = places
    steps = {**ear.steps, "merge_seconds": merge, "min_seconds": least}
    if ear.writes:
        return Knobs(dict.fromkeys(ear.classes, at[0]), steps)
    if len(ear.classes) > _MOST_SLIDERS:
        return Knobs({name: expit(logit(ear.threshold(name)) - at[0]) for name in ear.classes}, steps)
    return Knobs(dict(zip(ear.classes, at, strict=True)), steps)


def logit(p: Any) -> Any:
    """Log-odds of a probability, bounded."""
    p = np.clip(p, 1e-6, 1 - 1e-6)
    return np.log(p / (1 - p))


def expit(x: float) -> float:
    """The probability of log-odds."""
    return float(1 / (1 + np.exp(-x)))
