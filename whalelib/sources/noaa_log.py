"""A folder of recordings whose names carry their start, and NOAA detection logs of absolute times."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path, PurePosixPath

import pandas as pd

from whalelib import formats, tables
from whalelib.errors import InputError
from whalelib.sources.annotations import NEGATIVE_LABELS, check_possible, condensed, settled, without_doubtful
from whalelib.sources.folder import Listing, read_table
from whalelib.sources.registry import Survey, register

SPECIES = "Species"


@register(
    needs="recordings with their start in their names, logs (*.csv) of absolute times; zone",
    origin="your own, or NOAA's archive, gs://noaa-passive-bioacoustic",
)
def noaa_log(
    folder: Path | str,
    label_column: str = SPECIES,
    default_label: str = "",
    negative_labels: Sequence[str] = NEGATIVE_LABELS,
    zone: str = "UTC",
    log_zone: str = "",
    possible: str = "keep",
    exhaustive: bool = False,
) -> Survey:
    """Recordings with their start in their names, and NOAA detection logs (*.csv) of absolute times.

    `zone` is that of the times in file names. A time in a log that does not state its offset from UTC is one of
    `log_zone`, or of `zone` where that is empty. A log speaks of the recordings of the folder it lies in, or of the
    nearest folder above that holds any. Labels are those of `label_column`, or of Species where a log has no such
    column. If the annotation is exhaustive, recordings of which no log that can be read speaks, or a row that cannot be
    read, are left out.
    """
    check_possible(possible)
    listing = Listing(folder, "recordings and detection logs")
    logs = listing.ending(".csv")
    if not logs:
        raise InputError(f"{folder} holds no NOAA detection log (*.csv): annotations are needed to train.")
    recordings = dated(listing, listing.recordings(zone))
    if recordings.empty:
        return Survey(recordings, tables.empty(tables.EVENTS), exhaustive, listing.problems)
    found, unread, spoken_of, doubtful = [], [], set[str](), set[str]()
    for log in logs:
        near = recordings_of_log(listing, recordings, log)
        try:
            read = read_log(log, near, log_zone or zone, label_column, default_label)
        except InputError as error:
            unread.append(str(error))
            continue
        listing.problems += read.problems
        found.append(read.events)
        spoken_of |= set(near["recording"])
        doubtful |= set(near["recording"]) if read.lost is None else read.lost
    if not found:  # else, if the annotation is exhaustive, all of the recordings would pass for noise
        raise InputError(f"{folder} holds no NOAA detection log that can be read: {unread[0]}")
    events, problems = pd.concat(found, ignore_index=True), listing.problems + unread
    if exhaustive:
        left_out = ~recordings["recording"].isin(spoken_of)
        for path in recordings.loc[left_out, "path"]:
            mend = "annotate it, or mend its log"
            problems.append(f"{path} has no detection log that can be read and was left out: {mend}.")
        recordings, events, doubts = without_doubtful(folder, recordings[~left_out], events, doubtful)
        problems += doubts
    events, changed = settled(
        events, recordings, possible=possible, negative_labels=negative_labels, exhaustive=exhaustive
    )
    return Survey(recordings, events, exhaustive, problems + changed)


def read_log(
    log: str, recordings: pd.DataFrame, zone: str, label_column: str = SPECIES, default_label: str = ""
) -> formats.Read:
    """The events of one log; rows with the same fault are one sentence."""

    def read_by(column: str) -> formats.Read:
        reader = partial(formats.read_noaa_log, recordings=recordings, zone=zone, label_column=column)
        return read_table(log, partial(reader, default_label=default_label or None))

    try:
        read = read_by(label_column)
        if default_label and label_column != SPECIES and (read.events["label"] == default_label).all():
            read = read_by(SPECIES)  # the column asked for is not there, or empty
    except InputError as error:
        if label_column == SPECIES:
            raise
        try:
            read = read_by(SPECIES)
        except InputError:
            raise error from None
    return read._replace(problems=condensed(read.problems))


def dated(listing: Listing, recordings: pd.DataFrame) -> pd.DataFrame:
    """The recordings that have a start; the others, in which no event can be placed, are left out and named."""
    undated = recordings["start"].isna()
    for path in recordings.loc[undated, "path"]:
        listing.problems.append(
            f"{path} has no start time in its name and was left out: name it like SITE_20090328_001500.wav."
        )
    return recordings[~undated].reset_index(drop=True)


def recordings_of_log(listing: Listing, recordings: pd.DataFrame, log: str) -> pd.DataFrame:
    """The recordings in the folder of a log or below it, or else below the nearest folder above it that holds any."""
    places = [listing.relative(path) for path in recordings["path"]]
    for above in listing.relative(log).parents:
        below = [above == PurePosixPath(".") or above in place.parents for place in places]
        if any(below):
            return recordings[below].reset_index(drop=True)
    return recordings
