"""Losses by name, and the whole of what a training minimises. All take logits, and leave out what is unknown (NaN)."""

from whalelib.losses.centres import Centres
from whalelib.losses.elements import LOSSES, Terms, Weighing, class_weights, exclusive_probabilities, mean
from whalelib.losses.objective import Objective

__all__ = [
    "LOSSES",
    "Centres",
    "Objective",
    "Terms",
    "Weighing",
    "class_weights",
    "exclusive_probabilities",
    "mean",
]
