"""Is a recording there twice? Equal samples, and sound that is alike although the files differ."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from whalelib.doctor.case import Case
from whalelib.doctor.finding import Finding, finding, many, sentence


def equal_audio(case: Case) -> Iterator[Finding]:
    """Recordings whose samples are equal wherever both were listened to, whatever their files are called."""
    table = case.heard.table
    moving = table[table["swing"] > 0]  # silence equals silence
    length = case.recordings.set_index("recording")["seconds"].round(3)
    key = moving["digest"] + "-" + moving["recording"].map(length).astype(str)
    twice = moving.assign(key=key)[key.duplicated(keep=False)]
    rows = []
    for _, here in twice.groupby("key", sort=False):
        first = here.iloc[0]
        for other in here.iloc[1:].itertuples():
            rows.append((first["recording"], other.recording, first["group"], other.group))
    pairs = pd.DataFrame(rows, columns=["recording", "other", "group", "other_group"])
    labels = case.calls.groupby("recording")["label"].agg(lambda column: ", ".join(sorted(set(column))))
    for column, name in (("recording", "labels"), ("other", "other_labels")):
        pairs[name] = pairs[column].map(labels).astype(object).where(lambda found: found.notna(), "")
    for severity, code, chosen, says in (
        ("error", "equal-audio-across-groups", pairs["group"] != pairs["other_group"], "in different groups"),
        ("warning", "equal-audio", pairs["group"] == pairs["other_group"], "in one group"),
    ):
        found = pairs[chosen]
        if len(found):
            one = found.iloc[0]
            what = (
                f"{many(len(found), 'repetition')} of a recording, equal sample for sample, {says}: "
                f"first {one['recording']!r} and {one['other']!r}."
            )
            then = ", or a detector is tested on what it has learnt" if severity == "error" else ""
            disagree = int((found["labels"] != found["other_labels"]).sum())
            if disagree:
                what = f"{what[:-1]}; {disagree:,} differ in the labels."
            yield finding(severity, code, what, f"keep one of each pair, or put both in one group{then}", found)


def similar_audio(case: Case) -> Iterator[Finding]:
    """Recordings of different groups that hold the same sound: another gain, format, rate, or beginning."""
    digest = case.heard.table.set_index("recording")["digest"]
    pairs = case.copies.pairs
    equal = pairs["recording"].map(digest).eq(pairs["other"].map(digest))  # known already
    found = pairs[~equal].reset_index(drop=True)
    if len(found):
        group = case.recordings.set_index("recording")["group"]
        found.insert(2, "group", found["recording"].map(group))
        found.insert(3, "other_group", found["other"].map(group))
        one = found.iloc[0]
        what = (
            f"{many(len(found), 'pair')} of recordings in different groups hold the same sound, as "
            f"{one['recording']!r} at {one['at']:.1f} s and {one['other']!r} at {one['other_at']:.1f} s"
        )
        mend = "the split joins their groups by itself; elsewhere put them in one group, or what is tested was learnt"
        yield finding("warning", "similar-audio-across-groups", sentence(what), mend, found)
    for note in case.copies.notes:
        yield finding("note", "not-compared", sentence(note), "examine parts of the set where that is not enough")
