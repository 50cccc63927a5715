"""Detections scored second by second instead of call by call: each segment holds a class, or does not."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from whalelib.errors import InputError
from whalelib.metrics.intervals import DRAWS, LEVEL, mean_of_classes, resamples, with_ends
from whalelib.metrics.known import Exhaustive, cell_truth

_COUNTS = ("hits", "missed", "false", "quiet")


def segments(recordings: pd.DataFrame, seconds: float = 1.0) -> pd.DataFrame:
    """Recordings cut into segments (recording, onset, offset), the last of each being what is left."""
    if not seconds > 0:
        raise InputError(f"segments of {seconds!r} s cannot be: give a length above 0.")
    many = np.ceil(recordings["seconds"].to_numpy(dtype=float) / seconds - 1e-9).astype(int)
    number = np.arange(many.sum()) - np.repeat(np.cumsum(many) - many, many)
    of = recordings.loc[recordings.index.repeat(many), ["recording", "seconds"]].reset_index(drop=True)
    onset = number * seconds
    return pd.DataFrame(
        {"recording": of["recording"], "onset": onset, "offset": np.minimum(onset + seconds, of["seconds"])}
    )


def segment_report(
    truth: pd.DataFrame,
    detections: pd.DataFrame,
    recordings: pd.DataFrame,
    classes: Sequence[str],
    *,
    segment_seconds: float = 1.0,
    exhaustive: Exhaustive = True,
    groups: pd.Series | None = None,
    draws: int = DRAWS,
    level: float = LEVEL,
    seed: int = 0,
) -> pd.DataFrame:
    """Counts of segments and rates from them: a row a class, one for "all" and one for "mean".

    A segment holds every call and every detection that touches it; one whose truth is not known counts nowhere.
    `quiet` are segments rightly left without a detection, `accuracy` is the share of hits and quiet ones. error_rate is
    (missed + false) / calls; in "all" a miss and a false alarm in one segment are one error. `groups` as in
    `event_report`.
    """
    cells = segments(recordings, segment_seconds)
    states = cell_truth(cells, truth, classes, exhaustive=exhaustive, share=0.0)
    said = cell_truth(cells, detections.assign(truth="present"), classes, share=0.0) == 1
    held, known = states == 1, np.isfinite(states)
    counted = np.stack([held & said, held & ~said, known & ~held & said, known & ~held & ~said], axis=-1)
    missed, false = counted[:, :, 1].sum(axis=1), counted[:, :, 2].sum(axis=1)
    swapped = np.minimum(missed, false)

    of_row = np.zeros(len(cells), dtype=int)
    times = np.ones((1, 1))
    if groups is not None:
        of_row, drawn = resamples(cells["recording"].map(groups).to_numpy(), draws, seed)
        times = np.concatenate([np.ones((1, drawn.shape[1])), drawn])
    of_groups = np.zeros((times.shape[1], *counted.shape[1:]))
    np.add.at(of_groups, of_row, counted)
    swaps = np.bincount(of_row, weights=swapped, minlength=times.shape[1])
    total = of_groups.sum(axis=0)
    total = np.concatenate([total, np.tile(total.sum(axis=0), (2, 1))]).astype(int)
    report = pd.DataFrame({"class": [*classes, "all", "mean"], **dict(zip(_COUNTS, total.T, strict=True))})
    report.insert(1, "segments", total.sum(axis=1))
    rates = _rates(np.einsum("dg,gkc->dkc", times, of_groups), times @ swaps)
    return with_ends(report, rates, level, intervals=groups is not None)


def _rates(drawn: np.ndarray, swapped: np.ndarray) -> dict[str, np.ndarray]:
    """Each rate, [draws, classes + 2], from counts [draws, classes, (hits, missed, false, quiet)]."""
    hits, missed, false, quiet = np.moveaxis(np.concatenate([drawn, drawn.sum(axis=1, keepdims=True)], axis=1), -1, 0)
    double = np.zeros_like(hits)
    double[:, -1] = swapped
    with np.errstate(invalid="ignore", divide="ignore"):
        rates = {
            "precision": hits / (hits + false),
            "recall": hits / (hits + missed),
            "f1": 2 * hits / (2 * hits + missed + false),
            "accuracy": (hits + quiet) / (hits + missed + false + quiet),
            "error_rate": (missed + false - double) / (hits + missed),
        }
        for name, value in rates.items():
            rates[name] = np.column_stack([value, mean_of_classes(value[:, :-1])])
    return rates
