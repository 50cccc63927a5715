"""Where do the mistakes come from? False alarms by what was heard then, their neighbours, and the worst of them."""

from whalelib.mistakes.circumstances import circumstances, false_rates
from whalelib.mistakes.likening import embeddings, nearest_calls
from whalelib.mistakes.unlabelled import KINDS, kinds, scores_by_kind
from whalelib.mistakes.worst import sounds, worst

__all__ = [
    "KINDS",
    "circumstances",
    "embeddings",
    "false_rates",
    "kinds",
    "nearest_calls",
    "scores_by_kind",
    "sounds",
    "worst",
]
