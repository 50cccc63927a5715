"""A folder of recordings with Raven selection tables anywhere below it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from whalelib import formats, tables
from whalelib.errors import InputError
from whalelib.sources.annotations import NEGATIVE_LABELS, check_possible, settled, without_doubtful
from whalelib.sources.clock import start_from_name
from whalelib.sources.folder import Listing, Pairing, read_table
from whalelib.sources.registry import Survey, register

__all__ = ["VERDICTS", "raven", "start_from_name"]

# What reviewers write beside a detector's selections: call, noise, undefined; or the truth itself.
VERDICTS = {"c": "present", "n": "absent", "u": "possible", **{truth: truth for truth in tables.TRUTHS}}


@register(
    needs="sound files and selection tables (*.txt), anywhere below the folder; label_column",
    origin="your own work in Raven; for example doi.org/10.1038/s41598-020-78995-8",
)
def raven(
    folder: Path | str,
    label_column: str = "Annotation",
    default_label: str = "",
    negative_labels: Sequence[str] = NEGATIVE_LABELS,
    zone: str = "UTC",
    possible: str = "keep",
    exhaustive: bool = False,
    verdict_column: str = "",
    verdicts: Mapping[str, str] = VERDICTS,
    absent_tables: Sequence[str] = (),
) -> Survey:
    """Recordings and Raven selection tables in one folder, one table a recording or one over many.

    A table belongs to the recordings its rows name, or else to the one its own name begins with; several tables may
    speak of one recording. A reviewer's word in `verdict_column` is a row's truth, as `verdicts` says (a number there
    is a detector's score); a row without one is a call, except in tables whose name holds one of `absent_tables`, where
    it is the absence of one. A recording that no table speaks of is left out, and said to be: whether it is empty or
    was never looked at, the folder does not tell. A table without rows is a table: its recording was looked at and held
    nothing. If the annotation is exhaustive, a recording with a row that cannot be read is left out, too.
    """
    check_possible(possible)
    listing = Listing(folder, "recordings and selection tables")
    found = listing.ending(".txt")
    if not found:
        raise InputError(f"{folder} holds no Raven selection table (*.txt): annotations are needed to train.")
    recordings = listing.recordings(zone)
    pairing, problems = Pairing(listing, recordings), listing.problems
    reads, spoken_of, faulty, doubtful = [], set[str](), set[str](), set[str]()
    reviewed: dict[str, Any] = {"verdict_column": verdict_column, "verdicts": dict(verdicts)} if verdict_column else {}
    for path in found:
        own = None
        absent = any(word.lower() in Path(path).name.lower() for word in absent_tables)
        try:
            own = pairing.of(path)
            reader = partial(
                formats.read_raven,
                recordings=pairing.near(path),
                label_column=label_column,
                default_label=default_label or None,
                recording=own,
                default_truth="absent" if absent else "present",
                **reviewed,
            )
            read = read_table(path, reader)
        except InputError as error:
            problems.append(str(error))
            doubtful |= {own} if own else set()
            continue
        problems += read.problems
        doubtful |= {own or "", *read.events["recording"]} if read.lost is None else read.lost
        reads.append(read.events)
        spoken_of |= set(read.events["recording"])
        if read.events.empty and own:
            (faulty if read.problems else spoken_of).add(own)
        elif read.events.empty and not read.problems:
            problems.append(f"{path} has no rows and the name of no recording: name it after the one it is about.")
    left_out = ~recordings["recording"].isin(spoken_of)
    for row in recordings[left_out].itertuples():
        if row.recording in faulty:
            problems.append(f"{row.path} has no row that can be used and was left out: mend those of its table.")
        else:
            mend = "annotate it, or add a table without rows"
            problems.append(f"{row.path} has no selection table and was left out: {mend}.")
    recordings = recordings[~left_out].reset_index(drop=True)
    if recordings.empty or not reads:
        return Survey(recordings, tables.empty(tables.EVENTS), exhaustive, problems)
    events = pd.concat(reads, ignore_index=True)
    if exhaustive:
        recordings, events, doubts = without_doubtful(folder, recordings, events, doubtful)
        problems += doubts
    events, changed = settled(
        events, recordings, possible=possible, negative_labels=negative_labels, exhaustive=exhaustive
    )
    return Survey(recordings, events, exhaustive, problems + changed)
