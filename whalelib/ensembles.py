"""Many detectors, one answer: held-out scores of several runs gathered, averaged, and judged together."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from whalelib import metrics, tables
from whalelib.errors import InputError

FILE = "held_out.parquet"
WAYS = ("mean", "power", "rank")
_CLIP = ["recording", "onset", "channel"]  # what tells one clip from another
_ABOUT = [*_CLIP, "seconds", "group"]
_SCORE = " score"  # what a class's column of scores has after its name; its targets have the name alone


def combine(scores: Sequence[np.ndarray], how: str = "mean", *, power: float = 2.0) -> np.ndarray:
    """One array of scores [clips, classes] from those of several detectors.

    - mean: the mean probability
    - power: the power mean, which listens to the surest detector the more the higher `power` is
    - rank: the mean rank among all clips, as a share, class by class; for detectors whose scores do not compare, and
      no probability any more

    Where one of them has no score (NaN) there is none.
    """
    if how not in WAYS:
        raise InputError(f"scores cannot be combined by {how!r}: it is one of {', '.join(WAYS)}.")
    if not len(scores) or len({np.shape(one) for one in scores}) != 1:
        raise InputError(f"scores of shapes {[np.shape(s) for s in scores]} cannot be combined: give equal ones.")
    stacked = np.stack([np.asarray(one, dtype=float) for one in scores])
    if how == "power":
        if not power > 0 or (stacked < 0).any():
            raise InputError("a power mean needs a power above 0 and scores that are not negative: give probabilities.")
        return (stacked**power).mean(axis=0) ** (1 / power)
    if how == "rank":
        from scipy.stats import rankdata

        known = np.isfinite(stacked).sum(axis=1, keepdims=True)
        stacked = rankdata(stacked, axis=1, nan_policy="omit") / np.maximum(known, 1)
    return stacked.mean(axis=0)


def held_out(clips: pd.DataFrame, scores: np.ndarray, classes: Sequence[str]) -> pd.DataFrame:
    """Clips that a detector was not trained on, with their targets and what it said of them (`CLASS score`)."""
    if np.shape(scores) != (len(clips), len(classes)):
        raise InputError(f"scores {np.shape(scores)} do not fit {len(clips)} clips of {len(classes)} classes.")
    said = pd.DataFrame(np.asarray(scores), columns=[name + _SCORE for name in classes], index=clips.index)
    return pd.concat([clips[[*_ABOUT, *classes]], said], axis=1).reset_index(drop=True)


def save(table: pd.DataFrame, folder: str | Path) -> Path:
    """Leave held-out scores in a run's folder, for `read` to find."""
    path = Path(folder) / FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.part")
    table.to_parquet(temporary, index=False)
    temporary.replace(path)
    return path


def read(folder: str | Path) -> pd.DataFrame:
    """The held-out scores of one run."""
    path = Path(folder) / FILE
    if not path.exists():
        raise InputError(f"{folder} holds no held-out scores ({FILE}): run the training of this fold first.")
    return pd.read_parquet(path)


def classes_of(table: pd.DataFrame) -> list[str]:
    """The classes that a table of held-out scores speaks of."""
    return [name.removesuffix(_SCORE) for name in table.columns if name.endswith(_SCORE)]


def scores_of(table: pd.DataFrame) -> np.ndarray:
    """Its scores, [clips, classes]."""
    return table[[name + _SCORE for name in classes_of(table)]].to_numpy(dtype=float)


def out_of_fold(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """The held-out scores of all folds in one table, each clip once; `fold` is the number of its part.

    No group may be in two parts: one of the two detectors would have heard it in training.
    """
    _same_classes(parts)
    table = pd.concat([part.assign(fold=number) for number, part in enumerate(parts)], ignore_index=True)
    twice = table.duplicated(_CLIP)
    if twice.any():
        clip = table[twice].iloc[0]
        raise InputError(
            f"the clip at {clip['onset']:g} s of {clip['recording']} is held out twice: give the folds of one split."
        )
    cut = table.groupby("group")["fold"].nunique()
    if (cut > 1).any():
        raise InputError(
            f"the group {cut.index[cut > 1][0]!r} is held out in more than one fold: give the folds of one split."
        )
    return table


def together(parts: Sequence[pd.DataFrame], how: str = "mean", *, power: float = 2.0) -> pd.DataFrame:
    """Several detectors' scores of the same held-out clips as those of one; the clips may be in any order."""
    _same_classes(parts)
    first = parts[0].set_index(_CLIP)
    aligned = []
    for part in parts:
        indexed = part.set_index(_CLIP)
        if len(indexed) != len(first) or not indexed.index.is_unique or not first.index.isin(indexed.index).all():
            raise InputError("these tables hold out different clips: give those of runs with one split and one fold.")
        aligned.append(indexed.loc[first.index])
    names = classes_of(parts[0])
    if not all(np.array_equal(one[names], first[names], equal_nan=True) for one in aligned):
        raise InputError("these tables tell different truths of the same clips: give those of one clip store.")
    combined = combine([scores_of(one) for one in aligned], how, power=power)
    return parts[0].assign(**{name + _SCORE: combined[:, k] for k, name in enumerate(names)})


def scans_together(parts: Sequence[pd.DataFrame], how: str = "mean", *, power: float = 2.0) -> pd.DataFrame:
    """Several detectors' scores of the same recordings as those of one; they must have the same cells and classes."""
    if not len(parts):
        raise InputError("there are no scores to join: give the tables of at least one detector.")
    first, names = parts[0].reset_index(drop=True), tables.classes_of(parts[0])
    cells = ["onset", "offset"]
    for part in parts[1:]:
        if set(tables.classes_of(part)) != set(names):
            raise InputError(f"scores of {names} and of {tables.classes_of(part)} cannot be joined: name the classes.")
        here = part.reset_index(drop=True)
        same = len(here) == len(first) and (here["recording"] == first["recording"]).all()
        if not same or not np.allclose(here[cells], first[cells], rtol=0, atol=1e-6):
            raise InputError("these detectors score different cells: join those of one frame rate, hop and recordings.")
    combined = combine([part[names].to_numpy(dtype=float) for part in parts], how, power=power)
    return first.assign(**{name: combined[:, k].astype(np.float32) for k, name in enumerate(names)})


def report(table: pd.DataFrame, threshold: float = 0.5, **bootstrap: Any) -> pd.DataFrame:
    """`metrics.clip_report` over all folds ("all"), with intervals over groups, and below it of each fold.

    Together the folds' detectors are judged as if their scores compared, which is the harder test.
    """
    names, folds = classes_of(table), table["fold"] if "fold" in table else pd.Series(0, index=table.index)
    parts = [("all", table), *((str(n), table[folds == n]) for n in sorted(folds.unique()))]
    reports = []
    for number, part in parts:
        groups = part["group"].to_numpy() if number == "all" else None
        found = metrics.clip_report(
            part[names].to_numpy(), scores_of(part), names, threshold, groups=groups, **bootstrap
        )
        found.insert(0, "fold", number)
        reports.append(found)
    return pd.concat(reports, ignore_index=True)


def _same_classes(parts: Sequence[pd.DataFrame]) -> None:
    if not len(parts):
        raise InputError("there are no held-out scores to gather: give the tables of at least one run.")
    for part in parts[1:]:
        if classes_of(part) != classes_of(parts[0]):
            raise InputError(
                f"held-out scores of {classes_of(parts[0])} and of {classes_of(part)} cannot be gathered: name the "
                "classes in the knobs, so that every run has the same ones."
            )
