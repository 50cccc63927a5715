"""Fit a detector to a clip store: transformers' Trainer underneath, resumed wherever it was stopped."""

from whalelib.train.answering import pace, predict_clips
from whalelib.train.batches import ClipBatches, sample_of
from whalelib.train.checkpoints import newest_whole_checkpoint
from whalelib.train.fitting import Fitted, fit, join, load
from whalelib.train.processes import processes
from whalelib.train.profiling import profiled
from whalelib.train.recipe import Recipe
from whalelib.train.trainer import DetectorTrainer, frames_at

__all__ = [
    "ClipBatches",
    "DetectorTrainer",
    "Fitted",
    "Recipe",
    "fit",
    "frames_at",
    "join",
    "load",
    "newest_whole_checkpoint",
    "pace",
    "predict_clips",
    "processes",
    "profiled",
    "sample_of",
]
