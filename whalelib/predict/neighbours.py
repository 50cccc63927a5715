"""Which recordings go on where another one ends, and the sound beyond a recording's ends."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
import pandas as pd

from whalelib import audio
from whalelib.errors import InputError
from whalelib.sources.clock import without_start
from whalelib.sources.folder import file_name

GAP_SECONDS = 0.1  # recorders cut their files that exactly, and their file names are no more exact than the files


def followers(recordings: pd.DataFrame) -> np.ndarray:
    """For each recording the row of the one that goes on where it ends, or -1.

    The two agree in group, sample rate and channels, their files have one name but for the time in it, and the second
    starts within GAP_SECONDS of the end of the first. Of several the one in the same folder is meant; if that does not
    decide it, there is none, because the sound of another recorder would be worse than none.
    """
    found = np.full(len(recordings), -1, dtype=np.int64)
    if "start" not in recordings or not recordings["start"].notna().any():
        return found
    paths = recordings["path"].astype(str)
    folders = [os.path.dirname(path) for path in paths]
    table = pd.DataFrame({"site": [without_start(file_name(path)) for path in paths]})
    for name in ("group", "sample_rate", "channels", "listen_channel"):
        table[name] = recordings[name].to_numpy() if name in recordings else 0
    table["start"] = pd.to_datetime(recordings["start"].to_numpy(), utc=True).as_unit("ns").asi8 / 1e9
    table["end"] = table["start"] + recordings["seconds"].to_numpy()
    table = table[recordings["start"].notna().to_numpy() & table["end"].notna()]
    for _, same in table.groupby(["site", "group", "sample_rate", "channels", "listen_channel"], sort=False):
        same = same.sort_values("start", kind="stable")
        rows, starts, ends = same.index.to_numpy(), same["start"].to_numpy(), same["end"].to_numpy()
        first = np.searchsorted(starts, ends - GAP_SECONDS, side="left")
        last = np.searchsorted(starts, ends + GAP_SECONDS, side="right")
        later = np.searchsorted(starts, starts, side="right")  # or two shorter than the gap would follow each other
        for row, begin, end in zip(rows.tolist(), np.maximum(first, later), last, strict=True):
            found[row] = _only(rows[begin:end].tolist(), folders, folders[row])
    for row, times in zip(*np.unique(found[found >= 0], return_counts=True), strict=True):
        if times > 1:
            claimants = np.flatnonzero(found == row)
            found[claimants] = -1
            if (kept := _only(claimants.tolist(), folders, folders[row])) >= 0:
                found[kept] = row
    return found


def _only(rows: Sequence[int], folders: Sequence[str], folder: str) -> int:
    """The one row, or the one in this folder; -1 if there is none or it cannot be told."""
    if len(rows) > 1:
        rows = [row for row in rows if folders[row] == folder]
    return rows[0] if len(rows) == 1 else -1


def last_samples(path: str, count: int, rate: int, channel: audio.Channel) -> np.ndarray:
    """The last `count` samples of a recording at this rate, or what there is of them; none if it cannot be read."""
    try:
        seconds = audio.probe(path).seconds
        onset = max(seconds - count / rate, 0.0)
        return audio.read(path, onset, seconds - onset, rate, channel)[-count:] if count else np.empty(0, np.float32)
    except InputError:
        return np.empty(0, dtype=np.float32)


def first_samples(path: str, count: int, rate: int, channel: audio.Channel) -> np.ndarray:
    """The same of its beginning."""
    try:
        return audio.read(path, 0.0, count / rate, rate, channel)[:count] if count else np.empty(0, np.float32)
    except InputError:
        return np.empty(0, dtype=np.float32)
