"""What is in a clip: a target for each class, and the truth of each of its frames."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from whalelib import tables
from whalelib.errors import InputError

CELL_SECONDS = 0.025  # grid on which a clip's frame targets are stored; finer than any detector's frames
UNKNOWN = -1  # a frame target that is not known; the loss leaves it out
NOISE = "noise"  # the class of clips that hold no call, where it is asked for
TAKEN = {*tables.CLIPS, *tables.SCORES, "channel"}  # columns beside those of the classes; no class can be named so

_TOLERANCE = 1e-9
_PAIRS_AT_ONCE = 2_000_000  # so that memory stays bounded where one event lasts as long as its recording


def class_list(events: pd.DataFrame, classes: Sequence[str] = ()) -> list[str]:
    """The labels to detect: those asked for, or every label that is present, in alphabetical order."""
    there = sorted(events.loc[events["truth"] == "present", "label"].unique())
    unknown = [name for name in classes if name not in there]
    if unknown:
        raise InputError(f"no call is labelled {unknown[0]!r}: the labels are {', '.join(there) or 'none'}.")
    if not there:
        raise InputError("there is no call to learn from: the events table holds none that is present.")
    taken = sorted(TAKEN.intersection(classes or there))
    if taken:
        raise InputError(
            f"a call is labelled {taken[0]!r}, which is a column of the clips or scores table: rename the label in the "
            "annotations, or choose another by label_column, default_label or classes."
        )
    return list(classes) or there


def cells_of(clip_seconds: float) -> int:
    """How many cells the grid of a clip has: one at least, however short the clip is."""
    return max(round(clip_seconds / CELL_SECONDS), 1)


def classes_of(clips: pd.DataFrame) -> list[str]:
    """The class columns of a clips table, in order."""
    return [name for name in tables.classes_of(clips) if name != "channel"]


def has_noise_class(classes: Sequence[str], events: pd.DataFrame) -> bool:
    """Is "noise" among the classes the absence of calls, and not a label that the annotators gave?"""
    return NOISE in classes and not ((events["label"] == NOISE) & (events["truth"] == "present")).any()


def on_own_channels(events: pd.DataFrame, recordings: pd.DataFrame) -> pd.DataFrame:
    """The events with the channel that can be read: a recording of one channel has only that, whatever its table says.

    (Recorders cut one channel out of many and go on calling it channel 10.)
    """
    several = events["recording"].isin(recordings.loc[recordings["channels"] > 1, "recording"])
    return events.assign(channel=events["channel"].where(several, 1))


def label(
    clips: pd.DataFrame, events: pd.DataFrame, classes: Sequence[str], *, min_overlap: float, exhaustive: bool
) -> pd.DataFrame:
    """One target a class for each clip: 1, 0, or NaN where the truth is not known.

    A call is in the clip when the clip holds at least `min_overlap` of the call, or the call fills that share of the
    clip. A smaller piece of a call, or a possible call, leaves the truth open. Absent events make the target 0 where
    together they cover at least `min_overlap` of the clip; less says nothing of the rest of it. Without any event the
    target is 0 if the annotation is exhaustive and open if not.

    Where the clips have a channel, a call on another channel leaves the truth open (it may be heard here as well), and
    an absent event of another channel says nothing.

    A class "noise" that no annotator gave is 1 where no call of any label is, and 0 where one is.
    """
    marked = Marks(events, classes)
    n, k = len(clips), marked.columns
    window = Windows.of(clips)
    open_, called = np.zeros((n, k), dtype=bool), np.zeros((n, k), dtype=bool)
    covered = np.zeros((n, k))
    length = window.end - window.begin
    for i, j, shared in marked.absent.near(window, same_channel=True):
        np.add.at(covered, (i, marked.absent.column[j]), shared)
    for i, j, _ in marked.possible.near(window):
        open_[i, marked.possible.column[j]] = True
    for i, j, shared in marked.present.near(window):
        column, lasts = marked.present.column[j], marked.present.offset[j] - marked.present.onset[j]
        enough = shared >= min_overlap * np.minimum(lasts, length[i]) - _TOLERANCE
        enough &= marked.present.heard_by(window, i, j)
        called[i[enough], column[enough]] = True
        open_[i[~enough], column[~enough]] = True
    targets = np.full((n, k), 0.0 if exhaustive else np.nan)
    targets[(covered > 0) & (covered >= min_overlap * length[:, None] - _TOLERANCE)] = 0.0
    # "absent" first, "present" last: the stronger statement overwrites the weaker one.
    targets[open_] = np.nan
    targets[called] = 1.0
    if marked.noise is not None:
        targets[:, -1] = np.where(open_[:, -1], np.nan, np.where(called[:, -1], 1.0, 0.0))
        calls = np.delete(targets, marked.noise, axis=1)
        some = (calls == 1).any(axis=1)
        targets[:, marked.noise] = np.where(some, 0.0, np.where(np.isnan(calls).any(axis=1), np.nan, 1.0))
    return pd.DataFrame(targets[:, : len(classes)], columns=list(classes), index=clips.index)


def frame_targets(
    onset: float, seconds: float, events: pd.DataFrame, classes: Sequence[str], *, exhaustive: bool
) -> np.ndarray:
    """The truth on a fine grid of a clip, [cells, classes]: 1, 0 or UNKNOWN. `events` are those of the recording."""
    one = pd.DataFrame({"recording": ["here"], "onset": [float(onset)], "seconds": [float(seconds)]})
    marked = Marks(events.assign(recording="here"), classes)
    return frame_grids(one, marked, clip_seconds=seconds, exhaustive=exhaustive)[0]


def frame_grids(clips: pd.DataFrame, marked: Marks, *, clip_seconds: float, exhaustive: bool) -> np.ndarray:
    """The truth on a fine grid of every clip, [clips, cells, classes], each `clip_seconds` from the clip's onset."""
    grid = np.full((len(clips), cells_of(clip_seconds), marked.columns), 0 if exhaustive else UNKNOWN, dtype=np.int8)
    if marked.noise is not None:
        grid[:, :, -1] = 0
    window = Windows.of(clips, clip_seconds)

    def mark(these: EventIndex, value: int, same_channel: bool = False) -> None:
        for i, j, _ in these.near(window, same_channel):
            # A cell belongs to the event if its centre does.
            first = np.ceil((these.onset[j] - window.begin[i]) / CELL_SECONDS - 0.5 - 1e-6).astype(int).clip(0)
            last = np.ceil((these.offset[j] - window.begin[i]) / CELL_SECONDS - 0.5 - 1e-6).astype(int)
            places = (i.tolist(), first.tolist(), last.tolist(), these.column[j].tolist())
            for row, begin, end, column in zip(*places, strict=True):
                grid[row, begin : max(end, 0), column] = value

    mark(marked.absent, 0, same_channel=True)
    mark(marked.possible, UNKNOWN)
    if window.channel is not None and len(np.union1d(window.channel, marked.present.channel)) > 1:
        mark(marked.present, UNKNOWN)  # a call on another channel may be heard here as well
    mark(marked.present, 1, same_channel=True)
    if marked.noise is not None:
        calls = np.delete(grid, marked.noise, axis=2)
        open_ = (calls == UNKNOWN).any(axis=2)
        grid[:, :, marked.noise] = np.where((calls == 1).any(axis=2), 0, np.where(open_, UNKNOWN, 1))
    return grid[:, :, : marked.classes]


class Windows:
    """Stretches of recordings, with the channel that is heard in them where one is told."""

    def __init__(self, recording: pd.Series, begin: np.ndarray, end: np.ndarray, channel: np.ndarray | None) -> None:
        self.recording, self.begin, self.end, self.channel = recording, begin, end, channel

    @classmethod
    def of(cls, clips: pd.DataFrame, seconds: float | None = None) -> Windows:
        begin = clips["onset"].to_numpy(dtype=float)
        end = begin + (clips["seconds"].to_numpy(dtype=float) if seconds is None else seconds)
        channel = clips["channel"].to_numpy() if "channel" in clips else None
        return cls(clips["recording"], begin, end, channel)


class EventIndex:
    """Events in an order in which those near a window are found without looking at all of them."""

    def __init__(self, events: pd.DataFrame, column: np.ndarray) -> None:
        self.names = pd.Index(events["recording"].unique())
        number = self.names.get_indexer(events["recording"])
        order = np.lexsort([events["onset"].to_numpy(), number])
        self.number = number[order]
        self.onset = events["onset"].to_numpy(dtype=float)[order]
        self.offset = events["offset"].to_numpy(dtype=float)[order]
        self.channel = events["channel"].to_numpy()[order]
        self.column = column[order]
        self.longest = np.zeros(len(self.names))
        np.maximum.at(self.longest, self.number, self.offset - self.onset)

    def near(self, window: Windows, same_channel: bool = False) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """All pairs (window, event) that share time, with the seconds they share, some at a time."""
        if not len(self.onset) or not len(window.begin):
            return
        number = self.names.get_indexer(window.recording)
        # One axis of time for all recordings, each a stretch of its own on it.
        stretch = max(self.offset.max(), window.end.max()) + 1.0
        where, at = self.number * stretch + self.onset, number * stretch
        slack = 1e-6 * stretch
        first = np.searchsorted(where, at + window.begin - self.longest[number] - slack, side="left")
        last = np.searchsorted(where, at + window.end + slack, side="right")
        counts = np.where(number >= 0, np.maximum(last - first, 0), 0)
        edges = np.flatnonzero(np.diff(np.cumsum(counts) // _PAIRS_AT_ONCE)) + 1
        for rows in np.split(np.arange(len(counts)), edges):
            many = counts[rows]
            i = np.repeat(rows, many)
            j = np.repeat(first[rows] - np.cumsum(many) + many, many) + np.arange(many.sum())
            shared = tables.overlap_seconds(self.onset[j], self.offset[j], window.begin[i], window.end[i])
            keep = (self.number[j] == number[i]) & (shared > 0)
            if same_channel:
                keep &= self.heard_by(window, i, j)
            if keep.any():
                yield i[keep], j[keep], shared[keep]

    def heard_by(self, window: Windows, i: np.ndarray, j: np.ndarray) -> np.ndarray:
        """Was the event annotated on the channel of the window?"""
        return np.ones(len(i), dtype=bool) if window.channel is None else self.channel[j] == window.channel[i]


class Marks:
    """The events that speak of these classes, by their truth, each with its column of targets.

    With a noise class there is a column more at the end, for calls of all other labels.
    """

    def __init__(self, events: pd.DataFrame, classes: Sequence[str]) -> None:
        self.classes = len(classes)
        self.noise = list(classes).index(NOISE) if has_noise_class(classes, events) else None
        self.columns = self.classes + (self.noise is not None)
        column = pd.Index(list(classes)).get_indexer(events["label"])
        if self.noise is not None:
            other = (column < 0) & (events["truth"] != "absent").to_numpy()
            column = np.where(other, self.classes, column)
        known = column >= 0
        events = events[known].assign(column=column[known])
        by_truth = {truth: events[events["truth"] == truth] for truth in tables.TRUTHS}
        # Absent and possible events speak of the time they cover together; a call is judged on its own.
        self.absent, self.possible = indexed(joined(by_truth["absent"])), indexed(joined(by_truth["possible"]))
        self.present = indexed(by_truth["present"])


def indexed(events: pd.DataFrame) -> EventIndex:
    """Events that have their column of targets in a column `column`."""
    return EventIndex(events, events["column"].to_numpy(dtype=int))


def joined(events: pd.DataFrame) -> pd.DataFrame:
    """Overlapping events of one recording, column and channel as one."""
    if len(events) < 2:
        return events
    same = ["recording", "column", "channel"]
    events = events.sort_values([*same, "onset"], kind="stable")
    reach = events.groupby(same, sort=False)["offset"].cummax()
    before = reach.groupby([events[name] for name in same], sort=False).shift()
    begins = ~(events["onset"] <= before)  # NaN, at the first of its kind, is a beginning
    together = events[begins].copy()
    together["offset"] = reach.groupby(begins.cumsum().to_numpy(), sort=False).max().to_numpy()
    return together
