"""Scores to detections: smooth, cut at a threshold, merge, drop what is too short; thresholds from validation days."""

from whalelib.post.ablating import without_each
from whalelib.post.calibrating import Calibration, calibrate
from whalelib.post.counting import hourly, presence_by, true_calls
from whalelib.post.deciding import Decided, decide
from whalelib.post.detecting import bands_of, detect, refine
from whalelib.post.joining import join
from whalelib.post.smoothing import smooth
from whalelib.post.suppressing import suppress
from whalelib.post.thresholds import CANDIDATES, at_thresholds, choose_thresholds

__all__ = [
    "CANDIDATES",
    "Calibration",
    "Decided",
    "at_thresholds",
    "bands_of",
    "calibrate",
    "choose_thresholds",
    "decide",
    "detect",
    "hourly",
    "join",
    "presence_by",
    "refine",
    "smooth",
    "suppress",
    "true_calls",
    "without_each",
]
