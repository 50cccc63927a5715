"""Long recordings to scores: windows over one recording, scans of many, and whole recordings at once."""

from whalelib.predict.finding import detections
from whalelib.predict.inputs import Inputs, inputs
from whalelib.predict.pace import pace
from whalelib.predict.receipt import RECEIPT, told, totals
from whalelib.predict.reporting import publish, refuse_kinds, summary
from whalelib.predict.scanning import scan, signature
from whalelib.predict.score_files import read_scores
from whalelib.predict.whole import score_recordings
from whalelib.predict.windows import Stitch, score

__all__ = [
    "RECEIPT",
    "Inputs",
    "Stitch",
    "detections",
    "inputs",
    "pace",
    "publish",
    "read_scores",
    "refuse_kinds",
    "scan",
    "score",
    "score_recordings",
    "signature",
    "summary",
    "told",
    "totals",
]
