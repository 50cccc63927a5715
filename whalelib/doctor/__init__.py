"""Is this data fit to train on? Findings, each with its rows and its mend: `examine`, `render`, `to_frame`.

`examine` is `diagnose` of what `admit` gives: a `Case`, which also keeps what was measured, for those who draw it.

One file a kind of question: `annotated`, `labels`, `frontend`, `sound`, `copies`, `shortcuts`, `clock`. A check is a
function from a `Case` to findings, listed in `examination.CHECKS`.
"""

from whalelib.doctor.case import Case
from whalelib.doctor.examination import CHECKS, admit, diagnose, examine
from whalelib.doctor.finding import SEVERITIES, Finding, render, to_frame
from whalelib.doctor.labels import label_table

__all__ = [
    "CHECKS",
    "SEVERITIES",
    "Case",
    "Finding",
    "admit",
    "diagnose",
    "examine",
    "label_table",
    "render",
    "to_frame",
]
