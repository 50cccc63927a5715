"""Scores of whole recordings: what is in each of them, not when."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch

from whalelib import audio, tables
from whalelib.errors import InputError
from whalelib.models import Detector
from whalelib.predict.receipt import RECEIPT, row


def score_recordings(
    detector: Detector,
    recordings: pd.DataFrame,
    *,
    test_crops: int = 1,
    padding: str = "reflect",
    channel: int = 1,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """One row of scores for each recording, and the receipt: what is in it, not when.

    The scores are the mean over `test_crops` clips, spread evenly from beginning to end; one clip is the middle.
    A recording no longer than a clip is padded and is one clip. One that cannot be read has no row.
    """
    rows, receipt = [], []
    device = next(detector.parameters()).device
    detector.eval()
    length, rate = detector.clip_samples, detector.sample_rate
    for rec in recordings.itertuples():
        ear = int(getattr(rec, "listen_channel", channel))
        try:
            seconds = audio.probe(rec.path).seconds
            spare = max(seconds - detector.clip_seconds, 0.0)
            onsets = np.unique(np.linspace(0, spare, test_crops)) if test_crops > 1 else np.array([spare / 2])
            read = [audio.read(rec.path, onset, detector.clip_seconds, rate, ear) for onset in onsets.tolist()]
            crops = np.stack([audio.pad(sound[:length], length, padding) for sound in read])
        except InputError as error:
            receipt.append(row(rec, ear, {"analysed_seconds": 0.0, "reason": str(error)}))
            continue
        with torch.inference_mode():
            scores = (
                detector.probabilities(detector(torch.from_numpy(crops).to(device)).clip).float().mean(0).cpu().numpy()
            )
        rows.append((rec.recording, 0.0, seconds, *scores))
        heard = np.minimum(np.diff(onsets), detector.clip_seconds).sum() + min(detector.clip_seconds, seconds)
        left = {"seconds": seconds, "skipped_seconds": seconds - float(heard)}  # between the crops
        receipt.append(row(rec, ear, {"analysed_seconds": float(heard), "reason": "", **left}))
    table = pd.DataFrame(rows, columns=[*tables.SCORES, *detector.classes])
    return tables.check_scores(table, detector.classes, "the recordings"), pd.DataFrame(receipt, columns=RECEIPT)
