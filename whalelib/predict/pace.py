"""How long an hour of sound takes here: some of it scanned with a clock in hand, and nothing kept."""

from __future__ import annotations

import time

import pandas as pd

from whalelib.errors import InputError
from whalelib.models import Detector
from whalelib.predict.windows import score


def pace(
    detector: Detector,
    recordings: pd.DataFrame,
    *,
    scan_hop_seconds: float = 1.5,
    scan_batch: int = 64,
    patience: float = 5.0,
) -> float:
    """Seconds of this machine for an hour of sound, reading and decoding included.

    Recordings are scanned in turn until `patience` seconds are spent, one batch of windows at least. The first window
    is scanned twice, because memory is found and kernels are chosen in the first; NaN where nothing can be read.
    """
    heard, begun = 0.0, None
    for rec in recordings.itertuples():
        how = (detector, rec.path, float(rec.seconds), scan_hop_seconds)
        ear = int(getattr(rec, "listen_channel", 1))
        try:
            if begun is None:
                if next(score(*how, 1, ear), None) is None:
                    continue
                begun = time.perf_counter()
            for onset, offset, _ in score(*how, scan_batch, ear):
                heard += float(offset[-1] - onset[0])
                if time.perf_counter() - begun > patience:
                    break
        except InputError:
            continue
        if begun is not None and time.perf_counter() - begun > patience:
            break
    spent = 0.0 if begun is None else time.perf_counter() - begun
    return 3600 * spent / heard if heard else float("nan")
