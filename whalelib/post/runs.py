"""Runs of cells in which a class is heard, as first cells and the ones past the last; vectorised over all runs."""

from __future__ import annotations

import numpy as np

Runs = tuple[np.ndarray, np.ndarray]


def runs(mask: np.ndarray) -> Runs:
    """First cell, and one past the last cell, of every run of true cells."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    return edges[::2], edges[1::2]


def often_enough(mask: np.ndarray, at_least: int, of_cells: int) -> np.ndarray:
    """The true cells that lie in some stretch of `of_cells` cells of which `at_least` are true."""
    if at_least <= 1:
        return mask
    # One stretch begins before the first cell already, so that a cell on the edge has as many as any other.
    padded = np.pad(mask.astype(np.int64), of_cells - 1)
    before = np.concatenate([[0], np.cumsum(padded)])
    enough = (before[of_cells:] - before[:-of_cells] >= at_least).astype(np.int64)
    so_far = np.concatenate([[0], np.cumsum(enough)])
    return mask & (so_far[of_cells:] > so_far[:-of_cells])


def holding(outer: Runs, mask: np.ndarray) -> Runs:
    """Those runs that hold a true cell of `mask`."""
    count = np.concatenate([[0], np.cumsum(mask)])
    some = count[outer[1]] > count[outer[0]]
    return outer[0][some], outer[1][some]


def merge(found: Runs, onset: np.ndarray, offset: np.ndarray, unknown: np.ndarray, gap: float) -> Runs:
    """Runs less than `gap` seconds apart made one, unless something between them was not analysed."""
    begin, end = found
    if len(begin) < 2:
        return found
    holes = np.concatenate([[0], np.cumsum(unknown)])
    near = onset[begin[1:]] - offset[end[:-1] - 1] < gap - 1e-9
    whole = holes[begin[1:]] == holes[end[:-1]]
    apart = ~(near & whole)
    return begin[np.concatenate([[True], apart])], end[np.concatenate([apart, [True]])]


def bounded(found: Runs, onset: np.ndarray, offset: np.ndarray, shortest: float, longest: float, too_long: str) -> Runs:
    """Runs of at least `shortest` seconds, and of at most `longest` (0: no limit): longer ones are dropped, or cut.

    One that is cut becomes as few equal parts as will do.
    """
    begin, end = found
    seconds = offset[end - 1] - onset[begin]
    keep = seconds >= shortest - 1e-9
    begin, end, seconds = begin[keep], end[keep], seconds[keep]
    if not longest:
        return begin, end
    if too_long == "drop":
        keep = seconds <= longest + 1e-9
        return begin[keep], end[keep]
    parts = np.minimum(np.maximum(np.ceil(seconds / longest - 1e-9).astype(int), 1), end - begin)
    of = np.repeat(np.arange(len(begin)), parts)
    number = np.arange(len(of)) - np.repeat(np.cumsum(parts) - parts, parts)
    cells, many = (end - begin)[of], parts[of]
    return begin[of] + number * cells // many, begin[of] + (number + 1) * cells // many


def peaks(values: np.ndarray, found: Runs) -> np.ndarray:
    """The highest value in each run."""
    if not len(found[0]):
        return np.empty(0)
    edges = np.column_stack(found).ravel()
    return np.fmax.reduceat(np.append(values, np.nan), edges)[::2]


def crossings(values: np.ndarray, onset: np.ndarray, offset: np.ndarray, found: Runs, level: float) -> Runs:
    """Beginning and end of each run in seconds, where the line between the middles of cells crosses `level`.

    Next to a cell that was not analysed, and at the recording's ends, the cell's border is all that is known. A cell
    reaches no further than to its neighbour's middle.
    """
    begin, end = found
    if not len(begin):
        return onset[begin], offset[begin]
    middle = (onset + offset) / 2
    before, after = np.maximum(begin - 1, 0), np.minimum(end, len(values) - 1)

    def between(inside: np.ndarray, outside: np.ndarray, otherwise: np.ndarray) -> np.ndarray:
        rise = values[inside] - values[outside]
        known = np.isfinite(values[outside]) & (outside != inside) & (rise > 0) & (values[outside] < level)
        share = np.divide(values[inside] - level, rise, out=np.zeros(len(rise)), where=known)
        at = middle[inside] + np.clip(share, 0, 1) * (middle[outside] - middle[inside])
        return np.where(known, at, otherwise)

    first, last = between(begin, before, onset[begin]), between(end - 1, after, offset[end - 1])
    # A run of one cell that barely reaches the level would have no length.
    short = last - first <= 1e-6
    return np.where(short, onset[begin], first), np.where(short, offset[end - 1], last)
