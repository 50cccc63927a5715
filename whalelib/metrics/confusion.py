"""What is taken for what: clips by what they hold and by what a detector would say, if it could say one thing only."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from whalelib.errors import InputError

NOTHING = "none of them"


def confusion(targets: np.ndarray, scores: np.ndarray, classes: Sequence[str], threshold: float = 0.5) -> pd.DataFrame:
    """How many clips of each class (rows) are taken for each class (columns): for the one with the highest score.

    A clip whose scores all lie below `threshold` is taken for none of them, and one without a call is none of them;
    both appear where there are such. Clips that hold several classes have no row, nor have those whose call is not
    known; nor those without one of which it is not known that they have none.
    """
    targets, scores = np.asarray(targets, dtype=float), np.asarray(scores, dtype=float)
    if targets.shape != scores.shape or targets.ndim != 2 or targets.shape[1] != len(classes):
        raise InputError(
            f"targets {targets.shape} and scores {scores.shape} must both be clips × classes, the {len(classes)} given."
        )
    if not np.isfinite(scores).all():
        raise InputError("a score is not a number: a confusion needs one of every clip and class.")
    held = np.nan_to_num(targets) >= 0.5
    whole = (held.sum(1) == 1) | ~np.isnan(targets).any(1) & ~held.any(1)
    held, scores, none = held[whole], scores[whole], len(classes)
    true = np.where(held.any(1), held.argmax(1), none)
    said = np.where((scores >= threshold).any(1), scores.argmax(1), none)
    counts = np.zeros((none + 1, none + 1), dtype=int)
    np.add.at(counts, (true, said), 1)
    table = pd.DataFrame(counts, [*classes, NOTHING], [*classes, NOTHING])
    return table.loc[: None if counts[none].any() else classes[-1], : None if counts[:, none].any() else classes[-1]]
