"""How good is a detector? By clips (ranking) and by events (matching), with intervals, what is unknown left out."""

from whalelib.metrics.clips import MEASURES, clip_report, flat
from whalelib.metrics.confusion import confusion
from whalelib.metrics.curves import detection_curve, false_per_hour_at, operating_points, points_at, recall_at
from whalelib.metrics.events import event_report, judge
from whalelib.metrics.intervals import interval
from whalelib.metrics.known import cell_truth, known_hours, recording_truth
from whalelib.metrics.matching import OVERLAP, Collar, Overlap, Rule, rule
from whalelib.metrics.psds import Psds, psds
from whalelib.metrics.ranking import label_precision
from whalelib.metrics.reliability import calibration_error, reliability
from whalelib.metrics.segments import segment_report, segments
from whalelib.metrics.trading import at_rates, compare

__all__ = [
    "MEASURES",
    "OVERLAP",
    "Collar",
    "Overlap",
    "Psds",
    "Rule",
    "at_rates",
    "calibration_error",
    "cell_truth",
    "clip_report",
    "compare",
    "confusion",
    "detection_curve",
    "event_report",
    "false_per_hour_at",
    "flat",
    "interval",
    "judge",
    "known_hours",
    "label_precision",
    "operating_points",
    "points_at",
    "psds",
    "recall_at",
    "recording_truth",
    "reliability",
    "rule",
    "segment_report",
    "segments",
]
