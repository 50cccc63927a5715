"""Tables in, axes out. Nothing is computed here that a test would want to check elsewhere."""

from whalelib.plots.finding import activity, detection_curve, hourly, rates, recall_by, reliability, scores_by_kind
from whalelib.plots.fronts import augmented, filters, pictures
from whalelib.plots.learning import confusion, history, precision_recall
from whalelib.plots.sound import boxes, gallery, lanes, levels, names, overview, score_curves, spectrogram
from whalelib.plots.style import NEUTRAL, PALETTE, STYLE, Classes, colours, readable, save, use_style
from whalelib.plots.surveys import clock, counts, distribution, shortcuts

__all__ = [
    "NEUTRAL",
    "PALETTE",
    "STYLE",
    "Classes",
    "activity",
    "augmented",
    "boxes",
    "clock",
    "colours",
    "confusion",
    "counts",
    "detection_curve",
    "distribution",
    "filters",
    "gallery",
    "history",
    "hourly",
    "lanes",
    "levels",
    "names",
    "overview",
    "pictures",
    "precision_recall",
    "rates",
    "readable",
    "recall_by",
    "reliability",
    "save",
    "score_curves",
    "scores_by_kind",
    "shortcuts",
    "spectrogram",
    "use_style",
]
