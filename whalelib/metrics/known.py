"""Where is the truth known? Only there is a detector scored; elsewhere it is neither rewarded nor punished.

In a recording whose annotation is exhaustive all is known but possible calls. In any other recording the truth of a
label is known where one of its events says so: a call that is present, or an absence.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import pandas as pd

from whalelib import tables

# Either all recordings are exhaustively annotated or none, or those of these names are.
Exhaustive = bool | Collection[str]
_TOLERANCE = 1e-9


def known_all_over(recording: pd.Series, exhaustive: Exhaustive) -> np.ndarray:
    """Is each row's recording annotated exhaustively?"""
    if isinstance(exhaustive, bool):
        return np.full(len(recording), exhaustive)
    return recording.isin(list(exhaustive)).to_numpy()


def left_open(truth: pd.DataFrame, detections: pd.DataFrame, exhaustive: Exhaustive = True) -> np.ndarray:
    """Which detections, if they found no call, are still no false alarms.

    Those that touch a possible event of their label; and, where the annotation is not exhaustive, those that lie for
    more than half of their time where nobody said anything about their label.
    """
    possible = tables.covered_seconds(truth[truth["truth"] == "possible"], detections) > _TOLERANCE
    length = (detections["offset"] - detections["onset"]).to_numpy()
    said = tables.covered_seconds(truth[truth["truth"] != "possible"], detections)
    return possible | (~known_all_over(detections["recording"], exhaustive) & (said < length / 2 - _TOLERANCE))


def cell_truth(
    cells: pd.DataFrame,
    truth: pd.DataFrame,
    classes: Sequence[str],
    *,
    exhaustive: Exhaustive = True,
    share: float = 0.5,
) -> np.ndarray:
    """The truth of each cell (recording, onset, offset) and class: 1, 0, or NaN where it is not known.

    A call is in a cell that it covers by at least `share`, or, where that is 0, that it touches. A possible call that
    is touched leaves a cell open; without exhaustive annotation all others do but those that are half absent.
    """
    everywhere = known_all_over(cells["recording"], exhaustive)
    length = (cells["offset"] - cells["onset"]).to_numpy()
    states = np.full((len(cells), len(classes)), np.nan)
    for k, name in enumerate(classes):
        of_class = truth[truth["label"] == name]
        present, possible, absent = (
            tables.covered_seconds(of_class[of_class["truth"] == state], cells, by=["recording"])
            for state in tables.TRUTHS
        )
        states[everywhere | (absent >= length / 2 - _TOLERANCE), k] = 0.0
        states[possible > _TOLERANCE, k] = np.nan
        states[present >= np.maximum(share * length - _TOLERANCE, _TOLERANCE), k] = 1.0
    return states


def recording_truth(
    recordings: Sequence[str], truth: pd.DataFrame, classes: Sequence[str], *, exhaustive: Exhaustive = True
) -> np.ndarray:
    """The truth of each whole recording and class: 1, 0, or NaN where it is not known.

    A call that is present anywhere is in the recording, a possible one leaves it open. Without exhaustive annotation a
    class is known to be missing only where somebody looked for it and said so, and nobody found it.
    """
    names = pd.Series(list(recordings), dtype=object)
    everywhere = known_all_over(names, exhaustive)
    states = np.full((len(names), len(classes)), np.nan)
    for k, label in enumerate(classes):
        of_class = truth[truth["label"] == label]
        present, possible, absent = (
            names.isin(of_class.loc[of_class["truth"] == state, "recording"]).to_numpy() for state in tables.TRUTHS
        )
        states[everywhere | absent, k] = 0.0
        states[possible, k] = np.nan
        states[present, k] = 1.0
    return states


def known_hours(
    analysed: pd.DataFrame, truth: pd.DataFrame, classes: Sequence[str], *, exhaustive: Exhaustive = True
) -> pd.DataFrame:
    """Hours whose truth is known and that were analysed, a row a recording and a column a class.

    `analysed` says what was analysed: a scores table (its cells without a score were not), a table of stretches with
    recording, onset and offset, or the recordings table for all of them.
    """
    if "onset" not in analysed:
        analysed = analysed.assign(onset=0.0, offset=analysed["seconds"])
    hours = pd.DataFrame(0.0, index=pd.Index(analysed["recording"].unique(), name="recording"), columns=list(classes))
    for name in classes:
        cells = analysed[np.isfinite(analysed[name])] if name in analysed else analysed
        spans = _joined(cells)
        of_class = truth[truth["label"] == name]
        sure, hedged = (of_class[of_class["truth"].isin(t)] for t in (("present", "absent"), ("possible",)))
        length = (spans["offset"] - spans["onset"]).to_numpy()
        free = length - tables.covered_seconds(hedged, spans, by=["recording"])
        said = tables.covered_seconds(sure, spans, by=["recording"])
        known = np.where(known_all_over(spans["recording"], exhaustive), free, said)
        hours[name] += pd.Series(known).groupby(spans["recording"].to_numpy()).sum().reindex(hours.index).fillna(0.0)
    return hours / 3600


def _joined(cells: pd.DataFrame) -> pd.DataFrame:
    """The stretches that cells cover together."""
    parts = []
    for recording, rows in cells.reset_index(drop=True).groupby("recording", sort=False, observed=True).indices.items():
        begin, end = tables.union(cells["onset"].to_numpy()[rows], cells["offset"].to_numpy()[rows])
        parts.append(pd.DataFrame({"recording": recording, "onset": begin, "offset": end}))
    return pd.concat(parts, ignore_index=True) if parts else cells[["recording", "onset", "offset"]]
