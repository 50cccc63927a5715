"""Scores of a scan to detections: recordings that go on where another one ends are one sound, and a call is found once.

A call across a border belongs to the recording in which its greater part lies (of equal parts, the first), and ends
there; `beyond_seconds` says how much of it lies in others.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from whalelib import post, tables
from whalelib.predict import score_files
from whalelib.predict.neighbours import followers
from whalelib.predict.receipt import ANALYSED

_MOST_SECONDS = 24 * 3600.0  # of one sound in memory; longer ones are parted at a border even where a call may be cut


class _Part(NamedTuple):
    """The calibrated scores of a recording on one channel."""

    recording: str
    channel: str
    scores: pd.DataFrame

    @property
    def seconds(self) -> float:
        return float(self.scores["offset"].iloc[-1])


def detections(
    folder: str | Path,
    recordings: pd.DataFrame,
    receipt: pd.DataFrame,
    decided: post.Decided,
    *,
    bands: pd.DataFrame | None = None,
    **steps: Any,
) -> pd.DataFrame:
    """The detections in the scores that a scan has left in `folder`; `steps` are those of `post.detect`.

    Memory is bounded: of recordings that go on in each other as many are held as it takes to be sure that nothing lies
    across the next border, and no more than a day.
    """
    found = [tables.empty(tables.EVENTS).assign(beyond_seconds=pd.Series(dtype="float64"))]
    levels = _levels(decided, steps)
    for parts in _sounds(Path(folder), recordings, receipt, decided, steps):
        if not any(_loud(part.scores, levels) for part in parts):
            continue  # most of the sea is silent, and no step makes a score higher than its neighbours
        joined = pd.concat(
            [
                part.scores.assign(onset=part.scores["onset"] + begin, offset=part.scores["offset"] + begin)
                for part, begin in zip(parts, _borders(parts)[:-1], strict=True)
            ]
        ).assign(recording=parts[0].recording)
        events = post.detect(joined, decided.thresholds, bands=bands, **steps)
        if len(events):
            found.append(_in_recordings(events, parts))
    events = pd.concat(found[min(1, len(found) - 1) :], ignore_index=True)
    order = events["recording"].map({name: k for k, name in enumerate(recordings["recording"])})
    return events.loc[order.sort_values(kind="stable").index].reset_index(drop=True)


def _sounds(
    folder: Path, recordings: pd.DataFrame, receipt: pd.DataFrame, decided: post.Decided, steps: dict[str, Any]
) -> Iterator[list[_Part]]:
    """Recordings that were analysed and go on in each other, in pieces that no detection can lie across."""
    heard = receipt[receipt["status"].isin(ANALYSED)]
    files = dict(zip(zip(heard["recording"], heard["channel"], strict=True), heard["scores"], strict=True))
    levels = _levels(decided, steps)
    channels = heard.groupby("recording", sort=False)["channel"].agg(list)
    for chain in _chains(followers(recordings)):
        names = recordings["recording"].iloc[chain].tolist()
        for channel in dict.fromkeys(c for name in names for c in channels.get(name, [])):
            held: list[_Part] = []
            for name in names:
                if (name, channel) not in files:
                    if held:
                        yield held
                    held = []
                    continue
                scores = decided.calibrated(score_files.read(folder / files[name, channel]))
                part = _Part(name, channel, scores)
                if held and _parted(held, part, levels, steps):
                    yield held
                    held = []
                held.append(part)
            if held:
                yield held


def _chains(after: np.ndarray) -> Iterator[list[int]]:
    """Rows of recordings in the order in which they go on in each other; each row is in one chain."""
    for row in np.flatnonzero(~np.isin(np.arange(len(after)), after)).tolist():
        chain = [row]
        while after[chain[-1]] >= 0:
            chain.append(int(after[chain[-1]]))
        yield chain


def _parted(held: list[_Part], part: _Part, levels: dict[str, float], steps: dict[str, Any]) -> bool:
    """Is it so quiet on both sides of the border before `part` that no step of `post.detect` reaches across?"""
    seconds = sum(one.seconds for one in held)
    if seconds >= _MOST_SECONDS:
        return True
    cell = float(np.median(part.scores["offset"] - part.scores["onset"]))
    reach = sum(float(value) for name, value in steps.items() if name.endswith("_seconds"))
    reach += cell * (2 + max(steps.get("of_cells", 1), steps.get("at_least", 1)))
    if min(seconds, part.seconds) < reach:
        return False
    if _loud(part.scores[part.scores["onset"] < reach], levels):
        return False
    for one in reversed(held):
        if _loud(one.scores[one.scores["offset"] > one.seconds - reach], levels):
            return False
        reach -= one.seconds
        if reach <= 0:
            break
    return True


def _levels(decided: post.Decided, steps: dict[str, Any]) -> dict[str, float]:
    """The score of each class below which it is in no detection."""
    return {name: threshold - steps.get("hysteresis", 0.0) for name, threshold in decided.thresholds.items()}


def _loud(scores: pd.DataFrame, levels: dict[str, float]) -> bool:
    """Does any class reach its level? Compared as `post.detect` compares."""
    return any(bool((scores[name] >= np.float32(level)).any()) for name, level in levels.items())


def _borders(parts: Sequence[_Part]) -> np.ndarray:
    return np.concatenate([[0.0], np.cumsum([part.seconds for part in parts])])


def _in_recordings(events: pd.DataFrame, parts: Sequence[_Part]) -> pd.DataFrame:
    """Detections in several recordings as one sound, each given to the recording that holds most of it."""
    channel = parts[0].channel
    events = events.assign(channel=int(channel) if channel.isdigit() else 1, beyond_seconds=0.0)
    if len(parts) == 1:
        return events
    borders = _borders(parts)
    onset, offset = (events[name].to_numpy()[:, None] for name in ("onset", "offset"))
    # Of equal shares the first; what tells them apart must be more than rounding.
    of = tables.overlap_seconds(onset, offset, borders[:-1], borders[1:]).round(6).argmax(axis=1)
    first, last = borders[of], borders[of + 1]
    begin, end = np.maximum(onset[:, 0], first), np.minimum(offset[:, 0], last)
    beyond = (offset - onset)[:, 0] - (end - begin)
    return events.assign(
        recording=[parts[k].recording for k in of],
        onset=(begin - first).round(9),
        offset=(end - first).round(9),
        beyond_seconds=beyond.round(9),
    )
