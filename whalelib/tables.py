"""The four tables that everything speaks: recordings, events, clips and scores.

Plain pandas DataFrames with a fixed schema, checked once where they enter and trusted afterwards. Times are seconds
from the recording's first sample, frequencies are Hz, absolute times are UTC. Annotations and detections are one
table, `events`, so matching, plotting and every file format exist once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from whalelib.errors import InputError

RECORDINGS = {
    "recording": "str",  # its name, unlike all others
    "path": "str",  # where its sound lies: a path, or s3://, gs://, https://
    "start": "datetime64[ns, UTC]",  # when it begins; empty where nobody knows
    "seconds": "float64",  # how long it is
    "sample_rate": "int64",  # Hz, as it is stored
    "channels": "int64",  # how many
    "group": "str",  # day, site or tape: what a split must not cut
}
EVENTS = {
    "recording": "str",  # in which recording
    "onset": "float64",  # seconds from the recording's beginning
    "offset": "float64",  # where it ends, in the same seconds
    "low_hz": "float64",  # its lowest frequency; empty where nobody said
    "high_hz": "float64",  # its highest
    "label": "str",  # what it is
    "truth": "str",  # present, possible (hedged) or absent (it is said not to be there)
    "score": "float64",  # a detector's; empty for an annotation
    "channel": "int64",  # in which channel it was heard, from 1
}
CLIPS = {
    "recording": "str",  # in which recording
    "onset": "float64",  # seconds from the recording's beginning
    "seconds": "float64",  # how long
    "weight": "float64",  # how much it counts in the loss
    "group": "str",  # of its recording
    "fold": "str",  # train, validation or test
}
SCORES = {
    "recording": "str",  # in which recording
    "onset": "float64",  # where the cell begins, in seconds from the recording's beginning
    "offset": "float64",  # where it ends
}
NOISE = {**SCORES, "label": "str"}  # where a source knows what else is heard: a ship, rain, a knock

TRUTHS = ("present", "possible", "absent")
EVENT_DEFAULTS = {"low_hz": np.nan, "high_hz": np.nan, "truth": "present", "score": np.nan, "channel": 1}

# An annotation tool rounds to milliseconds, so an event may seem to end just after its recording does.
BORDER_TOLERANCE = 0.05


def empty(schema: dict[str, str]) -> pd.DataFrame:
    """A table of this schema without rows."""
    return pd.DataFrame({name: pd.Series(dtype=dtype) for name, dtype in schema.items()})


def events(rows: Iterable[dict] | pd.DataFrame) -> pd.DataFrame:
    """An events table from rows that give at least recording, onset, offset and label."""
    frame = rows.copy() if isinstance(rows, pd.DataFrame) else pd.DataFrame(list(rows))
    if frame.empty and not len(frame.columns):
        return empty(EVENTS)
    for name, default in EVENT_DEFAULTS.items():
        frame[name] = frame[name].fillna(default) if name in frame else default
    return _typed(frame, EVENTS, "events", "the events table")


def check_recordings(frame: pd.DataFrame, where: str = "the recordings table") -> pd.DataFrame:
    """The recordings table in its exact types, or an InputError that names the row and the mend."""
    frame = _typed(frame, RECORDINGS, "recordings", where)
    _refuse(frame["recording"].duplicated(), frame, where, "gives a recording twice", "give every recording its own id")
    _refuse(~(frame["seconds"] > 0), frame, where, "has no duration", "leave the empty recording out")
    _refuse(frame["sample_rate"] <= 0, frame, where, "has no sample rate", "probe the file again")
    return frame


def check_events(
    frame: pd.DataFrame,
    recordings: pd.DataFrame | None = None,
    classes: Sequence[str] | None = None,
    where: str = "the events table",
) -> pd.DataFrame:
    """The events table in its exact types, or an InputError that names the row and the mend.

    With `recordings`, every event must lie inside a recording of that table; with `classes`, every label must be one
    of them.
    """
    frame = _typed(frame, EVENTS, "events", where)
    for found, says, mend in event_faults(frame, recordings, classes):
        _refuse(found, frame, where, says, mend)
    return frame


def event_faults(
    frame: pd.DataFrame, recordings: pd.DataFrame | None = None, classes: Sequence[str] | None = None
) -> list[tuple[pd.Series, str, str]]:
    """What can be wrong with an event: (rows at fault, what is wrong, how to mend it), one entry a rule.

    `check_events` refuses the first fault it meets; a source that must go on leaves the rows out and says so.
    """
    unnamed = frame["recording"].isna() | frame["label"].isna() | (frame["label"] == "")
    faults = [
        (unnamed, "has no recording or no label", "name both"),
        (frame["onset"].isna() | frame["offset"].isna(), "has no onset or offset", "give both in seconds"),
        (frame["offset"] < frame["onset"], "ends before it begins", "swap its begin and end times"),
        (frame["offset"] == frame["onset"], "has no duration", "give it an end after its beginning"),
        (frame["offset"] == np.inf, "has no end", "give its offset in seconds"),
        (frame["onset"] < 0, "begins before its recording", "check the time zone and the recording's start"),
        (frame["high_hz"] < frame["low_hz"], "has its high below its low frequency", "swap the two frequencies"),
        (~frame["truth"].isin(TRUTHS), "has an unknown truth", f"use one of {', '.join(TRUTHS)}"),
    ]
    if recordings is not None:
        # (An empty column of texts maps to texts, hence the cast.)
        seconds = frame["recording"].map(recordings.set_index("recording")["seconds"]).astype("float64")
        faults.append((seconds.isna(), "names a missing recording", "add the audio file or remove the row"))
        late = frame["offset"] > seconds + BORDER_TOLERANCE
        faults.append((late, "ends after its recording", "check the time zone and the recording's start"))
    if classes is not None:
        unknown = ~frame["label"].isin(list(classes))
        faults.append((unknown, "has an unknown label", f"use one of {', '.join(classes)}"))
    return faults


def check_clips(frame: pd.DataFrame, classes: Sequence[str], where: str = "the clips table") -> pd.DataFrame:
    """The clips table in its exact types: targets in [0, 1], NaN where the truth is unknown."""
    frame = _typed(frame, {**CLIPS, **dict.fromkeys(classes, "float64")}, "clips", where)
    targets = frame[list(classes)]
    outside = ((targets < 0) | (targets > 1)).any(axis=1)
    _refuse(outside, frame, where, "has a target outside 0 to 1", "targets are probabilities; NaN means unknown")
    return frame


def check_scores(frame: pd.DataFrame, classes: Sequence[str], where: str = "the scores table") -> pd.DataFrame:
    """The scores table in its exact types, each recording's rows in order of time."""
    frame = _typed(frame, {**SCORES, **dict.fromkeys(classes, "float32")}, "scores", where)
    backwards = ~(frame["offset"] > frame["onset"])
    _refuse(backwards, frame, where, "ends before it begins or has no time", "give onset and offset in seconds")
    same = frame["recording"] == frame["recording"].shift()
    unordered = same & (frame["onset"] < frame["onset"].shift())
    _refuse(unordered, frame, where, "lies before the row above it", "sort each recording's rows by onset")
    return frame


def classes_of(frame: pd.DataFrame) -> list[str]:
    """The class columns of a clips or scores table, in order."""
    return [name for name in frame.columns if name not in CLIPS and name not in SCORES]


def _typed(frame: pd.DataFrame, schema: dict[str, str], kind: str, where: str) -> pd.DataFrame:
    missing = [name for name in schema if name not in frame]
    if missing:
        raise InputError(
            f"{where} lacks the column {missing[0]!r}: a table of {kind} has the columns {', '.join(schema)}."
        )
    typed = {}
    for name, dtype in schema.items():
        column = frame[name]
        if dtype == "int64" and not (pd.to_numeric(column, errors="coerce") % 1 == 0).all():
            raise InputError(f"{where} has a value that is no whole number in its column {name!r}.")
        try:
            typed[name] = pd.to_datetime(column, utc=True).astype(dtype) if "UTC" in dtype else column.astype(dtype)
        except (ValueError, TypeError) as error:
            raise InputError(f"{where} has a value that is no {dtype} in its column {name!r} ({error}).") from None
    extra = {name: frame[name] for name in frame.columns if name not in schema}
    return pd.DataFrame({**typed, **extra}).reset_index(drop=True)


def _refuse(at_fault: pd.Series, frame: pd.DataFrame, where: str, says: str, mend: str) -> None:
    rows = np.flatnonzero(at_fault.to_numpy(dtype=bool, na_value=False))
    if len(rows):
        more = f" (and {len(rows) - 1} more)" if len(rows) > 1 else ""
        recording = frame["recording"].iloc[rows[0]]
        raise InputError(f"{where}, row {rows[0] + 1} of recording {recording!r}{more}, {says}: {mend}.")


def overlap_seconds(onset: ArrayLike, offset: ArrayLike, begin: ArrayLike, end: ArrayLike) -> np.ndarray:
    """How long the intervals [onset, offset] and [begin, end] share, elementwise with broadcasting."""
    return np.clip(np.minimum(offset, end) - np.maximum(onset, begin), 0, None)


def intersection_over_union(onset: np.ndarray, offset: np.ndarray, begin: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Shared time over joint time of two sets of intervals, elementwise with broadcasting."""
    shared = overlap_seconds(onset, offset, begin, end)
    joint = (offset - onset) + (end - begin) - shared
    return np.divide(shared, joint, out=np.zeros_like(shared), where=joint > 0)


# Which pairs (event, detection) of one recording and label may be matched: rows of the first, rows of the second, and
# what each pair is worth, above 0 and at most 1.
Admissible = Callable[[pd.DataFrame, pd.DataFrame], tuple[np.ndarray, np.ndarray, np.ndarray]]


def match(truth: pd.DataFrame, detections: pd.DataFrame, min_iou: float = 0.3) -> np.ndarray:
    """Match detections to true events one to one; gives, for each detection, the row of its event or -1.

    A pair is admissible when recording and label agree and the intersection over union of their times is above zero
    and at least `min_iou`. Among all one-to-one matchings the one with the most pairs is taken, among those the one
    with the greatest summed intersection over union, and among equal ones the one with the higher scores, so the result
    does not depend on the order of the rows.
    """

    def admissible(events: pd.DataFrame, found: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return overlapping(events, found, min_iou)

    return match_by(truth, detections, admissible)


def match_by(truth: pd.DataFrame, detections: pd.DataFrame, admissible: Admissible) -> np.ndarray:
    """`match` with a rule of one's own: most pairs first, then most worth, then the higher scores."""
    matched = np.full(len(detections), -1, dtype=np.int64)
    for events_here, found_here in same_kind(truth, detections):
        # In an order of their own, so that ties between equal worths do not fall by the order of the rows.
        events_here = events_here[_in_order(truth.iloc[events_here])]
        found_here = found_here[_in_order(detections.iloc[found_here])]
        pairs = _match_one(truth.iloc[events_here], detections.iloc[found_here], admissible)
        matched[found_here[pairs[:, 1]]] = events_here[pairs[:, 0]]
    return matched


def same_kind(
    truth: pd.DataFrame, detections: pd.DataFrame, by: Sequence[str] = ("recording", "label")
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The rows of both tables that speak of one recording and label, for each that both know."""
    true_rows = truth.reset_index(drop=True).groupby(list(by), sort=False).indices
    found_rows = detections.reset_index(drop=True).groupby(list(by), sort=False).indices
    for key in true_rows.keys() & found_rows.keys():
        yield true_rows[key], found_rows[key]


def _in_order(frame: pd.DataFrame) -> np.ndarray:
    return np.lexsort([-np.nan_to_num(frame["score"]), frame["offset"], frame["onset"]])


def _match_one(truth: pd.DataFrame, found: pd.DataFrame, admissible: Admissible) -> np.ndarray:
    """Pairs (event, detection) for one recording and label, solved one cluster of possible pairs at a time."""
    from scipy.optimize import linear_sum_assignment
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    i, j, worth = admissible(truth, found)
    if not len(i):
        return np.empty((0, 2), dtype=np.int64)
    # Far below any difference between overlaps that is not rounding.
    tie_break = 1e-9 * np.nan_to_num(found["score"].to_numpy(dtype=float))
    n, m = len(truth), len(found)
    graph = coo_array((np.ones(len(i)), (i, n + j)), shape=(n + m, n + m))
    _, cluster = connected_components(graph, directed=False)
    pairs = []
    order = np.argsort(cluster[i], kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(cluster[i][order])) + 1):
        local_i, at_i = np.unique(i[rows], return_inverse=True)
        local_j, at_j = np.unique(j[rows], return_inverse=True)
        # A pair is worth more than any sum of worths, so the number of pairs comes first.
        gain = np.zeros((len(local_i), len(local_j)))
        gain[at_i, at_j] = worth[rows] + min(len(local_i), len(local_j)) + 1 + tie_break[j[rows]]
        chosen_i, chosen_j = linear_sum_assignment(gain, maximize=True)
        real = gain[chosen_i, chosen_j] > 0
        pairs.append(np.column_stack([local_i[chosen_i[real]], local_j[chosen_j[real]]]))
    return np.concatenate(pairs)


def overlapping(
    truth: pd.DataFrame, found: pd.DataFrame, min_iou: float = 0.0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows of events and detections that overlap by at least `min_iou`, and their intersection over union.

    Of one recording: not every event is compared with every detection.
    """
    i, j = may_overlap(truth, found)
    onset, offset = truth["onset"].to_numpy(), truth["offset"].to_numpy()
    begin, end = found["onset"].to_numpy(), found["offset"].to_numpy()
    iou = intersection_over_union(onset[i], offset[i], begin[j], end[j])
    good = (iou > 0) & (iou >= min_iou)
    return i[good], j[good], iou[good]


def may_overlap(truth: pd.DataFrame, found: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Index pairs of events and detections that may overlap, and all that do, touching ones among them."""
    begin = found["onset"].to_numpy()
    order = np.argsort(begin, kind="stable")
    longest = float((found["offset"] - found["onset"]).max())
    first = np.searchsorted(begin[order], truth["onset"].to_numpy() - longest, side="left")
    last = np.searchsorted(begin[order], truth["offset"].to_numpy(), side="right")
    counts = np.maximum(last - first, 0)
    i = np.repeat(np.arange(len(truth)), counts)
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return i, order[np.repeat(first, counts) + within]


def union(onset: np.ndarray, offset: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The stretches that intervals cover together, in order of time; touching ones are one."""
    order = np.argsort(onset, kind="stable")
    onset, reach = onset[order], np.maximum.accumulate(offset[order])
    apart = onset[1:] > reach[:-1]
    return onset[np.r_[True, apart][: len(onset)]], reach[np.r_[apart, True][: len(onset)]]


def covered_seconds(
    events: pd.DataFrame, spans: pd.DataFrame, by: Sequence[str] = ("recording", "label")
) -> np.ndarray:
    """How much of each row of `spans` the events of the same recording and label cover together."""
    covered = np.zeros(len(spans))
    onset, offset = (events[name].to_numpy(dtype=float) for name in ("onset", "offset"))
    begin, end = (spans[name].to_numpy(dtype=float) for name in ("onset", "offset"))
    for here, rows in same_kind(events, spans, by):
        first, last = union(onset[here], offset[here])
        edges = np.column_stack([first, last]).ravel()
        # Seconds covered before each edge; between edges they grow evenly, or stand still.
        before = np.concatenate([[0.0], np.cumsum(np.diff(edges) * (np.arange(len(edges) - 1) % 2 == 0))])
        covered[rows] = np.interp(end[rows], edges, before) - np.interp(begin[rows], edges, before)
    return covered


def uncovered(begin: float, end: float, onsets: np.ndarray, offsets: np.ndarray) -> list[tuple[float, float]]:
    """The stretches of [begin, end] that none of the given intervals touches, in order of time."""
    stretches, at = [], begin
    for k in np.argsort(onsets, kind="stable"):
        if onsets[k] > at:
            stretches.append((at, min(float(onsets[k]), end)))
        at = max(at, float(offsets[k]))
        if at >= end:
            return [(a, b) for a, b in stretches if b > a]
    stretches.append((at, end))
    return [(a, b) for a, b in stretches if b > a]
