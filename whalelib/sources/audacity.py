"""A folder of recordings with Audacity label files beside them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pandas as pd

from whalelib import formats, tables
from whalelib.errors import InputError
from whalelib.sources.annotations import NEGATIVE_LABELS, settled, without_doubtful
from whalelib.sources.folder import Listing, Pairing, read_table
from whalelib.sources.registry import Survey, register


@register(
    needs="tape.wav with tape.txt or tape_labels.txt beside it",
    origin="your own label tracks, exported by Audacity",
)
def audacity(
    folder: Path | str,
    default_label: str = "",
    negative_labels: Sequence[str] = NEGATIVE_LABELS,
    zone: str = "UTC",
    exhaustive: bool = False,
) -> Survey:
    """Recordings and the label tracks that Audacity exports: `X.txt`, or `X_labels.txt`, beside `X.wav`.

    A recording without a label file is left out, and said to be. An empty label file is one: its recording was looked
    at and held nothing. If the annotation is exhaustive, a recording with a label that cannot be read is left out, too.
    `zone` is that of the times in file names.
    """
    listing = Listing(folder, "recordings and label files")
    labels = listing.ending(".txt")
    if not labels:
        raise InputError(f"{folder} holds no Audacity label file (*.txt): annotations are needed to train.")
    recordings = listing.recordings(zone)
    pairing, problems = Pairing(listing, recordings), listing.problems
    found, spoken_of, doubtful = [], set[str](), set[str]()
    for path in labels:
        own = None
        try:
            own = pairing.of(path)
            if own is None:
                problems.append(f"{path} has the name of no recording and was left out: name it after its recording.")
                continue
            read = read_table(path, partial(formats.read_audacity, recording=own, default_label=default_label or None))
        except InputError as error:
            problems.append(str(error))
            doubtful |= {own} if own else set()
            continue
        problems += read.problems
        doubtful |= {own} if read.problems else set()
        found.append(read.events)
        if len(read.events) or not read.problems:
            spoken_of.add(own)
    left_out = ~recordings["recording"].isin(spoken_of)
    for path in recordings.loc[left_out, "path"]:
        mend = "annotate it, or add an empty one"
        problems.append(f"{path} has no label file that can be used and was left out: {mend}.")
    recordings = recordings[~left_out].reset_index(drop=True)
    if recordings.empty:
        return Survey(recordings, tables.empty(tables.EVENTS), exhaustive, problems)
    events = pd.concat(found, ignore_index=True)
    if exhaustive:
        recordings, events, doubts = without_doubtful(folder, recordings, events, doubtful)
        problems += doubts
    events, changed = settled(events, recordings, negative_labels=negative_labels, exhaustive=exhaustive)
    return Survey(recordings, events, exhaustive, problems + changed)
