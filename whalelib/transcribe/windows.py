"""Windows over long recordings: which calls each holds, and how their transcripts become one again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from whalelib import tables
from whalelib.transcribe.vocabulary import Call

_SAME = 0.5  # two windows that share this much of the shorter of two calls of one label have heard the same one


def onsets(seconds: float, window_seconds: float, hop_seconds: float) -> np.ndarray:
    """Where windows begin that together hear a whole recording."""
    count = int(np.ceil(max(seconds - window_seconds, 0.0) / hop_seconds - 1e-9)) + 1
    return np.arange(count) * hop_seconds


def calls_in(events: pd.DataFrame, onset: float, window_seconds: float) -> list[Call]:
    """The calls of one recording that a window tells: those of which it holds half, or that fill a quarter of it.

    What reaches beyond the window is told as far as the window goes. (Windows that share a quarter then both tell a
    call that is longer than what they share, and can be joined.)
    """
    begin = np.maximum(events["onset"].to_numpy() - onset, 0.0)
    end = np.minimum(events["offset"].to_numpy() - onset, window_seconds)
    length = (events["offset"] - events["onset"]).to_numpy()
    told = end - begin >= np.minimum(length / 2, window_seconds / 4) - 1e-9
    rows = zip(begin[told], end[told], events["label"].to_numpy()[told], strict=True)
    return sorted(Call(float(b), float(e), str(label)) for b, e, label in rows)


@dataclass
class _Piece:
    """A call as one window, or several, have told it, in the recording's time."""

    onset: float
    offset: float
    label: str
    score: float
    window: int  # the last one that told it
    open_left: bool  # does it reach the beginning, or the end, of a window that goes on there?
    open_right: bool
    sure: bool = True  # lies in the own part of a window that told it, or was told by two

    @property
    def middle(self) -> float:
        return (self.onset + self.offset) / 2


class Joining:
    """Joins the transcripts of overlapping windows, given in order, without losing or doubling a call.

    A call that two windows tell is one call: each of its ends is that of a window which did not cut it there, and of
    two such the one in whose middle it lies. A call that only one of the windows tells which could hear it counts if it
    lies in that window's own part, up to the middle of what it shares with its neighbours.
    """

    def __init__(self, window_seconds: float, hop_seconds: float, step_seconds: float, seconds: float) -> None:
        self.window, self.hop, self.edge, self.seconds = window_seconds, hop_seconds, step_seconds / 2, seconds
        self.number = -1
        self.last = len(onsets(seconds, window_seconds, hop_seconds)) - 1
        self.pending: list[_Piece] = []

    def add(self, calls: Iterable[Call], scores: Sequence[float] = ()) -> list[tuple[Call, float]]:
        """The next window's calls; gives those calls, in the recording's time, of which no later window can tell."""
        self.number += 1
        at = self.number * self.hop
        calls = list(calls)
        new = [
            _Piece(
                at + call.onset,
                min(at + call.offset, self.seconds),
                call.label,
                float(score),
                self.number,
                self.number > 0 and call.onset <= self.edge,
                self.number < self.last and call.offset >= self.window - self.edge,
            )
            for call, score in zip(calls, scores if len(scores) else [np.nan] * len(calls), strict=True)
        ]
        self._match(new, at)
        return self._finished(at + self.hop if self.number < self.last else np.inf)

    def _match(self, new: list[_Piece], at: float) -> None:
        """Join what this window tells to what earlier ones told, the best pairs first."""
        pairs = []
        for i, old in enumerate(self.pending):
            for j, piece in enumerate(new):
                shared = min(old.offset, piece.offset) - max(old.onset, piece.onset)
                shorter = min(old.offset - old.onset, piece.offset - piece.onset)
                cut = old.open_right or piece.open_left
                if old.label == piece.label and old.window < piece.window and shared > -self.edge:
                    share = shared / max(shorter, 1e-9)
                    if share >= _SAME or (cut and shared >= 0):
                        pairs.append((share, i, j))
        taken_old: set[int] = set()
        taken_new: set[int] = set()
        for _, i, j in sorted(pairs, key=lambda pair: (-pair[0], pair[1], pair[2])):
            if i not in taken_old and j not in taken_new:
                taken_old.add(i)
                taken_new.add(j)
                self._join(self.pending[i], new[j])
        # Past its own part a window may still be right, by a little: the next one has to tell such a call, too.
        high = at + self.window - (self.window - self.hop) / 2
        alone = []
        for j, piece in enumerate(new):
            piece.sure = j in taken_new or self._own(piece, self.number)
            if j not in taken_new and (piece.sure or piece.middle >= high):
                alone.append(piece)
        # What this window could have heard and did not tell counts only where the earlier window had the last word.
        self.pending = [
            piece
            for i, piece in enumerate(self.pending)
            if i in taken_old or (piece.sure and (piece.onset < at - self.edge or self._own(piece, piece.window)))
        ]
        self.pending += alone

    def _own(self, piece: _Piece, window: int) -> bool:
        """Does the middle of a call lie in this window's own part?"""
        margin = (self.window - self.hop) / 2
        low = window * self.hop + margin if window else -np.inf
        high = window * self.hop + self.window - margin if window < self.last else np.inf
        return piece.open_left or piece.open_right or low <= piece.middle < high

    def _join(self, old: _Piece, piece: _Piece) -> None:
        centre = (old.window * self.hop + piece.window * self.hop + self.window) / 2
        later = (old.onset + piece.offset) / 2 >= centre  # the later window has it nearer to its middle
        onsets_known = (not old.open_left, not piece.open_left)
        if onsets_known[1] and (not onsets_known[0] or later):
            old.onset, old.open_left = piece.onset, False
        elif not any(onsets_known):
            old.onset = min(old.onset, piece.onset)
        offsets_known = (not old.open_right, not piece.open_right)
        if offsets_known[1] and (not offsets_known[0] or later):
            old.offset, old.open_right = piece.offset, False
        elif not any(offsets_known):
            old.offset = max(old.offset, piece.offset)
        old.sure = True
        old.score, old.window = (
            float(np.nanmean([old.score, piece.score])) if piece.score == piece.score else old.score,
            piece.window,
        )

    def _finished(self, begin: float) -> list[tuple[Call, float]]:
        """What ends before the next window begins, which nothing can change any more."""
        done = [piece for piece in self.pending if piece.offset < begin - self.edge]
        self.pending = [piece for piece in self.pending if piece.offset >= begin - self.edge]
        done.sort(key=lambda piece: (piece.onset, piece.label))
        return [(Call(piece.onset, piece.offset, piece.label), piece.score) for piece in done]


def as_events(recording: str, calls: Iterable[tuple[Call, float]], channel: int = 1) -> pd.DataFrame:
    """Calls of a recording as rows of the events table."""
    rows = [
        {"recording": recording, "onset": c.onset, "offset": c.offset, "label": c.label, "score": s, "channel": channel}
        for c, s in calls
        if c.offset > c.onset
    ]
    return tables.events(rows).sort_values(["onset", "label"], kind="stable").reset_index(drop=True)
