"""What a detector answers to the clips of a store, and how long it takes."""

from __future__ import annotations

import time

import numpy as np
import torch

from whalelib.clips import Store
from whalelib.models import Detector
from whalelib.train.batches import ClipBatches


def predict_clips(detector: Detector, store: Store, fold: str, batch_size: int = 256) -> np.ndarray:
    """Clip probabilities of a fold, [clips, classes]."""
    batches = ClipBatches(store, fold)
    device = next(detector.parameters()).device
    was_training = detector.training
    detector.eval()
    found = [np.empty((0, len(store.classes)), dtype=np.float32)]
    with torch.inference_mode():
        for first in range(0, len(batches), batch_size):
            rows = list(range(first, min(first + batch_size, len(batches))))
            waveform = batches.__getitems__(rows)["waveform"].to(device)
            found.append(detector.probabilities(detector(waveform).clip).float().cpu().numpy())
    detector.train(was_training)
    return np.concatenate(found)


def pace(
    detector: Detector, store: Store, fold: str = "validation", batch_size: int = 64, patience: float = 3.0
) -> float:
    """Seconds of this machine for an hour of sound, heard clip by clip; reading is not in it, decoding is none.

    The fold is gone through until `patience` seconds are spent, one batch at least. The first batch is heard twice,
    because memory is found and kernels are chosen in the first.
    """
    batches = ClipBatches(store, fold)
    device = next(detector.parameters()).device
    was_training = detector.training
    detector.eval()
    spent, heard, first, warm = 0.0, 0, 0, False
    with torch.inference_mode():
        while first < len(batches) and spent < patience:
            rows = list(range(first, min(first + batch_size, len(batches))))
            waveform = batches.__getitems__(rows)["waveform"]
            begun = time.perf_counter()
            detector(waveform.to(device)).clip.cpu()
            if warm:
                spent, heard, first = spent + time.perf_counter() - begun, heard + len(rows), first + batch_size
            warm = True
    detector.train(was_training)
    return 3600 * spent / (heard * detector.clip_seconds) if heard else float("nan")
