"""How good are detections? Calls and detections matched one to one, with what is unknown left out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from whalelib import tables
from whalelib.errors import InputError


def judge(truth: pd.DataFrame, detections: pd.DataFrame, min_iou: float = 0.3) -> pd.DataFrame:
    """The detections with a column `verdict`: "hit", "false" or "open", and `event`, the matched row of `truth` or -1.

    Present events are matched one to one first. A detection left over that touches a possible event of its label is
    "open": the annotator did not know either, so it is neither rewarded nor punished.
    """
    truth, detections = truth.reset_index(drop=True), detections.reset_index(drop=True)
    present = np.flatnonzero(truth["truth"] == "present")
    matched = tables.match(truth.iloc[present], detections, min_iou)
    event = np.full(len(detections), -1, dtype=np.int64)
    event[matched >= 0] = present[matched[matched >= 0]]
    verdict = np.where(event >= 0, "hit", "false").astype(object)
    possible = truth[truth["truth"] == "possible"]
    for k in np.flatnonzero(event < 0):
        found = detections.iloc[k]
        near = possible[(possible["recording"] == found["recording"]) & (possible["label"] == found["label"])]
        if ((near["onset"] < found["offset"]) & (near["offset"] > found["onset"])).any():
            verdict[k] = "open"
    return detections.assign(verdict=verdict, event=event)


def event_report(
    truth: pd.DataFrame, detections: pd.DataFrame, hours: float, classes: Sequence[str], min_iou: float = 0.3
) -> pd.DataFrame:
    """Calls, hits, false alarms, precision, recall, F1 and false alarms an hour: a row a class and one for "all".

    "all" adds the counts up, so a frequent class weighs more. Precision without any detection and recall without any
    call are NaN, never 1 or 0.
    """
    if not hours > 0:
        raise InputError(f"{hours!r} hours cannot be scored: give the hours of recording that were analysed.")
    judged = judge(truth, detections, min_iou)
    present = truth[truth["truth"] == "present"]
    rows = []
    for name in [*classes, "all"]:
        labels = list(classes) if name == "all" else [name]
        these, calls = judged[judged["label"].isin(labels)], int(present["label"].isin(labels).sum())
        hits, false = int((these["verdict"] == "hit").sum()), int((these["verdict"] == "false").sum())
        rows.append({"class": name, **_rates(calls, hits, false), "false_per_hour": false / hours})
    return pd.DataFrame(rows)


def _rates(calls: int, hits: int, false: int) -> dict[str, float]:
    return {
        "calls": calls,
        "hits": hits,
        "missed": calls - hits,
        "false": false,
        "precision": hits / (hits + false) if hits + false else np.nan,
        "recall": hits / calls if calls else np.nan,
        "f1": 2 * hits / (calls + hits + false) if calls + hits + false else np.nan,
    }
