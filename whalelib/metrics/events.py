"""How good are detections? Calls and detections matched one to one, with what is unknown left out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from whalelib import tables
from whalelib.errors import InputError
from whalelib.metrics.intervals import DRAWS, LEVEL, mean_of_classes, resamples, with_ends
from whalelib.metrics.known import Exhaustive, left_open
from whalelib.metrics.matching import OVERLAP, Rule

RATES = ("precision", "recall", "f1", "error_rate", "false_per_hour")


def judge(
    truth: pd.DataFrame, detections: pd.DataFrame, rule: Rule = OVERLAP, *, exhaustive: Exhaustive = True
) -> pd.DataFrame:
    """The detections with a column `verdict`: "hit", "false" or "open", and `event`, the matched row of `truth` or -1.

    Present events are matched one to one first. A detection left over is "open" where the truth is not known: it
    touches a possible event of its label, or lies where an annotation that is not `exhaustive` says nothing.
    """
    truth, detections = truth.reset_index(drop=True), detections.reset_index(drop=True)
    present = np.flatnonzero(truth["truth"] == "present")
    matched = tables.match_by(truth.iloc[present], detections, rule)
    event = np.full(len(detections), -1, dtype=np.int64)
    event[matched >= 0] = present[matched[matched >= 0]]
    verdict = np.where(left_open(truth, detections, exhaustive), "open", "false").astype(object)
    verdict[event >= 0] = "hit"
    return detections.assign(verdict=verdict, event=event)


def event_report(
    truth: pd.DataFrame,
    detections: pd.DataFrame,
    hours: float | pd.DataFrame,
    classes: Sequence[str],
    rule: Rule = OVERLAP,
    *,
    exhaustive: Exhaustive = True,
    groups: pd.Series | None = None,
    draws: int = DRAWS,
    level: float = LEVEL,
    seed: int = 0,
) -> pd.DataFrame:
    """Counts and rates: a row a class, one for "all" and one for "mean".

    - calls, hits, missed, false: numbers of events; what is open counts nowhere
    - precision, recall, f1; precision without any detection and recall without any call are NaN, never 1 or 0
    - error_rate: (missed + false) / calls; in "all" a call that was found as another class is one error and not two
    - false_per_hour: false alarms in an hour; `hours` are those whose truth is known (`known_hours`), or one number

    "all" adds the counts up, so a frequent class weighs more; "mean" is the mean over the classes that have the rate.

    With `groups` (day or tape, by recording; the recordings table's column with its index) each rate has an interval,
    `f1_low` to `f1_high`, by drawing whole groups `draws` times.
    """
    of = Groups(groups, classes)
    counts, mistaken, heard = counted(truth, detections, hours, of, rule, exhaustive=exhaustive)

    times = of.times(draws, seed)
    drawn = np.einsum("dg,cgk->dkc", times, counts)
    rates = _rates(drawn, times @ heard, times @ mistaken)
    total = counts.sum(axis=1).T
    total = np.concatenate([total, np.tile(total.sum(axis=0), (2, 1))]).astype(int)
    report = pd.DataFrame({"class": [*classes, "all", "mean"], "calls": total[:, 0], "hits": total[:, 1]})
    report = report.assign(missed=total[:, 0] - total[:, 1], false=total[:, 2])
    return with_ends(report, rates, level, intervals=groups is not None)


class Groups:
    """Numbers for groups and classes, by which events are counted."""

    def __init__(self, groups: pd.Series | None, classes: Sequence[str]) -> None:
        self.of_recording, self.classes = groups, pd.Index(list(classes))
        self.names = pd.Index([""] if groups is None else groups.unique())
        self.many = len(self.names)

    def group(self, recording: pd.Series) -> np.ndarray:
        if self.of_recording is None:
            return np.zeros(len(recording), dtype=int)
        number = self.names.get_indexer(recording.astype(str).map(self.of_recording))
        if (number < 0).any():
            name = recording.iloc[int(np.flatnonzero(number < 0)[0])]
            raise InputError(f"the recording {name!r} has no group: give groups for every recording, by its id.")
        return number

    def places(self, events: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        column = self.classes.get_indexer(events["label"])
        return self.group(events["recording"])[column >= 0], column[column >= 0]

    def times(self, draws: int, seed: int) -> np.ndarray:
        """How often each draw holds each group, the first being all there is once; without groups there is no other."""
        everything = np.ones((1, self.many))
        if self.of_recording is None:
            return everything
        return np.concatenate([everything, resamples(np.arange(self.many), draws, seed)[1].astype(float)])


def _hours(hours: float | pd.DataFrame, classes: Sequence[str], grouped: bool) -> pd.DataFrame:
    if isinstance(hours, pd.DataFrame):
        return hours
    if not hours > 0:
        raise InputError(f"{hours!r} hours cannot be scored: give the hours of recording that were analysed.")
    if grouped:
        raise InputError(f"{hours!r} hours cannot be drawn by groups: give those of each recording, by known_hours.")
    return pd.DataFrame(float(hours), index=[""], columns=list(classes))


def counted(
    truth: pd.DataFrame,
    detections: pd.DataFrame,
    hours: float | pd.DataFrame,
    of: Groups,
    rule: Rule = OVERLAP,
    *,
    exhaustive: Exhaustive = True,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each group: calls, hits and false alarms [3, groups, classes], calls found as another class [groups], and the
    hours [groups, classes]."""
    classes = list(of.classes)
    table = _hours(hours, classes, of.of_recording is not None)
    judged = judge(truth, detections, rule, exhaustive=exhaustive)
    present = truth[truth["truth"] == "present"]
    counts = np.zeros((3, of.many, len(classes)))
    hits, false = (judged[judged["verdict"] == verdict] for verdict in ("hit", "false"))
    for count, events in zip(counts, (present, hits, false), strict=True):
        np.add.at(count, of.places(events), 1)
    mistaken = np.zeros(of.many)
    np.add.at(mistaken, of.places(_mistaken(present, judged, rule, classes))[0], 1)
    heard = np.zeros((of.many, len(classes)))
    np.add.at(heard, of.group(table.index.to_series()), table[classes].to_numpy(dtype=float))
    return counts, mistaken, heard


def _mistaken(present: pd.DataFrame, judged: pd.DataFrame, rule: Rule, classes: Sequence[str]) -> pd.DataFrame:
    """The missed calls that were found as calls of another class."""
    missed = present[~present.index.isin(judged.loc[judged["event"] >= 0, "event"]) & present["label"].isin(classes)]
    false = judged[(judged["verdict"] == "false") & judged["label"].isin(classes)]
    matched = tables.match_by(missed.assign(label=""), false.assign(label=""), rule)
    return missed.iloc[matched[matched >= 0]]


def _rates(drawn: np.ndarray, hours: np.ndarray, mistaken: np.ndarray) -> dict[str, np.ndarray]:
    """Each rate, [draws, classes + 2], from counts [draws, classes, (calls, hits, false)]."""
    together = drawn.sum(axis=1, keepdims=True)
    calls, hits, false = np.moveaxis(np.concatenate([drawn, together], axis=1), -1, 0)
    double = np.zeros_like(calls)
    double[:, -1] = mistaken
    with np.errstate(invalid="ignore", divide="ignore"):
        per_hour = drawn[:, :, 2] / hours
        rates = {
            "precision": hits / (hits + false),
            "recall": hits / calls,
            "f1": 2 * hits / (calls + hits + false),
            "error_rate": (calls - hits + false - double) / calls,
            "false_per_hour": np.column_stack([per_hour, np.nansum(per_hour, axis=1)]),
        }
        for name, value in rates.items():
            rates[name] = np.column_stack([value, mean_of_classes(value[:, :-1])])
    return rates
