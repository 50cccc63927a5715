"""Long recordings to scores: windows over one recording, scans of many, and whole recordings at once."""

from whalelib.predict.pace import pace
from whalelib.predict.scanning import RECEIPT, read_scores, scan, signature
from whalelib.predict.whole import score_recordings
from whalelib.predict.windows import Stitch, score

__all__ = ["RECEIPT", "Stitch", "pace", "read_scores", "scan", "score", "score_recordings", "signature"]
