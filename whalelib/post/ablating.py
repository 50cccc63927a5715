"""What does each step buy? The steps that are at work, left out one at a time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# The value at which each step does nothing.
OFF: dict[str, dict[str, Any]] = {
    "smoothing": {"smooth_seconds": 0.0},
    "hysteresis": {"hysteresis": 0.0},
    "so many of so many": {"at_least": 1},
    "merging": {"merge_seconds": 0.0},
    "least length": {"min_seconds": 0.0},
    "greatest length": {"max_seconds": 0.0},
    "sharpened ends": {"sharpen": False},
    "suppression in a class": {"suppress_seconds": 0.0},
    "suppression between classes": {"suppress_iou": 1.0},
}


def without_each(steps: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The steps of `detect` as they are ("all steps"), without each that does something, and the threshold alone."""
    at_work = {name: off for name, off in OFF.items() if any(steps.get(k, v) != v for k, v in off.items())}
    ways = {"all steps": dict(steps)}
    ways |= {f"without {name}": {**steps, **off} for name, off in at_work.items()}
    if len(at_work) > 1:
        nothing = {knob: value for off in OFF.values() for knob, value in off.items()}
        ways["the threshold alone"] = {**steps, **nothing}
    return ways
