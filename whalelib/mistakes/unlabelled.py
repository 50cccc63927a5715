"""What does the detector say where nobody said anything?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from whalelib import metrics, tables
from whalelib.metrics.known import Exhaustive

KINDS = ("call", "possible call", "no call", "no label")


def kinds(scores: pd.DataFrame, truth: pd.DataFrame, classes: Sequence[str], *, exhaustive: Exhaustive) -> np.ndarray:
    """What is known of each cell and class, [cells, classes]: one of KINDS, or "" where there is no score.

    In a recording that is annotated exhaustively a cell without a label holds no call; in any other it is open.
    """
    states = metrics.cell_truth(scores, truth, classes, exhaustive=exhaustive)
    found = np.full(states.shape, KINDS[3], dtype=object)
    found[states == 1], found[states == 0] = KINDS[0], KINDS[2]
    for k, name in enumerate(classes):
        hedged = truth[(truth["label"] == name) & (truth["truth"] == "possible")]
        touched = tables.covered_seconds(hedged, scores, by=["recording"]) > 1e-9
        found[touched & np.isnan(states[:, k]), k] = KINDS[1]
    found[~np.isfinite(scores[list(classes)].to_numpy(dtype=float))] = ""
    return found


def scores_by_kind(
    scores: pd.DataFrame, known: np.ndarray, thresholds: Mapping[str, float], bins: int = 20
) -> pd.DataFrame:
    """How long each class is so sure in stretches of each kind: a row for class, kind and bin of scores.

    `known` is from `kinds`. `share` is of the kind's own time, so that rare kinds can be compared with common ones, and
    `above` is the share of it at or above the class's threshold, the same in all rows of a kind.
    """
    lasts = (scores["offset"] - scores["onset"]).to_numpy() / 3600
    edges = np.linspace(0, 1, bins + 1)
    parts = []
    for k, (name, threshold) in enumerate(thresholds.items()):
        score = scores[name].to_numpy(dtype=float)
        for kind in KINDS:
            rows = known[:, k] == kind
            hours, _ = np.histogram(np.clip(score[rows], 0, 1), edges, weights=lasts[rows])
            total = hours.sum()
            if total:
                above = lasts[rows & (score.astype(np.float32) >= np.float32(threshold))].sum() / total
                table = pd.DataFrame({"low": edges[:-1], "high": edges[1:], "hours": hours, "share": hours / total})
                parts.append(table.assign(**{"class": name, "kind": kind, "above": above}))
    columns = ["class", "kind", "low", "high", "hours", "share", "above"]
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)
