"""Pairs of recordings with a fingerprint in common: worth listening to, and not more than that."""

from __future__ import annotations

import numpy as np
import pandas as pd

from whalelib.likeness.fingerprints import Anchors

ALIKE = 0.87  # cosine of two fingerprints that are worth listening to
MOST_PAIRS = 20_000  # pairs that are listened to, the most alike first
_BLOCK = 2048


def candidates(anchors: Anchors, group: np.ndarray) -> tuple[pd.DataFrame, int]:
    """Pairs of recordings of different groups with a fingerprint in common, the most alike first, and how many there
    are in all.

    `group` has a number for each recording. Every fingerprint meets every other one, but as products of blocks of
    matrices, so memory stays bounded.
    """
    vectors, number = anchors.vectors, anchors.number
    found: list[np.ndarray] = []
    likeness: list[np.ndarray] = []
    held = 0
    for begin in range(0, len(vectors), _BLOCK):
        rows = slice(begin, begin + _BLOCK)
        for start in range(begin, len(vectors), _BLOCK):
            columns = slice(start, start + _BLOCK)
            cosine = vectors[rows] @ vectors[columns].T
            i, j = np.nonzero(cosine > ALIKE)
            value, i, j = cosine[i, j], i + begin, j + start
            good = (i < j) & (group[number[i]] != group[number[j]])
            found.append(np.column_stack([i, j])[good])
            likeness.append(value[good])
            held += int(good.sum())
            # Of a set that is all one sound the pairs would outgrow the memory; the most alike are enough.
            if held > 100 * MOST_PAIRS:
                kept, scores = np.concatenate(found), np.concatenate(likeness)
                best = np.argsort(-scores, kind="stable")[: 50 * MOST_PAIRS]
                found, likeness, held = [kept[best]], [scores[best]], len(best)
    pairs = np.concatenate(found) if found else np.zeros((0, 2), dtype=np.int64)
    scores = np.concatenate(likeness) if likeness else np.zeros(0)
    i, j = pairs[:, 0], pairs[:, 1]
    table = pd.DataFrame(
        {"a": number[i], "b": number[j], "at_a": anchors.seconds[i], "at_b": anchors.seconds[j], "alike": scores}
    )
    swap = table["a"] > table["b"]
    table.loc[swap, ["a", "b", "at_a", "at_b"]] = table.loc[swap, ["b", "a", "at_b", "at_a"]].to_numpy()
    table = table.sort_values("alike", ascending=False, kind="stable")
    table = table.drop_duplicates(["a", "b"], ignore_index=True)
    return table.head(MOST_PAIRS), len(table)
