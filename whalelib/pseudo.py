"""Pseudo-labels: predict, take what is sure for the truth, train again.

What was known is never overwritten. A detector that is wrong and sure teaches its mistake to the next one, so the
thresholds are to be strict, and only held-out days with known truth can say whether it helped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from whalelib import train
from whalelib.clips import Store
from whalelib.errors import InputError
from whalelib.models import Detector


def fill(
    targets: np.ndarray,
    scores: np.ndarray,
    *,
    pseudo_present: float = 0.9,
    pseudo_absent: float = 0.05,
    pseudo_soft: bool = False,
) -> np.ndarray:
    """Targets [clips, classes] whose unknown ones (NaN) are 1 or 0 where the score is sure (that score, if soft)."""
    targets, scores = np.asarray(targets, dtype=np.float32), np.asarray(scores, dtype=np.float32)
    if targets.shape != scores.shape:
        raise InputError(f"targets {targets.shape} and scores {scores.shape} must both be [clips, classes].")
    if not pseudo_absent < pseudo_present:
        raise InputError(
            f"pseudo_absent {pseudo_absent:g} is not below pseudo_present {pseudo_present:g}: lower the first."
        )
    open_, present, absent = np.isnan(targets), scores >= pseudo_present, scores <= pseudo_absent
    taken = scores if pseudo_soft else present.astype(np.float32)
    return np.where(open_ & (present | absent), taken, targets)


def fit_in_rounds(
    fresh: Callable[[], Detector],
    store: Store,
    folder: str | Path,
    *,
    pseudo_rounds: int = 0,
    pseudo_present: float = 0.9,
    pseudo_absent: float = 0.05,
    pseudo_soft: bool = False,
    **training: Any,
) -> train.Fitted:
    """Train a fresh detector `pseudo_rounds` times more, each time on what the one before was sure of.

    `training` goes to `train.fit`. The last detector is that of `folder`; those before lie within (`round-0` and so
    on), and `pseudo.csv` counts what was taken for the truth. Rounds that are finished are not repeated.
    """
    folder = Path(folder)
    if pseudo_rounds == 0 or (folder / "fitted.json").exists():
        return train.fit(fresh(), store, folder, **training)
    known = store.table("train")[store.classes].to_numpy(dtype=np.float32)
    if not np.isnan(known).any():
        raise InputError(
            "pseudo_rounds needs training clips whose truth is not known, and all are: set dense, leave exhaustive "
            "false, or set pseudo_rounds to 0."
        )
    targets, counted = None, []
    for number in range(pseudo_rounds):
        fitted = train.fit(fresh(), store, folder / f"round-{number}", train_targets=targets, **training)
        scores = train.predict_clips(fitted.detector, store, "train")
        targets = fill(
            known, scores, pseudo_present=pseudo_present, pseudo_absent=pseudo_absent, pseudo_soft=pseudo_soft
        )
        counted.append(_counts(number, known, targets, scores >= pseudo_present, store.classes))
        pd.concat(counted).to_csv(folder / "pseudo.csv", index=False)
    return train.fit(fresh(), store, folder, train_targets=targets, **training)


def _counts(
    number: int, known: np.ndarray, targets: np.ndarray, sure: np.ndarray, classes: Sequence[str]
) -> pd.DataFrame:
    taken = np.isnan(known) & ~np.isnan(targets)
    return pd.DataFrame(
        {
            "round": number,
            "class": list(classes),
            "taken_for_present": (taken & sure).sum(axis=0),
            "taken_for_absent": (taken & ~sure).sum(axis=0),
            "left_open": np.isnan(targets).sum(axis=0),
        }
    )
