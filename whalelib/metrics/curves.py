"""How many calls are found at the price of how many false alarms? Curves over the threshold, and points on them."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from whalelib import tables
from whalelib.errors import InputError
from whalelib.metrics.events import event_report
from whalelib.metrics.intervals import mean_of_classes
from whalelib.metrics.known import Exhaustive, left_open
from whalelib.metrics.matching import OVERLAP, Rule

CURVE = ["class", "threshold", "calls", "hits", "false", "precision", "recall", "f1", "false_per_hour"]


def detection_curve(
    truth: pd.DataFrame,
    detections: pd.DataFrame,
    hours: float | pd.DataFrame,
    classes: Sequence[str],
    rule: Rule = OVERLAP,
    *,
    exhaustive: Exhaustive = True,
) -> pd.DataFrame:
    """For each class, what is left when only detections from a score on are kept: a row a score, the highest first.

    At every score the calls found are as many as the best one-to-one matching of the detections so far can find. The
    detections are those of one low threshold; where later steps (merging, least lengths) depend on the threshold, ask
    `operating_points` instead, with the detections of each.
    """
    truth, detections = truth.reset_index(drop=True), detections.reset_index(drop=True)
    if detections["score"].isna().any():
        raise InputError("a detection without a score has no place on a curve: give detections of a detector.")
    present = truth[truth["truth"] == "present"].reset_index(drop=True)
    order = np.argsort(-detections["score"].to_numpy(), kind="stable")
    hit = _found_in_order(present, detections, rule, order)
    false = ~hit & ~left_open(truth, detections, exhaustive)
    parts = []
    for name in classes:
        rows = order[(detections["label"] == name).to_numpy()[order]]
        score = detections["score"].to_numpy()[rows]
        last = np.flatnonzero(np.r_[score[1:] != score[:-1], True][: len(score)])  # equal scores are one step
        hits, wrong = (np.cumsum(what[rows])[last] for what in (hit, false))
        calls = int((present["label"] == name).sum())
        here = float(hours[name].sum()) if isinstance(hours, pd.DataFrame) else hours
        with np.errstate(invalid="ignore", divide="ignore"):
            columns = {
                "class": name, "threshold": score[last], "calls": calls, "hits": hits, "false": wrong,
                "precision": hits / (hits + wrong), "recall": hits / np.float64(calls),
                "f1": 2 * hits / (calls + hits + wrong), "false_per_hour": wrong / np.float64(here),
            }  # fmt: skip
        parts.append(pd.DataFrame(columns, columns=CURVE))
    return pd.concat(parts, ignore_index=True)


def operating_points(
    truth: pd.DataFrame,
    detections: Mapping[float, pd.DataFrame],
    hours: float | pd.DataFrame,
    classes: Sequence[str],
    rule: Rule = OVERLAP,
    *,
    exhaustive: Exhaustive = True,
) -> pd.DataFrame:
    """The same table from the detections of each threshold, each judged by itself."""
    parts = []
    for threshold in sorted(detections, reverse=True):
        report = event_report(truth, detections[threshold], hours, classes, rule, exhaustive=exhaustive)
        parts.append(report.iloc[: len(classes)].assign(threshold=threshold)[CURVE])
    if not parts:
        raise InputError("there is no threshold to judge detections at: give at least one.")
    points = pd.concat(parts, ignore_index=True)
    return points.sort_values("class", key=lambda c: c.map({n: k for k, n in enumerate(classes)}), kind="stable")


def points_at(curve: pd.DataFrame, thresholds: Mapping[str, float]) -> pd.DataFrame:
    """Of each class the point of a curve whose threshold is nearest to its own."""
    rows = []
    for name, threshold in thresholds.items():
        mine = curve[curve["class"] == name]
        if len(mine):
            rows.append(mine.iloc[int((mine["threshold"] - threshold).abs().to_numpy().argmin())])
    return pd.DataFrame(rows, columns=curve.columns).reset_index(drop=True)


def recall_at(curve: pd.DataFrame, false_per_hour: float) -> pd.DataFrame:
    """The highest recall of each class at no more than so many false alarms an hour, with its threshold, and the mean.

    A class that no threshold keeps below that rate has a recall of 0: one may always detect nothing.
    """
    return _best(curve, curve["false_per_hour"] <= false_per_hour + 1e-9, "recall", ascending=False)


def false_per_hour_at(curve: pd.DataFrame, recall: float) -> pd.DataFrame:
    """The fewest false alarms an hour of each class at this recall or more, with its threshold, and the mean.

    NaN where no threshold finds so many calls.
    """
    return _best(curve, curve["recall"] >= recall - 1e-9, "false_per_hour", ascending=True)


def _best(curve: pd.DataFrame, allowed: pd.Series, what: str, *, ascending: bool) -> pd.DataFrame:
    names = list(curve["class"].unique())
    # Of equal ones the highest threshold, which is the surest.
    ranked = curve[allowed].sort_values([what, "threshold"], ascending=[ascending, False], kind="stable")
    best = ranked.drop_duplicates("class").set_index("class")[["threshold", what]].reindex(names)
    if what == "recall":
        judged = curve.groupby("class")["recall"].max().reindex(names).notna()
        best["recall"] = best["recall"].where(best["recall"].notna() | ~judged, 0.0)
    mean = {"class": "mean", "threshold": np.nan, what: float(mean_of_classes(best[what].to_numpy(dtype=float)))}
    return pd.concat([best.reset_index(), pd.DataFrame([mean])], ignore_index=True)


def _found_in_order(present: pd.DataFrame, detections: pd.DataFrame, rule: Rule, order: np.ndarray) -> np.ndarray:
    """Which detections, taken in this order, raise the number of calls that the best matching finds.

    A detection raises it if and only if a path leads from it to a free call, along pairs that may be exchanged; what is
    matched once stays matched, though perhaps to another call. So one pass serves every threshold.
    """
    calls_of: dict[int, list[int]] = {}
    for events_here, found_here in tables.same_kind(present, detections):
        i, j, _ = rule(present.iloc[events_here], detections.iloc[found_here])
        for event, found in zip(events_here[i].tolist(), found_here[j].tolist(), strict=True):
            calls_of.setdefault(found, []).append(event)
    taken_by: dict[int, int] = {}
    hit = np.zeros(len(detections), dtype=bool)
    for found in order.tolist():
        hit[found] = found in calls_of and _find_room(found, calls_of, taken_by)
    return hit


def _find_room(found: int, calls_of: dict[int, list[int]], taken_by: dict[int, int]) -> bool:
    """Give a detection a call, moving others to other calls of theirs where that is needed; False if it cannot be."""
    asked_by: dict[int, int] = {}  # which detection first asked for a call
    waiting = deque([found])
    while waiting:
        asking = waiting.popleft()
        for call in calls_of[asking]:
            if call in asked_by:
                continue
            asked_by[call] = asking
            if call in taken_by:
                waiting.append(taken_by[call])
                continue
            while True:  # back along the path, each detection takes the call that it asked for
                taker = asked_by[call]
                left = next((c for c in calls_of[taker] if taken_by.get(c) == taker), None)
                taken_by[call] = taker
                if left is None:
                    return True
                call = left
    return False
