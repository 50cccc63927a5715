"""How good is a detector? By clips (ranking) and by events (matching), with intervals, what is unknown left out."""

from whalelib.metrics.clips import MEASURES, clip_report, flat
from whalelib.metrics.events import event_report, judge
from whalelib.metrics.intervals import interval
from whalelib.metrics.ranking import label_precision

__all__ = ["MEASURES", "clip_report", "event_report", "flat", "interval", "judge", "label_precision"]
