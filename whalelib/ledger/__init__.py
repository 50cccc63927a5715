"""Results to EXPERIMENT_LOG.md: what was asked, what was measured, and a sentence that is true of the numbers."""

from whalelib.ledger.page import write_page
from whalelib.ledger.sentences import Verdict, verdict
from whalelib.ledger.statistics import Agreement, Estimate, agreement, estimate, paired
from whalelib.ledger.writing import HEAD, LOCAL_LOG, LOG, check, outdated, render, write_log

__all__ = [
    "HEAD",
    "LOCAL_LOG",
    "LOG",
    "Agreement",
    "Estimate",
    "Verdict",
    "agreement",
    "check",
    "estimate",
    "outdated",
    "paired",
    "render",
    "verdict",
    "write_log",
    "write_page",
]
