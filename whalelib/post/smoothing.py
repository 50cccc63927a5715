"""Scores made smooth along time; cells that were not analysed stay so and lend nothing to their neighbours."""

from __future__ import annotations

import numpy as np

from whalelib.errors import InputError

WAYS = ("moving", "neighbours", "median")
_CELLS_AT_ONCE = 2**22  # so that medians of wide windows take no more memory than that


def smooth(values: np.ndarray, cells: int, how: str = "moving") -> np.ndarray:
    """Scores [cells, classes] averaged over an odd number of cells around each; NaN stays NaN and does not count.

    - moving: all cells alike
    - neighbours: the cell itself counts most, its neighbours the less the further they are (1 2 3 2 1)
    - median: the middle value, which keeps edges and drops spikes
    """
    if how not in WAYS:
        raise InputError(f"scores cannot be smoothed by {how!r}: it is one of {', '.join(WAYS)}.")
    cells += 1 - cells % 2
    if cells <= 1 or len(values) == 0:
        return values
    known = np.isfinite(values)
    if how == "median":
        columns = values.reshape(len(values), -1)
        medians = np.column_stack([_median(column, cells) for column in columns.T]).reshape(values.shape)
        return np.where(known, medians, np.nan)
    add_up = _moving_sum if how == "moving" else _weighted_sum
    total = add_up(np.where(known, values, 0.0), cells)
    count = add_up(known.astype(float), cells)
    return np.where(known, total / np.maximum(count, 1 if how == "moving" else 1e-12), np.nan)


def _moving_sum(values: np.ndarray, cells: int) -> np.ndarray:
    from scipy.ndimage import uniform_filter1d

    return uniform_filter1d(values.astype(float), cells, axis=0, mode="constant") * cells


def _weighted_sum(values: np.ndarray, cells: int) -> np.ndarray:
    from scipy.ndimage import convolve1d

    half = cells // 2
    return convolve1d(values.astype(float), half + 1.0 - np.abs(np.arange(-half, half + 1)), axis=0, mode="constant")


def _median(column: np.ndarray, cells: int) -> np.ndarray:
    """The median of what is known around each cell of one class."""
    from scipy.ndimage import median_filter, minimum_filter1d

    known = np.isfinite(column)
    whole = minimum_filter1d(known.astype(np.int8), cells, mode="constant", cval=0).astype(bool)
    medians = median_filter(np.where(known, column, 0.0), cells, mode="nearest")
    # At the ends and beside holes there is less to take the middle of.
    rest = np.flatnonzero(~whole & known)
    half = cells // 2
    padded = np.pad(column.astype(float), half, constant_values=np.nan)
    for rows in np.array_split(rest, max(len(rest) * cells // _CELLS_AT_ONCE, 1)):
        around = np.sort(padded[rows[:, None] + np.arange(cells)], axis=1)  # NaN comes last
        count = np.isfinite(around).sum(axis=1)
        at = np.arange(len(rows))
        medians[rows] = (around[at, (count - 1) // 2] + around[at, count // 2]) / 2
    return medians
