"""Which side of the split a recording is on: groups stay whole, and classes are spread."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from whalelib.clips.labels import classes_of
from whalelib.errors import InputError, needs_extra

_MISSING = {"train": 1000.0, "validation": 100.0, "test": 30.0}  # what a fold without a class costs; one group costs 1


def split(recordings: pd.DataFrame, validation_share: float = 0.2, test_share: float = 0.2, seed: int = 0) -> pd.Series:
    """The fold of each recording, indexed by recording id. Groups (days, sites, tapes) are never cut."""
    groups, fold = _draw(recordings, validation_share, test_share, seed)
    return _by_recording(recordings, dict(zip(groups, fold, strict=True)))


def split_by_class(
    recordings: pd.DataFrame,
    events: pd.DataFrame,
    classes: Sequence[str] = (),
    validation_share: float = 0.2,
    test_share: float = 0.2,
    seed: int = 0,
) -> tuple[pd.Series, list[str]]:
    """Folds as `split` has them, but with a call of every class in each of them where that is possible.

    Groups are never cut. Training comes first, then validation, then test; the shares give way before a class is
    missed. Where the folds of `split` hold every class already, they are these. Returns the folds and a sentence for
    every class that a fold lacks.
    """
    groups, drawn = _draw(recordings, validation_share, test_share, seed)
    calls = events[events["truth"] == "present"]
    names = list(classes) or sorted(calls["label"].unique())
    holds = (_calls_of_groups(recordings, calls, groups, names) > 0).astype(float)
    folds = [name for name in _MISSING if name in drawn]
    sizes = [int((drawn == name).sum()) for name in folds]
    chosen = np.array([folds.index(name) for name in drawn])
    if not all(holds[chosen == f].any(axis=0).all() for f in range(len(folds))):
        chosen = _cover(holds, folds, sizes, seed)
    fold = np.array(folds, dtype=object)[chosen]
    return _by_recording(recordings, dict(zip(groups, fold, strict=True))), _lacking(holds, fold, names)


def cross_validation(
    recordings: pd.DataFrame,
    events: pd.DataFrame,
    classes: Sequence[str] = (),
    n_folds: int = 5,
    fold: int = 0,
    test_share: float = 0.2,
    seed: int = 0,
) -> tuple[pd.Series, list[str]]:
    """Folds of run `fold` of a cross-validation, in the form `split_by_class` gives them.

    The test fold is drawn first and is the same in all runs. What is left is spread over `n_folds` parts by `folds`,
    so that each recording validates in one run and trains in the others; groups are never cut.
    """
    if not 0 <= fold < n_folds:
        raise InputError(f"fold cannot be {fold}: the {n_folds} folds of a cross-validation count from 0.")
    tested = pd.Series("train", index=recordings["recording"].to_numpy(), name="fold")
    if test_share > 0:
        tested, _ = split_by_class(recordings, events, classes, 0.0, test_share, seed)
    left = recordings[(tested == "train").to_numpy()]
    wanted = events[events["label"].isin(list(classes))] if len(classes) else events
    part = folds(left, wanted[wanted["recording"].isin(left["recording"])], n_folds, seed)
    tested[part.index[part == fold]] = "validation"
    groups = np.array(sorted(recordings["group"].unique()))
    of_group = dict(zip(recordings["group"], tested, strict=True))
    calls = events[events["truth"] == "present"]
    names = list(classes) or sorted(calls["label"].unique())
    holds = _calls_of_groups(recordings, calls, groups, names) > 0
    return tested, _lacking(holds, np.array([of_group[g] for g in groups], dtype=object), names)


def _lacking(holds: np.ndarray, fold: np.ndarray, names: Sequence[str]) -> list[str]:
    """A sentence for every class of which a fold holds no call; `holds` is [groups, classes]."""
    there = [name for name in _MISSING if name in fold]
    warnings = []
    for k, name in enumerate(names):
        lacking = [one for one in there if not holds[fold == one, k].any()]
        if lacking:
            warnings.append(
                f"the class {name!r} has calls in {int(holds[:, k].sum())} group(s) only, and none in "
                f"{' and '.join(lacking)}: what is said of it there says nothing; find more groups (days, sites or "
                "tapes) that hold it."
            )
    return warnings


def _draw(
    recordings: pd.DataFrame, validation_share: float, test_share: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """The groups, and a fold for each of them drawn at random."""
    groups = np.array(sorted(recordings["group"].unique()))
    shares = (validation_share, test_share)
    wanted = [share for share in shares if share > 0]
    if len(groups) <= len(wanted):
        raise InputError(
            f"{len(groups)} group(s) of recordings cannot be split into {len(wanted) + 1} folds: give the recordings "
            "more groups (days, sites or tapes), or set validation_share or test_share to 0."
        )
    counts = [max(1, round(share * len(groups))) if share > 0 else 0 for share in shares]
    while sum(counts) >= len(groups):
        counts[int(np.argmax(counts))] -= 1
    fold = np.full(len(groups), "train", dtype=object)
    order = np.random.default_rng(seed).permutation(len(groups))
    fold[order[: counts[0]]] = "validation"
    fold[order[counts[0] : sum(counts)]] = "test"
    return groups, fold


def _by_recording(recordings: pd.DataFrame, fold: dict[str, str]) -> pd.Series:
    return pd.Series([fold[g] for g in recordings["group"]], index=recordings["recording"].to_numpy(), name="fold")


def _calls_of_groups(
    recordings: pd.DataFrame, calls: pd.DataFrame, groups: np.ndarray, names: Sequence[str]
) -> np.ndarray:
    """How many calls of each class each group holds, [groups, classes]."""
    group = calls["recording"].map(recordings.set_index("recording")["group"])
    row = pd.Index(groups).get_indexer(group)
    column = pd.Index(list(names)).get_indexer(calls["label"])
    counts = np.zeros((len(groups), len(names)))
    both = (row >= 0) & (column >= 0)
    np.add.at(counts, (row[both], column[both]), 1)
    return counts


def _cover(holds: np.ndarray, folds: list[str], sizes: list[int], seed: int) -> np.ndarray:
    """A fold for each group, so that as few classes as possible are missing anywhere, and sizes are as wanted.

    An integer programme: one variable says whether a group is in a fold, one whether a fold lacks a class, and two by
    how many groups a fold is off its size. What is left open is drawn: each choice has a small random cost.
    """
    from scipy import optimize, sparse

    (n, k), f = holds.shape, len(folds)
    drawn = np.random.default_rng(seed).uniform(0, 0.5 / n, n * f)
    missing = np.repeat([_MISSING[fold] for fold in folds], k)
    cost = np.concatenate([drawn, missing, np.ones(2 * f)])
    one_fold = sparse.hstack([sparse.kron(np.ones((1, f)), sparse.eye(n)), sparse.csr_array((n, f * k + 2 * f))])
    held = sparse.hstack([sparse.kron(sparse.eye(f), holds.T), sparse.eye(f * k), sparse.csr_array((f * k, 2 * f))])
    filled = sparse.hstack(
        [
            sparse.kron(sparse.eye(f), np.ones((1, n))),
            sparse.csr_array((f, f * k)),
            sparse.kron(np.array([[1.0, -1.0]]), sparse.eye(f)),
        ]
    )
    nobody = sparse.hstack([sparse.kron(sparse.eye(f), np.ones((1, n))), sparse.csr_array((f, f * k + 2 * f))])
    solved = optimize.milp(
        cost,
        constraints=[
            optimize.LinearConstraint(one_fold, 1, 1),
            optimize.LinearConstraint(held, 1, np.inf),
            optimize.LinearConstraint(filled, sizes, sizes),
            optimize.LinearConstraint(nobody, 1, np.inf),  # no fold is empty
        ],
        integrality=np.concatenate([np.ones(n * f + f * k), np.zeros(2 * f)]),
        bounds=optimize.Bounds(0, np.concatenate([np.ones(n * f + f * k), np.full(2 * f, np.inf)])),
        options={"mip_rel_gap": 1e-3, "node_limit": 20000},
    )
    if solved.x is None:
        raise InputError(f"no split of {n} groups with {k} classes was found in good time: use split without classes.")
    return solved.x[: n * f].reshape(f, n).argmax(axis=0)


def folds(of: pd.DataFrame, truth: pd.DataFrame, n_folds: int = 5, seed: int = 0, *, grouped: bool = True) -> pd.Series:
    """Numbers 0 to n_folds - 1 for cross-validation, with calls of every class spread over the folds as evenly as it
    goes (iterative stratification of multi-label data).

    `of` is a recordings table, with the events as `truth`, or a clips table, with the targets (or the clips themselves)
    as `truth`. Grouped, whole groups are spread, each by the classes that it holds, by which of them it holds in
    plenty (more than half of the groups that have any), and by whether it is one of the larger groups. Ungrouped,
    recordings or clips are spread alone, which is sound only where no two of them are of one day or tape. The
    numbers are indexed by recording id for recordings, and as the clips for clips.
    """
    try:
        from iterstrat.ml_stratifiers import MultilabelStratifiedKFold
    except ImportError:
        raise needs_extra("iterative-stratification", "train") from None
    index, counts = _counts_of(of, truth)
    group = of["group"].to_numpy() if grouped else np.arange(len(of))
    names, of_group = np.unique(group, return_inverse=True)
    if not 2 <= n_folds <= len(names):
        what = "group(s)" if grouped else "row(s)"
        raise InputError(f"{len(names)} {what} cannot be split into {n_folds} folds: ask for 2 to {len(names)}.")
    held = np.zeros((len(names), counts.shape[1]))
    np.add.at(held, of_group, counts)
    marks = [held > 0, held.sum(axis=1, keepdims=True) == 0]  # a group without any call is spread as a class, too
    if grouped:
        size = np.bincount(of_group)
        some = np.where(held > 0, held, np.nan)
        with np.errstate(all="ignore"):
            usual = np.array([np.nanmedian(c) if np.isfinite(c).any() else np.inf for c in some.T])
        marks += [held > usual, (size > np.median(size))[:, None]]
    strata = np.concatenate(marks, axis=1)
    numbers = np.zeros(len(names), dtype=int)
    # The package knows no single label, and none that nothing has.
    strata = np.concatenate([strata[:, strata.any(axis=0)], np.zeros((len(names), 1), dtype=bool)], axis=1)
    spread = MultilabelStratifiedKFold(n_folds, shuffle=True, random_state=seed)
    for number, (_, chosen) in enumerate(spread.split(np.zeros(len(names)), strata.astype(int))):
        numbers[chosen] = number
    return pd.Series(numbers[of_group], index=index, name="fold")


def _counts_of(of: pd.DataFrame, truth: pd.DataFrame) -> tuple[pd.Index, np.ndarray]:
    """The index that folds have, and how many calls of each class are in each row."""
    if "path" not in of:
        targets = truth[classes_of(truth)] if "fold" in truth or "onset" in truth else truth
        if len(targets) != len(of):
            raise InputError(f"{len(of)} clips cannot be split by {len(targets)} targets: give one row for each clip.")
        return of.index, (targets.to_numpy(dtype=float) > 0.5).astype(float)
    calls = truth[truth["truth"] == "present"]
    alone = of.assign(group=of["recording"])
    names = sorted(calls["label"].unique())
    return pd.Index(of["recording"]), _calls_of_groups(alone, calls, of["recording"].to_numpy(), names)


def one_sided(clips: pd.DataFrame) -> list[str]:
    """A sentence for each held-out fold in which no clip is known to be without a call."""
    classes, sentences = classes_of(clips), []
    for fold in ("validation", "test"):
        there = clips.loc[clips["fold"] == fold, classes]
        if len(there) and not (there == 0).any(axis=None):
            sentences.append(
                f"no clip of the fold {fold} is known to be without a call, so false alarms cannot be judged there: "
                "annotate absences on more groups (days, sites or tapes), or set exhaustive if every call is annotated."
            )
    return sentences
