"""Scores of frames and of whole clips, joined: the clip knows whether, the frame knows when."""

from __future__ import annotations

import numpy as np
import pandas as pd

from whalelib import tables
from whalelib.errors import InputError

WAYS = ("product", "mean", "least")


def join(frames: pd.DataFrame, clips: pd.DataFrame, how: str = "product") -> pd.DataFrame:
    """A scores table on the grid of `frames` in which clips (or windows) have their say.

    A frame's clip score is the mean over the clips that its middle lies in; the two are joined as

    - product: the root of their product, so that both must be sure
    - mean: their mean
    - least: the lower one

    A frame that no clip with a score covers, or that has no score itself, has none.
    """
    if how not in WAYS:
        raise InputError(f"frames and clips cannot be joined by {how!r}: it is one of {', '.join(WAYS)}.")
    names = tables.classes_of(frames)
    missing = [name for name in names if name not in clips]
    if missing:
        raise InputError(f"the scores of clips have no column {missing[0]!r}, as those of frames have: name it alike.")
    frames = frames.reset_index(drop=True)
    fine = frames[names].to_numpy(dtype=float)
    coarse = np.full(fine.shape, np.nan)
    middle = ((frames["onset"] + frames["offset"]) / 2).to_numpy()
    said = clips[names].to_numpy(dtype=float)
    for rows, windows in tables.same_kind(frames, clips, by=["recording"]):
        first = np.searchsorted(middle[rows], clips["onset"].to_numpy()[windows], side="left")
        last = np.searchsorted(middle[rows], clips["offset"].to_numpy()[windows], side="left")
        known = np.isfinite(said[windows])
        steps = np.zeros((2, len(rows) + 1, len(names)))
        for at, sign in ((first, 1.0), (last, -1.0)):
            np.add.at(steps[0], at, sign * np.where(known, said[windows], 0.0))
            np.add.at(steps[1], at, sign * known)
        total, count = np.cumsum(steps, axis=1)[:, :-1]
        count = np.rint(count)
        coarse[rows] = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
    if how == "product":
        joined = np.sqrt(np.clip(fine, 0, None) * np.clip(coarse, 0, None))
    else:
        joined = (fine + coarse) / 2 if how == "mean" else np.minimum(fine, coarse)
    return frames.assign(**{name: joined[:, k].astype(np.float32) for k, name in enumerate(names)})
