"""One visit: a recording, its scores, and what they become under the knobs of the moment. No second scan is needed."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from whalelib import post, tables
from whalelib.app.corrections import earlier, none_yet, verdicts
from whalelib.app.knobs import Knobs, expit, logit
from whalelib.app.listening import Ear, Scribe

# So far below its threshold (in log-odds) a score is a near miss: worth a listener's word, and shown as such.
NEAR = 1.5


@dataclass(frozen=True)
class Visit:
    """What the page knows of one visitor's recording."""

    recording: pd.DataFrame
    scores: pd.DataFrame
    notes: tuple[str, ...] = ()
    calls: pd.DataFrame | None = None  # what a transcriber has written; a detector's are made of its scores
    channel: int = 1
    found: pd.DataFrame = field(default_factory=lambda: tables.empty(tables.EVENTS))
    corrections: pd.DataFrame = field(default_factory=none_yet)
    saved: pd.DataFrame = field(default_factory=none_yet)  # what the folder of corrections held of it
    chosen: str = ""  # the key of the detection that is being listened to
    token: str = field(default_factory=lambda: uuid.uuid4().hex)  # tells one visit from another

    @property
    def name(self) -> str:
        return str(self.recording["recording"].iloc[0])

    @property
    def path(self) -> str:
        return str(self.recording["path"].iloc[0])

    @property
    def seconds(self) -> float:
        return float(self.recording["seconds"].iloc[0])

    @property
    def channels(self) -> int:
        return int(self.recording["channels"].iloc[0])

    @property
    def detections(self) -> pd.DataFrame:
        """What reaches its threshold."""
        return self.found[~self.found["near"]] if "near" in self.found else self.found

    def detection(self, key: str) -> Any | None:
        """The row with this key, if it is still there."""
        rows = self.found[self.found["key"] == key] if "key" in self.found else self.found
        return next(rows.itertuples(), None)


def hear(
    ear: Ear | Scribe,
    recording: pd.DataFrame,
    notes: Sequence[str],
    told: Callable[[float], None] = lambda share: None,
    channel: int = 1,
) -> Visit:
    """Listen to a recording; `told` hears which share of it is done."""
    scores, calls = ear.listen(recording.iloc[0], channel, told)
    unheard = scores[ear.classes].isna().any(axis=1)
    lost = 0.0 if ear.writes else float((scores["offset"] - scores["onset"])[unheard].sum())
    if lost:
        notes = [*notes, f"{lost:.2f} s hold samples that are no numbers and were not analysed."]
    return Visit(recording, scores, tuple(notes), calls=calls, channel=channel)


def resumed(visit: Visit, folder: str | Path) -> Visit:
    """The visit with what the folder of corrections holds of its recording already."""
    recording, known = earlier(folder, visit.recording)
    scores = visit.scores.assign(recording=recording["recording"].iloc[0])
    notes = (*visit.notes, f"{len(known)} earlier annotation(s) of it are shown.") if len(known) else visit.notes
    return replace(visit, recording=recording, scores=scores, notes=notes, corrections=known, saved=known)


def detected(visit: Visit, knobs: Knobs, bands: pd.DataFrame | None = None) -> Visit:
    """The visit with its detections under these knobs, near misses among them (column `near`).

    `doubt` is how far a score lies from its threshold in log-odds, and `key` names a row whatever else is in the table.
    """
    low = {name: expit(logit(at) - NEAR) for name, at in knobs.thresholds.items()}
    sure, more = (_found(visit, at, knobs.steps, bands) for at in (knobs.thresholds, low))
    if visit.calls is None:  # two stretches of one score are one call; calls that were written may overlap
        more = more[tables.covered_seconds(sure, more) == 0]
    else:
        more = more[more["score"] < more["label"].map(dict(knobs.thresholds)).astype(float)]
    found = pd.concat([sure.assign(near=False), more.assign(near=True)], ignore_index=True)
    found = found.sort_values(["onset", "label"], kind="stable", ignore_index=True).assign(channel=visit.channel)
    at = found["label"].map(dict(knobs.thresholds)).to_numpy(dtype=float)
    found["doubt"] = np.abs(logit(found["score"].to_numpy(dtype=float)) - logit(at))
    numbers = {name: k for k, name in enumerate(knobs.thresholds)}
    found["key"] = [
        f"{numbers[row.label]}-{round(row.onset * 1000)}-{round(row.offset * 1000)}" for row in found.itertuples()
    ]
    return replace(visit, found=found)


def _found(
    visit: Visit, thresholds: Mapping[str, float], steps: Mapping[str, Any], bands: pd.DataFrame | None
) -> pd.DataFrame:
    if visit.calls is None:
        return post.detect(visit.scores, thresholds, bands=bands, **steps)
    at = visit.calls["label"].map(dict(thresholds)).astype(float)
    return visit.calls[visit.calls["score"] >= at].assign(recording=visit.name).reset_index(drop=True)


def listed(visit: Visit, by_doubt: bool = False) -> pd.DataFrame:
    """The detections in the order in which they are looked through, with the `verdict` and `said` label of each.

    By time, or by doubt: what was not judged yet comes first, and of that what is most uncertain, near misses too.
    """
    table = visit.found if by_doubt else visit.detections
    table = table.assign(**verdicts(table, visit.corrections))
    if by_doubt:
        table = table.assign(judged=table["verdict"] != "").sort_values(["judged", "doubt"], kind="stable")
    return table.reset_index(drop=True)


def following(visit: Visit, key: str, by_doubt: bool) -> str:
    """The detection to listen to after this one was judged; the same again where nothing is left to judge."""
    table = listed(visit, by_doubt)
    open_ = table[(table["verdict"] == "") & (table["key"] != key)]
    if not by_doubt and (mine := table.index[table["key"] == key]).size:
        open_ = pd.concat([open_[open_.index > mine[0]], open_[open_.index < mine[0]]])
    return str(open_["key"].iloc[0]) if len(open_) else key


def at_time(visit: Visit, seconds: float, hz: float | None = None) -> str:
    """The key of the detection at this moment; of several the one whose band holds `hz`, or else the shortest."""
    here = visit.detections
    here = here[(here["onset"] <= seconds) & (here["offset"] >= seconds)] if len(here) else here
    if here.empty:
        return ""
    outside = (here["low_hz"] > hz) | (here["high_hz"] < hz) if hz is not None else here["onset"] < 0
    order = here.assign(outside=outside, length=here["offset"] - here["onset"]).sort_values(["outside", "length"])
    return str(order["key"].iloc[0])
