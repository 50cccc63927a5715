"""Scores of whole recordings: what is in each of them, not when."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch

from whalelib import audio, tables
from whalelib.errors import InputError
from whalelib.models import Detector
from whalelib.predict.receipt import RECEIPT, row

AS_RECORDED = [1.0]


def score_recordings(
    detector: Detector,
    recordings: pd.DataFrame,
    *,
    test_crops: int = 1,
    test_speeds: Sequence[float] = AS_RECORDED,
    padding: str = "reflect",
    channel: int = 1,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """One row of scores for each recording, and the receipt: what is in it, not when.

    The scores are the mean over `test_crops` clips, spread evenly from beginning to end; one clip is the middle. At
    each of `test_speeds` the recording is played so much faster, pitch and all, and the means are averaged. A
    recording no longer than a clip is padded and is one clip. One that cannot be read has no row.
    """
    rows, receipt = [], []
    detector.eval()
    for rec in recordings.itertuples():
        ear = int(getattr(rec, "listen_channel", channel))
        try:
            seconds = audio.probe(rec.path).seconds
            heard = [_crops(detector, rec.path, seconds, speed, test_crops, padding, ear) for speed in test_speeds]
        except InputError as error:
            receipt.append(row(rec, ear, {"analysed_seconds": 0.0, "reason": str(error)}))
            continue
        scores = np.mean([_mean_score(detector, crops) for crops, _ in heard], axis=0)
        rows.append((rec.recording, 0.0, seconds, *scores))
        analysed = max(analysed for _, analysed in heard)
        left = {"seconds": seconds, "skipped_seconds": seconds - analysed}  # between the crops
        receipt.append(row(rec, ear, {"analysed_seconds": analysed, "reason": "", **left}))
    table = pd.DataFrame(rows, columns=[*tables.SCORES, *detector.classes])
    return tables.check_scores(table, detector.classes, "the recordings"), pd.DataFrame(receipt, columns=RECEIPT)


def _crops(
    detector: Detector, path: str, seconds: float, speed: float, test_crops: int, padding: str, channel: int
) -> tuple[np.ndarray, float]:
    """Clips of a recording that is played so much faster, and how many of its seconds they hold together."""
    lasts, rate, length = detector.clip_seconds * speed, round(detector.sample_rate / speed), detector.clip_samples
    spare = max(seconds - lasts, 0.0)
    onsets = np.unique(np.linspace(0, spare, test_crops)) if test_crops > 1 else np.array([spare / 2])
    read = [audio.read(path, onset, lasts, rate, channel) for onset in onsets.tolist()]
    analysed = np.minimum(np.diff(onsets), lasts).sum() + min(lasts, seconds)
    return np.stack([audio.pad(sound[:length], length, padding) for sound in read]), float(analysed)


def _mean_score(detector: Detector, crops: np.ndarray) -> np.ndarray:
    device = next(detector.parameters()).device
    with torch.inference_mode():
        logits = detector(torch.from_numpy(crops).to(device)).clip
        return detector.probabilities(logits).float().mean(0).cpu().numpy()
