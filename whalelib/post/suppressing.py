"""Non-maximum suppression: of detections that are in one another's way, only the best stays."""

from __future__ import annotations

import numpy as np
import pandas as pd

from whalelib import tables


def suppress(events: pd.DataFrame, *, suppress_seconds: float = 0.0, suppress_iou: float = 1.0) -> pd.DataFrame:
    """Without the detections that a better one suppresses; taken in the order of their scores, the best first.

    - suppress_seconds: two of one class are in each other's way if their middles lie closer than this (0: never)
    - suppress_iou: two of different classes are if they share more than this of their joint time (1: never)
    """
    events = events.reset_index(drop=True)
    rivals: dict[int, list[int]] = {}

    def oppose(a: np.ndarray, b: np.ndarray) -> None:
        for i, j in zip(a.tolist(), b.tolist(), strict=True):
            rivals.setdefault(i, []).append(j)

    middle = (events["onset"] + events["offset"]) / 2
    if suppress_seconds:
        around = pd.DataFrame({"onset": middle - suppress_seconds / 2, "offset": middle + suppress_seconds / 2})
        for rows in events.groupby(["recording", "label"], sort=False).indices.values():
            i, j = tables.may_overlap(around.iloc[rows], around.iloc[rows])
            a, b = rows[i], rows[j]
            near = np.abs(middle.to_numpy()[a] - middle.to_numpy()[b]) < suppress_seconds - 1e-9
            oppose(a[near & (a != b)], b[near & (a != b)])
    if suppress_iou < 1:
        label = events["label"].to_numpy()
        for rows in events.groupby("recording", sort=False).indices.values():
            i, j, iou = tables.overlapping(events.iloc[rows], events.iloc[rows])
            a, b = rows[i], rows[j]
            rival = (iou > suppress_iou) & (label[a] != label[b])
            oppose(a[rival], b[rival])
    if not rivals:
        return events
    stays = np.ones(len(events), dtype=bool)
    order = np.lexsort([events["label"], events["onset"], -np.nan_to_num(events["score"])])
    for row in order.tolist():
        if stays[row]:
            stays[rivals.get(row, [])] = False
    return events[stays].reset_index(drop=True)
