"""Rankings scored for many resamples at once: each class is sorted once, and a resample only weighs its clips.

Ties follow scikit-learn everywhere. Clips with equal scores share one threshold, so neither average precision nor ROC
AUC depends on their order; labels with equal scores all take the worst of their ranks (the pessimistic rule).
"""

from __future__ import annotations

import numpy as np

PADS = 5  # rows of ones that the padded average precision appends, so that a class without a call has one, too


class Ranking:
    """The clips of one class in the order of their scores, best first; clips with equal scores are one step."""

    def __init__(self, truth: np.ndarray, score: np.ndarray) -> None:
        order = np.argsort(-score, kind="stable")
        self.order, score = order, score[order]
        self.positives = np.flatnonzero(truth[order])
        begins = np.flatnonzero(np.r_[True, score[1:] != score[:-1]][: len(score)])
        ends = np.r_[begins[1:], len(score)]
        # Only steps that hold a positive count: elsewhere the recall stands still.
        step = np.searchsorted(begins, self.positives, side="right") - 1
        steps, self.first_positive = np.unique(step, return_index=True)
        self.begins, self.ends = begins[steps], ends[steps]
        self.under_pads = score[self.begins] <= 1 if len(score) else np.zeros(0, dtype=bool)
        self.level_with_pads = int((score >= 1).sum())

    def measure(self, weights: np.ndarray) -> dict[str, np.ndarray]:
        """`ap`, `auc` and `padded_ap` for each column of `weights` [clips, draws]; NaN where it cannot be judged."""
        above = np.zeros((len(self.order) + 1, weights.shape[1]), dtype=np.int64)
        np.cumsum(weights[self.order], axis=0, out=above[1:])  # how many clips are ranked above a place
        gained = weights[self.order[self.positives]].astype(np.int64)
        if len(gained):
            gained = np.add.reduceat(gained, self.first_positive, axis=0)
        hits, found = np.cumsum(gained, axis=0), above[self.ends]
        positives, clips = gained.sum(axis=0), above[-1]
        negatives = clips - positives
        precision = hits / np.maximum(found, 1)
        false_before, false_after = above[self.begins] - (hits - gained), found - hits
        overtaken = negatives - (false_before + false_after) / 2
        with np.errstate(invalid="ignore", divide="ignore"):
            ap = np.where(negatives > 0, (gained * precision).sum(axis=0) / positives, np.nan)
            auc = (gained * overtaken).sum(axis=0) / (positives * negatives)
        pads = PADS * self.under_pads[:, None]
        padded = (gained * (hits + pads) / np.maximum(found + pads, 1)).sum(axis=0)
        hits_level = gained[: np.searchsorted(self.begins, self.level_with_pads)].sum(axis=0)
        padded = padded + PADS * (hits_level + PADS) / (above[self.level_with_pads] + PADS)
        return {"ap": ap, "auc": auc, "padded_ap": np.where(clips > 0, padded / (positives + PADS), np.nan)}


def label_precision(targets: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """For each label that a clip holds: of the labels ranked as high or higher in this clip, the share that it holds.

    NaN elsewhere. Only labels whose truth is known are ranked. The mean over all is lwlrap, the mean over a class's
    clips is that class's.
    """
    known, held = np.isfinite(targets), np.nan_to_num(targets, nan=0.0) >= 0.5
    ranked = np.where(known, scores, -np.inf)  # at the end of the ranking, where they count for nobody
    order = np.argsort(-ranked, axis=1, kind="stable")
    score = np.take_along_axis(ranked, order, axis=1)
    hits = np.cumsum(np.take_along_axis(held, order, axis=1), axis=1)
    places = np.broadcast_to(np.arange(score.shape[1]), score.shape)
    last = np.ones(score.shape, dtype=bool)
    last[:, :-1] = score[:, 1:] != score[:, :-1]
    # Where the labels end that have this label's score: the nearest last one from here on.
    worst = np.minimum.accumulate(np.where(last, places, score.shape[1])[:, ::-1], axis=1)[:, ::-1]
    precision = np.empty(score.shape)
    np.put_along_axis(precision, order, np.take_along_axis(hits, worst, axis=1) / (worst + 1), axis=1)
    return np.where(held, precision, np.nan)
