"""What must not be on both sides of a split: copies, windows that overlap, parts of one group."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations

import numpy as np
import pandas as pd

from whalelib import likeness
from whalelib.errors import InputError


def merge_groups(recordings: pd.DataFrame, pairs: Iterable[tuple[str, str]]) -> pd.DataFrame:
    """The recordings with the groups of every pair joined, so that no split parts them; for copies and near-copies.

    A joined group has the first of its names in alphabetical order.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    pairs = list(pairs)
    group = recordings.set_index("recording")["group"]
    unknown = [name for pair in pairs for name in pair if name not in group.index]
    if unknown:
        raise InputError(f"the pairs name {unknown[0]!r}, which is no recording: use the ids of the recordings table.")
    names = pd.Index(sorted(group.unique()))
    a, b = (names.get_indexer([group[pair[side]] for pair in pairs]) for side in (0, 1))
    joined = coo_array((np.ones(len(a)), (a, b)), shape=(len(names), len(names)))
    _, component = connected_components(joined, directed=False)
    first = pd.Series(names).groupby(component).first()
    of = names.get_indexer(recordings["group"])
    return recordings.assign(group=first.to_numpy()[component[of]])


def check_leakage(
    clips: pd.DataFrame,
    recordings: pd.DataFrame | None = None,
    copies: likeness.Copies | None = None,
    *,
    sample_rate: int = 2000,
) -> None:
    """Raise a sentence that names the two, if anything is on both sides of the split.

    Looked for are windows of different folds that overlap in time in one recording, groups that are in two folds, and,
    where the recordings are given, files that are byte for byte the same and files that hold the same sound: those in
    `copies`, or those that `likeness.near_equal` finds at this sample rate.
    """
    _check_overlap(clips)
    in_folds = clips.groupby("group", sort=True)["fold"].unique()
    parted = in_folds[in_folds.map(len) > 1]
    if len(parted):
        first, second = (clips[(clips["group"] == parted.index[0]) & (clips["fold"] == fold)].iloc[0]
                         for fold in parted.iloc[0][:2])  # fmt: skip
        raise InputError(
            f"the group {parted.index[0]!r} is in two folds, with a clip of {first['recording']!r} in {first['fold']} "
            f"and one of {second['recording']!r} in {second['fold']}: split by group."
        )
    if recordings is None:
        return
    fold = clips.groupby("recording")["fold"].first()
    used = recordings[recordings["recording"].isin(fold.index)]
    # Searched fold by fold and not group by group: what a split has parted is what matters here.
    found = copies or likeness.near_equal(used.assign(group=used["recording"].map(fold)), sample_rate=sample_rate)
    for says, pairs in (("are the same file", likeness.byte_equal(used)), ("hold the same sound", found.names())):
        for one, other in pairs:
            if fold.get(one, "") != fold.get(other, "") and {one, other} <= set(fold.index):
                raise InputError(
                    f"the recordings {one!r} in {fold[one]} and {other!r} in {fold[other]} {says}: join their groups "
                    "with merge_groups before the split."
                )


def parted_files(clips: pd.DataFrame, recordings: pd.DataFrame) -> list[str]:
    """A sentence that counts the pairs of equal files with clips in different folds; none if there are none."""
    fold = clips.groupby("recording")["fold"].first()
    used = recordings[recordings["recording"].isin(fold.index)]
    alike: dict[str, list[str]] = {}
    for one, other in likeness.byte_equal(used):
        alike.setdefault(one, [one]).append(other)
    parted = [(a, b) for names in alike.values() for a, b in combinations(names, 2) if fold[a] != fold[b]]
    if not parted:
        return []
    one, other = parted[0]
    return [
        f"pairs of equal files that the split has parted: {len(parted):,}, such as {one!r} in {fold[one]} and "
        f"{other!r} in {fold[other]}; set join_copies to equal or alike, or scores are too good."
    ]


def _check_overlap(clips: pd.DataFrame) -> None:
    several = clips.groupby("recording")["fold"].transform("nunique") > 1
    for recording, here in clips[several].groupby("recording", sort=True):
        here = here.sort_values("onset", kind="stable")
        onset, end = here["onset"].to_numpy(), (here["onset"] + here["seconds"]).to_numpy()
        fold = here["fold"].to_numpy()
        for name in np.unique(fold):
            # The furthest that any earlier window of this fold reaches, against the windows of the other folds.
            reach = np.maximum.accumulate(np.where(fold == name, end, -np.inf))
            hit = np.flatnonzero((fold != name) & (reach > onset + 1e-9))
            if len(hit):
                k = int(hit[0])
                j = int(np.flatnonzero((fold[:k] == name) & (end[:k] > onset[k] + 1e-9))[0])
                raise InputError(
                    f"in the recording {recording!r} the {fold[j]} clip at {onset[j]:.2f} s and the {fold[k]} clip at "
                    f"{onset[k]:.2f} s overlap: split by recording or group."
                )
