"""NOAA detection logs: events at absolute times, placed in the recordings that ran then."""

from __future__ import annotations

import csv
import io
import re
from datetime import datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from dateutil.parser import isoparse

from whalelib import tables
from whalelib.errors import InputError
from whalelib.formats.naming import FilePath, recordings_by_name
from whalelib.formats.text import (
    SHARED_COLUMNS,
    Fault,
    Read,
    compact,
    gather,
    nanoseconds,
    of_recording,
    plain_hz,
    read_rows,
    refuse_short,
    replace_file,
    require_columns,
    require_label,
    score_column,
    shared_fields,
    split_csv,
    writable,
)

NOAA_COLUMNS = {
    **SHARED_COLUMNS,
    "begin": "(start|begin)datetime(iso8601)?",
    "end": "(end|stop)datetime(iso8601)?",
    "recording": "recording",
    "confidence": "detectionconfidence",
}
CONFIDENCES = {"present": "Detected", "possible": "Possibly_Detected", "absent": "Not_Detected"}

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_BORDER = round(tables.BORDER_TOLERANCE * 1e9)


def read_noaa_log(
    path: FilePath,
    recordings: pd.DataFrame,
    *,
    zone: str = "UTC",
    label_column: str = "Species",
    default_label: str | None = None,
) -> Read:
    """The events of a NOAA detection log, placed in the recordings that ran at their times.

    A time that states no offset from UTC is in `zone` (an IANA name, or an offset such as "UTC-5" or "-05:00"). A
    column Recording or Begin_File says which recording is meant; without one, exactly one recording must have run when
    the event began. An event that goes on in the next recording is split at the border; one that goes on when nothing
    was recorded is left out. Recordings without a start are passed over.
    """
    here, recordings = _zone(zone), tables.check_recordings(recordings)
    columns, rows = read_rows(path, split_csv, NOAA_COLUMNS, {"label": label_column})
    needed = {"begin": "Start_DateTime_ISO8601", "end": "End_DateTime_ISO8601"}
    require_columns(path, columns, "NOAA detection log", needed, {})
    timeline, known = _Timeline(recordings), recordings_by_name(recordings)
    if rows:
        require_label(path, columns, label_column, default_label)
        if not len(timeline.ids):
            raise InputError(f"{path} gives absolute times but no recording has a start: fill in the column 'start'.")
    words = {compact(word): truth for truth, word in CONFIDENCES.items()}

    def events_of(cells: dict[str, str]) -> list[dict]:
        begin, end = _instant(cells, "begin", here), _instant(cells, "end", here)
        if end <= begin:
            raise Fault("does not end after it begins", "check its start and end times")
        confidence = cells.get("confidence", "Detected")
        if compact(confidence) not in words:
            says = f"has the unknown Detection_Confidence {confidence!r}"
            raise Fault(says, f"use one of {', '.join(CONFIDENCES.values())}")
        event = {**shared_fields(cells, default_label, label_column), "truth": words[compact(confidence)]}
        name = cells.get("recording") or cells.get("file")
        row = timeline.named(known.get(name, name), begin) if name else timeline.only_one_at(begin, end)
        return [{**event, **piece} for piece in timeline.pieces(row, begin, end)]

    return gather(path, rows, events_of)


def write_noaa_log(path: FilePath, events: pd.DataFrame, recordings: pd.DataFrame, *, zone: str = "UTC") -> None:
    """Write events as a NOAA detection log, in order of recording and onset.

    The times are those of `zone` and state their offset from UTC, so that a reader needs no zone. A column Recording is
    written when recordings overlap in time, a column Score when an event has one; an absent event is "Not_Detected".
    """
    here, recordings = _zone(zone), tables.check_recordings(recordings)
    events = writable(path, events, recordings)
    starts = of_recording(events, recordings, "start")
    if starts.isna().any():
        name = events["recording"][starts.isna()].iloc[0]
        raise InputError(f"{path} needs absolute times but recording {name!r} has no start: fill in its 'start'.")
    start = starts.astype("int64").to_numpy()
    begin, end = ((start + nanoseconds(events[name]) + 500) // 1000 for name in ("onset", "offset"))
    begin = np.maximum(begin, -(-start // 1000))  # rounding must not carry an event out of its recording
    refuse_short(path, events, begin, end, "a microsecond")
    columns = {
        "Selection": range(1, len(events) + 1),
        "Channel": events["channel"],
        "Start_DateTime_ISO8601": [_local_time(time, here) for time in begin],
        "End_DateTime_ISO8601": [_local_time(time, here) for time in end],
        "Low.Freq..Hz.": [plain_hz(hz) for hz in events["low_hz"]],
        "High.Freq..Hz.": [plain_hz(hz) for hz in events["high_hz"]],
        "Species": events["label"],
        "Detection_Confidence": events["truth"].map(CONFIDENCES),
        **score_column(events),
    }
    if _Timeline(recordings).overlap:
        columns["Recording"] = events["recording"]
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([list(columns), *zip(*columns.values(), strict=True)])
    replace_file(path, text.getvalue())


class _Timeline:
    """Which recordings run at an instant. Instants are whole nanoseconds since 1970, UTC, so borders are exact."""

    def __init__(self, recordings: pd.DataFrame) -> None:
        dated = recordings[recordings["start"].notna()].sort_values("start", kind="stable")
        self.ids = list(dated["recording"])
        self.start = dated["start"].astype("int64").to_numpy()
        self.stop = self.start + nanoseconds(dated["seconds"])
        self.longest = int((self.stop - self.start).max()) if self.ids else 0
        self.overlap = bool((self.start[1:] < np.maximum.accumulate(self.stop)[:-1]).any())

    def at(self, instant: int, slack: int = 0) -> np.ndarray:
        """The rows of the recordings that run at an instant, or stopped less than `slack` before it."""
        first = np.searchsorted(self.start, instant - self.longest - slack, side="left")
        last = np.searchsorted(self.start, instant, side="right")
        return np.arange(first, last)[self.stop[first:last] + slack > instant]

    def only_one_at(self, instant: int, end: int) -> int:
        """The recording that runs at an instant; of a call that begins at none, those that run before it ends."""
        rows = self.at(instant)
        if not len(rows):
            rows = self.at(instant, _BORDER)
        if not len(rows):
            about = [self.ids[row] for row in np.flatnonzero((self.start < end) & (self.stop > instant))]
            raise Fault("begins when no recording runs", "check the time zone and the recordings' starts", about)
        if len(rows) > 1:
            about = [self.ids[row] for row in rows]
            names = " and ".join(map(repr, about[:2]))
            mend = "add a column Recording that says which"
            raise Fault(f"begins while several recordings run, such as {names}", mend, about)
        return int(rows[0])

    def named(self, name: str, instant: int) -> int:
        if name not in self.ids:
            mend = "add the audio file, with its start, or remove the row"
            raise Fault(f"names the missing recording {name!r}", mend, about=())
        row = self.ids.index(name)
        if not self.start[row] <= instant < self.stop[row] + _BORDER:
            mend = "check the time zone and the recording's start"
            raise Fault(f"begins outside its recording {name!r}", mend, [name])
        return row

    def pieces(self, row: int, begin: int, end: int) -> list[dict]:
        """Where an event that begins in the recording `row` lies: one piece for each recording it runs through."""
        pieces: list[dict] = []
        while end > self.stop[row] + _BORDER:
            border = int(self.stop[row])
            if begin < border:
                pieces.append(self._piece(row, begin, border))
            row = self._next(row, [*(piece["recording"] for piece in pieces), self.ids[row]])
            begin = max(border, int(self.start[row]))
        return [*pieces, self._piece(row, begin, end)]

    def _piece(self, row: int, begin: int, end: int) -> dict:
        start = int(self.start[row])
        return {"recording": self.ids[row], "onset": (begin - start) / 1e9, "offset": (end - start) / 1e9}

    def _next(self, row: int, so_far: list[str]) -> int:
        """The recording that goes on where `row` ends; `so_far` are those the call ran through, which lose it else."""
        border = int(self.stop[row])
        rows = self.at(border + _BORDER)
        if len(rows) > 1:
            rows = rows[np.abs(self.start[rows] - border) <= _BORDER]
            if len(rows) != 1:
                says = f"goes on after its recording {self.ids[row]!r}, where several recordings run"
                raise Fault(says, "split it by hand where its recording ends")
        if not len(rows):
            says = f"ends after its recording {self.ids[row]!r}, where none follows"
            raise Fault(says, "check the time zone and the recording's start", so_far)
        return int(rows[0])


def _instant(cells: dict[str, str], role: str, here: tzinfo) -> int:
    """An ISO 8601 time as nanoseconds since 1970, UTC."""
    try:
        time = isoparse(cells[role])  # datetime.fromisoformat knows little of ISO 8601 before Python 3.11
    except ValueError:
        says = f"has the {role} {cells[role][:40]!r}, which is no time"
        raise Fault(says, "write it like 2009-03-28T00:15:02.5") from None
    if not 1700 <= time.year <= 2200:
        raise Fault(f"has the {role} {cells[role][:40]!r}", "write the year in four digits")
    time = time if time.tzinfo else time.replace(tzinfo=here)
    return (time - _EPOCH) // timedelta(microseconds=1) * 1000


def _local_time(microseconds: int, here: tzinfo) -> str:
    return (_EPOCH + timedelta(microseconds=int(microseconds))).astimezone(here).isoformat(timespec="microseconds")


def _zone(name: str) -> tzinfo:
    """A time zone by its IANA name or by its offset from UTC."""
    offset = re.fullmatch(r"(?:UTC|GMT)?\s*([+-])(\d{1,2})(?::?(\d{2}))?", name.strip(), re.ASCII | re.IGNORECASE)
    try:
        if name.strip().upper() in ("UTC", "GMT", "Z"):
            return timezone.utc
        if offset:
            sign, hours, minutes = offset.groups()
            return timezone(int(sign + "1") * timedelta(hours=int(hours), minutes=int(minutes or 0)))
        return ZoneInfo(name.strip())
    except (KeyError, ValueError, OSError):  # zoneinfo meets some unknown names as a folder or an odd path
        raise InputError(
            f"{name!r} is no time zone: give an IANA name such as 'America/New_York' or an offset such as 'UTC-5'."
        ) from None
