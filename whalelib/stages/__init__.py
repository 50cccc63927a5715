"""The products of a configuration: survey, clip store, detector, scores, detections; each made once and kept.

This is the one place where knobs are unpacked into the library's plain arguments, so that the notebooks that share a
product ask for it by one line and get the same one.
"""

from whalelib.stages.detecting import (
    decide,
    detection_curve,
    detections,
    event_report,
    rule,
    scores_together,
)
from whalelib.stages.folders import MINIATURE, data_folder
from whalelib.stages.listening import Listener, listener
from whalelib.stages.products import (
    Split,
    augmenter,
    case,
    copies,
    examine,
    facts,
    fit,
    fresh_detector,
    front_end,
    front_ends,
    held_out,
    members,
    output,
    place,
    scan,
    split,
    store,
    survey,
    trained,
)
from whalelib.stages.recordings import pace, recording_report, recording_scores
from whalelib.stages.transcribing import (
    beginning,
    side_by_side,
    teach,
    transcribed,
    transcripts,
    word_errors,
)

__all__ = [
    "MINIATURE",
    "Listener",
    "Split",
    "augmenter",
    "beginning",
    "case",
    "copies",
    "data_folder",
    "decide",
    "detection_curve",
    "detections",
    "event_report",
    "examine",
    "facts",
    "fit",
    "fresh_detector",
    "front_end",
    "front_ends",
    "held_out",
    "listener",
    "members",
    "output",
    "pace",
    "place",
    "recording_report",
    "recording_scores",
    "rule",
    "scan",
    "scores_together",
    "side_by_side",
    "split",
    "store",
    "survey",
    "teach",
    "trained",
    "transcribed",
    "transcripts",
    "word_errors",
]
