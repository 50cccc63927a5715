"""What a detector answers to the clips of a store."""

from __future__ import annotations

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
