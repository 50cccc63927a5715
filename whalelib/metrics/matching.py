"""Which detection may answer for which call: by overlap, or by how near their beginnings and ends lie."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from whalelib import tables
from whalelib.errors import InputError

Rule = tables.Admissible
_TOLERANCE = 1e-9  # seconds, so that a tenth that was subtracted is still a tenth


@dataclass(frozen=True)
class Overlap:
    """A detection may answer for a call with which it shares at least `min_iou` of their joint time."""

    min_iou: float = 0.3

    def __call__(self, events: pd.DataFrame, found: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return tables.overlapping(events, found, self.min_iou)


OVERLAP = Overlap()  # the usual rule


@dataclass(frozen=True)
class Collar:
    """A detection may answer for a call if it begins within `seconds` of it and ends within `seconds`, too.

    For the end, `share` of the call's length is allowed where that is more. `edges` may ask for the beginning alone.
    """

    seconds: float = 0.2
    share: float = 0.5
    edges: str = "both"

    def __call__(self, events: pd.DataFrame, found: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        def around(frame: pd.DataFrame, reach: float) -> pd.DataFrame:
            return pd.DataFrame({"onset": frame["onset"] - reach, "offset": frame["onset"] + reach})

        onset, offset = events["onset"].to_numpy(), events["offset"].to_numpy()
        begin, end = found["onset"].to_numpy(), found["offset"].to_numpy()
        i, j = tables.may_overlap(around(events, self.seconds + _TOLERANCE), around(found, 0.0))
        off = np.abs(onset[i] - begin[j])
        good = off <= self.seconds + _TOLERANCE
        if self.edges == "both":
            late = np.abs(offset[i] - end[j])
            good &= late <= np.maximum(self.seconds, self.share * (offset - onset)[i]) + _TOLERANCE
            off = off + late
        return i[good], j[good], 1 / (1 + off[good])


def rule(
    *,
    match_by: str = "overlap",
    match_iou: float = 0.3,
    collar_seconds: float = 0.2,
    collar_share: float = 0.5,
    collar_edges: str = "both",
) -> Rule:
    """The rule that the knobs of section `matching` describe."""
    if match_by not in ("overlap", "collar"):
        raise InputError(f"calls cannot be matched by {match_by!r}: it is overlap or collar.")
    if collar_edges not in ("both", "onset"):
        raise InputError(f"a collar cannot be about {collar_edges!r}: it is about both edges or the onset.")
    return Overlap(match_iou) if match_by == "overlap" else Collar(collar_seconds, collar_share, collar_edges)
