"""What the sources do with annotations before they become a survey: negatives, copies, hedged calls, channels."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

import numpy as np
import pandas as pd

from whalelib import tables
from whalelib.errors import InputError
from whalelib.sources.registry import keep_sound_events
from whalelib.sources.sheets import LeftOut

NEGATIVE_LABELS = ["noise", "background", "none"]
POSSIBLE = ("keep", "drop", "present")


def check_possible(possible: str) -> None:
    """Refuse a choice for hedged calls that does not exist, before anything is read."""
    if possible not in POSSIBLE:
        raise InputError(f"possible cannot be {possible!r}: it is one of {', '.join(POSSIBLE)}.")


def settled(
    events: pd.DataFrame,
    recordings: pd.DataFrame,
    *,
    possible: str = "keep",
    negative_labels: Sequence[str] = NEGATIVE_LABELS,
    exhaustive: bool = False,
) -> tuple[pd.DataFrame, list[str]]:
    """The events as a survey holds them, and a sentence for all that was left out or changed on the way.

    In an exhaustive survey a dropped call stays as a possible one: without any event its stretch would pass for noise.
    """
    events = on_channels_there_are(events, recordings)
    events, cut = cut_at_the_end(events, recordings)
    events, wrong = keep_sound_events(events, recordings)
    events, alone = negatives_as_absent(events, negative_labels)
    events, copies = without_copies(events)
    if possible == "drop" and not exhaustive:
        events = events[events["truth"] != "possible"]
    elif possible == "present":
        events = events.assign(truth=events["truth"].replace("possible", "present"))
    return tables.check_events(events.reset_index(drop=True)), cut + wrong + alone + copies


def without_doubtful(
    where: object, recordings: pd.DataFrame, events: pd.DataFrame, doubtful: Collection[str]
) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
    """The tables of an exhaustive survey without the recordings that lost annotations, and a sentence about them.

    To the recordings in doubt come those that have events which cannot be kept.
    """
    here = events[events["recording"].isin(recordings["recording"])]
    here, _ = cut_at_the_end(here, recordings)
    _, wrong = keep_sound_events(here, recordings)
    faulty = [here.loc[found, "recording"] for found, _, _ in tables.event_faults(here, recordings)]
    doubtful = set(doubtful).union(*faulty)
    doubt = recordings["recording"].isin(doubtful)
    left_out = LeftOut(where)
    for name in recordings.loc[doubt, "recording"]:
        mend = "mend them, for what they mark would pass for noise in an exhaustive survey"
        left_out.add("recording(s) with annotations that cannot be used", mend, name)
    certain = recordings[~doubt].reset_index(drop=True)
    return certain, events[~events["recording"].isin(doubtful)].reset_index(drop=True), wrong + left_out.sentences()


def negatives_as_absent(events: pd.DataFrame, negative_labels: Sequence[str]) -> tuple[pd.DataFrame, list[str]]:
    """A stretch labelled as noise becomes the absence of each call that the survey knows, in that stretch."""
    words = {word.strip().lower() for word in negative_labels}
    negative = events["label"].str.strip().str.lower().isin(words) & (events["truth"] == "present")
    if not negative.any():
        return events, []
    calls = sorted(set(events.loc[~negative, "label"]))
    if not calls:
        first = events.loc[negative, "label"].iloc[0]
        more = f"the {int(negative.sum())} stretches labelled {first!r} and the like are left out, because no call is"
        return events[~negative].reset_index(drop=True), [f"{more} labelled that could be absent: label some calls."]
    absent = [events[negative].assign(label=call, truth="absent") for call in calls]
    return pd.concat([events[~negative], *absent], ignore_index=True), []


def without_copies(events: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Each event once (to the millisecond); one that is called present and absent is possible. Both are said."""
    key = events[["recording", "onset", "offset", "label", "low_hz", "high_hz", "channel"]].round(3)
    again = key.duplicated()
    if not again.any():
        return events, []
    number = key.groupby(list(key.columns), dropna=False, sort=False).ngroup()
    differ = events.groupby(number)["truth"].transform("nunique") > 1
    problems = []
    for rows, says, mend in (
        (again & ~differ, "stands more than once and is taken once", "remove the copies"),
        (again & differ, "stands more than once with different truths and is taken for possible", "settle it"),
    ):
        if rows.any():
            problems.append(f"{_first_of(events, rows)} {says}: {mend}.")
    events = events.assign(truth=events["truth"].where(~differ, "possible"))
    return events[~again].reset_index(drop=True), problems


def on_channels_there_are(events: pd.DataFrame, recordings: pd.DataFrame) -> pd.DataFrame:
    """Events of a file with one channel are on it: a log counts the channels of the array the file was cut from."""
    channels = events["recording"].map(recordings.set_index("recording")["channels"])
    return events.assign(channel=np.where(channels == 1, 1, events["channel"]))


def cut_at_the_end(events: pd.DataFrame, recordings: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Events that lie mostly inside their recording end with it: a detector's last window may run past the end."""
    seconds = events["recording"].map(recordings.set_index("recording")["seconds"]).astype("float64")
    late = (events["offset"] > seconds + tables.BORDER_TOLERANCE) & (events["onset"] + events["offset"] < 2 * seconds)
    if not late.any():
        return events, []
    says = "runs past the end of its recording and was cut there: check that its table is about this recording."
    return events.assign(offset=events["offset"].where(~late, seconds)), [f"{_first_of(events, late)} {says}"]


def _first_of(events: pd.DataFrame, rows: pd.Series) -> str:
    """The first of these events, and how many more there are."""
    first = events.loc[rows].iloc[0]
    more = f" (and {int(rows.sum()) - 1:,} more)" if rows.sum() > 1 else ""
    return f"the event {first['label']!r} at {first['onset']:.2f} s of {first['recording']!r}{more}"


def condensed(problems: list[str]) -> list[str]:
    """One sentence for all lines of a file that have the same fault: the first of them, and how many more there are."""
    kinds: dict[tuple[str, str], list[str]] = {}
    for sentence in problems:
        parts = re.fullmatch(r"(.*, line )(\d+)(, .*)", sentence, flags=re.DOTALL)
        before, line, after = parts.groups() if parts else (sentence, "", "")
        kinds.setdefault((before, after), []).append(line)
    return [
        before + lines[0] + (f" (and {len(lines) - 1:,} more)" if len(lines) > 1 else "") + after
        for (before, after), lines in kinds.items()
    ]
