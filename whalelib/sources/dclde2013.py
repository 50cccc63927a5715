"""The DCLDE 2013 set: a week of one channel off Stellwagen Bank in March 2009, with logs of right whale up-calls."""

from __future__ import annotations

import dataclasses
import re
from datetime import datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np
import pandas as pd

from whalelib import formats, tables
from whalelib.errors import InputError
from whalelib.sources.annotations import check_possible, settled
from whalelib.sources.clock import zone_of
from whalelib.sources.folder import Listing, read_table
from whalelib.sources.noaa_log import dated, read_log
from whalelib.sources.registry import Survey, register

LOGS = ("upcalls", "baleen", "both")
RECORDINGS = 672
CELL_SECONDS = 3.0
SAME_CALL_IOU = 0.5  # two analysts' boxes around one call share more than this, neighbouring calls next to nothing

_SOUND = re.compile(r"NOPP6_EST_\d{8}_\d{6}(_CH\d+)?", re.IGNORECASE)
_OFFSET = re.compile(r"T\d\d:?\d\d(?::?\d\d(?:\.\d+)?)?(Z|[+-]\d\d(?::?\d\d)?)(?=[\s,\"]|$)", re.MULTILINE)


@register(
    needs="source-audio/NOPP6_EST_*.wav and detections/*.csv",
    origin="gs://noaa-passive-bioacoustic/dclde/2013/nefsc_sbnms_200903_nopp6_ch10",
)
def dclde2013(
    folder: Path | str,
    zone: str = "UTC-5",
    log_zone: str = "",
    logs: str = "upcalls",
    possible: str = "keep",
) -> Survey:
    """The DCLDE 2013 right whale set as NOAA publishes it: source-audio/*.wav and detections/*.csv.

    `zone` is that of the times in file names (they say EST, which is UTC-5 all year), and of times in a log that state
    no offset from UTC, unless `log_zone` names another. `logs` are the "upcalls" log, the all-"baleen" update, or
    "both"; then a call that both hold is taken from the first. Analysts went through all of it, so an empty stretch is
    noise as far as the chosen log goes. A recording's group is its day in `zone`.
    """
    check_possible(possible)
    if logs not in LOGS:
        raise InputError(f"logs cannot be {logs!r}: it is one of {', '.join(LOGS)}.")
    listing = Listing(folder, "DCLDE 2013, which holds source-audio and detections")
    chosen = _chosen_logs(listing, logs)
    recordings = _recordings(listing, zone)
    if recordings.empty:
        return Survey(recordings, tables.empty(tables.EVENTS), True, listing.problems)
    events = tables.empty(tables.EVENTS)
    for log in chosen:
        listing.problems += _zone_warning(log, zone)
        read = read_log(log, recordings, log_zone or zone)
        listing.problems += read.problems
        more = read.events
        known = tables.match(events, more, SAME_CALL_IOU) >= 0
        if known.any():
            listing.problems.append(
                f"{log} repeats {int(known.sum()):,} call(s) of the other log, which are taken from there: choose "
                "one log by logs if that is not wanted."
            )
        events = pd.concat([events, more[~known]], ignore_index=True)
    kept, unusual = settled(events, recordings)
    survey = Survey(recordings, kept, True)
    if logs == "upcalls" and len(recordings) == RECORDINGS and (counts := cell_counts(survey)) != PUBLISHED:
        unusual.append(
            f"{chosen[0]} gives {counts.cells:,} cells, {counts.certain:,} without the possible calls, where others "
            f"found {PUBLISHED.cells:,} and {PUBLISHED.certain:,} in the same log: check zone, and that it is whole."
        )
    events, _ = settled(events, recordings, possible=possible, exhaustive=True)
    return dataclasses.replace(survey, events=events, problems=listing.problems + unusual)


def _recordings(listing: Listing, zone: str) -> pd.DataFrame:
    sounds = []
    for path in listing.ending(".wav", ".flac", ".aif", ".aiff"):
        if _SOUND.fullmatch(PurePosixPath(path).stem):
            sounds.append(path)
        else:
            listing.problems.append(
                f"{path} is no recording of DCLDE 2013 and was left out: those are named like "
                "NOPP6_EST_20090328_000000_CH10.wav."
            )
    recordings = dated(listing, listing.recordings(zone, sounds))
    twice = recordings["start"].duplicated()
    for path in recordings.loc[twice, "path"]:
        listing.problems.append(
            f"{path} is a second copy of its quarter of an hour and was left out: remove one of them."
        )
    return recordings[~twice].reset_index(drop=True)


def _chosen_logs(listing: Listing, logs: str) -> list[str]:
    """The logs asked for, the up-calls first; of several of a kind the one that says it is an update."""
    chosen = []
    for kind, word in (("upcalls", "upcall"), ("baleen", "baleen")):
        if logs not in (kind, "both"):
            continue
        named = [p for p in listing.ending(".csv") if word in re.sub(r"[\W_]", "", PurePosixPath(p).name.lower())]
        current = [p for p in named if not re.search("depr[ie]cated", PurePosixPath(p).name.lower())]
        if not current:
            raise InputError(
                f"{listing.folder} holds no log of the kind {kind!r} (detections/*{word}*.csv): fetch it, or choose "
                "another by logs."
            )
        best = max(current, key=lambda p: "updat" in PurePosixPath(p).name.lower())
        chosen.append(best)
        for other in named:
            if other != best:
                listing.problems.append(
                    f"{other} is left out, because {PurePosixPath(best).name} replaces it: remove it."
                )
    return chosen


def _zone_warning(log: str, zone: str) -> list[str]:
    """A sentence if the times of a log state another offset from UTC than those of the file names are given."""
    stated = set[str]()

    def look(local: Path) -> formats.Read:
        stated.update(_OFFSET.findall(local.read_text(encoding="utf-8", errors="replace")))
        return formats.Read(tables.empty(tables.EVENTS), [])

    try:
        read_table(log, look)
    except OSError:  # reading it in earnest says so
        return []
    other = sorted(text for text in stated if _offset("UTC" if text == "Z" else text) != _offset(zone))
    if not other:
        return []
    return [
        f"{log} states times at {other[0]} from UTC, while the file names are read in {zone!r}: look at a few calls, "
        "and if they are not where the log says, set zone to that of the log."
    ]


def _offset(zone: str) -> timedelta:
    """How far a zone was from UTC when the set was recorded, at the end of March 2009."""
    return datetime(2009, 3, 31, tzinfo=zone_of(zone)).utcoffset() or timedelta()


class CellCounts(NamedTuple):
    """Three-second cells: those that no call touches, and one for each call of either kind."""

    none: int
    detected: int
    possible: int

    @property
    def cells(self) -> int:
        return self.none + self.detected + self.possible

    @property
    def certain(self) -> int:
        """The cells that are left when those of possible calls are dropped."""
        return self.none + self.detected


PUBLISHED = CellCounts(none=188_588, detected=5_905, possible=2_351)  # of the up-calls log, with `possible` kept


def cell_counts(survey: Survey) -> CellCounts:
    """The cells of a survey, counted as one public reading of the set counts them.

    Each call has one cell of three seconds, beginning at its onset in whole seconds, later by half its duration less
    one second if it is long. Of the cells that tile a recording those that overlap no call's cell hold none. A call
    that goes on in the next recording is one call, with the cell of its beginning.
    """
    calls = _whole_calls(survey)
    onset = np.floor(calls["onset"].to_numpy())
    begin = onset + np.maximum(np.floor((calls["offset"] - calls["onset"]).to_numpy() / 2) - 1, 0)
    none = 0
    for recording, seconds in zip(survey.recordings["recording"], survey.recordings["seconds"], strict=True):
        tiles = np.arange(0, round(seconds), CELL_SECONDS)
        here = begin[(calls["recording"] == recording).to_numpy()]
        none += int((np.abs(tiles[:, None] - here) >= CELL_SECONDS).all(axis=1).sum())
    truth = calls["truth"]
    return CellCounts(none, int((truth == "present").sum()), int((truth == "possible").sum()))


def _whole_calls(survey: Survey) -> pd.DataFrame:
    """The calls that are present or possible; one that was split where its recording ends is whole again."""
    events = survey.events[survey.events["truth"] != "absent"]
    about = survey.recordings.set_index("recording")
    start = events["recording"].map(about["start"])
    begin, end = (start + pd.to_timedelta(events[name], unit="s") for name in ("onset", "offset"))
    events = events.assign(begin=begin, end=end).sort_values("begin", ignore_index=True)
    at_border = events["offset"] >= events["recording"].map(about["seconds"]) - 1e-6
    border = pd.Timedelta(tables.BORDER_TOLERANCE, unit="s")
    follows = np.zeros(len(events), dtype=bool)
    for row in np.flatnonzero(events["onset"] == 0):
        piece = events.loc[row]
        before = at_border & ((events["end"] - piece["begin"]).abs() <= border)
        same = (events[["label", "truth", "channel"]] == piece[["label", "truth", "channel"]]).all(axis=1)
        for first in np.flatnonzero(before & same)[:1]:
            follows[row] = True
            events.loc[first, "offset"] += piece["offset"]
    return events[~follows].reset_index(drop=True)
