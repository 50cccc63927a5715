"""Augmentation: batched changes of waveforms, pictures and embeddings, in training only, labels kept true.

A short list says what is done to a batch, in its order: `["gain", "pink_noise p=0.3 snr=5..20", "mixup at=picture"]`.
`names` lists what there is.
"""

from whalelib.augment import filters, levels, mixing, noise, pictures, timing  # noqa: F401  (importing registers)
from whalelib.augment.augmenter import Augmenter, Chosen, Later
from whalelib.augment.drawing import Dice
from whalelib.augment.entries import Entry, parse
from whalelib.augment.labels import Labels
from whalelib.augment.registry import AUGMENTATIONS, STAGES, Augmentation, Surroundings, names, register

__all__ = [
    "AUGMENTATIONS",
    "STAGES",
    "Augmentation",
    "Augmenter",
    "Chosen",
    "Dice",
    "Entry",
    "Labels",
    "Later",
    "Surroundings",
    "names",
    "parse",
    "register",
]
