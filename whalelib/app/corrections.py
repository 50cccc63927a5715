"""What a listener says of detections: kept as events, and saved as annotations that the `raven` source reads."""

from __future__ import annotations

import filecmp
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from whalelib import formats, tables
from whalelib.errors import InputError

# What the buttons say, as the truth that annotations know.
VERDICTS = {"call": "present", "noise": "absent", "not sure": "possible"}
_WORDS = {truth: word for word, truth in VERDICTS.items()}
# Two stretches that share so much of their joint time are the same one, found under other knobs.
SAME_IOU = 0.3
_LONGEST_LABEL = 60
_ROW = ["onset", "offset", "label", "truth", "channel"]


def none_yet() -> pd.DataFrame:
    """Corrections before any were made: an events table that also says `of` which label a detection was."""
    return tables.empty({**tables.EVENTS, "of": "str"})


def judged(corrections: pd.DataFrame, detection: Any, verdict: str, label: str = "") -> pd.DataFrame:
    """The corrections with this word on a detection, in place of any earlier word on it.

    A call of another label than the detector gave is two facts: that one is present, and the detector's is absent.
    """
    if verdict not in VERDICTS:
        raise InputError(f"{verdict!r} is no verdict: it is one of {', '.join(VERDICTS)}.")
    label = detection.label if verdict == "noise" else _clean_label(label) or detection.label
    facts = [(label, VERDICTS[verdict])]
    if verdict == "call" and label != detection.label:
        facts.append((detection.label, "absent"))
    place = {
        name: getattr(detection, name) for name in ("recording", "onset", "offset", "low_hz", "high_hz", "channel")
    }
    new = tables.events([{**place, "label": name, "truth": truth} for name, truth in facts])
    new["of"] = detection.label
    kept = corrections[~_same(corrections, detection)]
    together = pd.concat([kept, new], ignore_index=True) if len(kept) else new
    return together.sort_values(["onset", "label"], kind="stable", ignore_index=True)


def verdicts(found: pd.DataFrame, corrections: pd.DataFrame) -> dict[str, list[str]]:
    """For each detection the `verdict` that stands ("" where there is none) and the label it was `said` to be."""
    verdict, said = [], []
    for row in found.itertuples():
        about = corrections[_same(corrections, row)]
        first = about.sort_values("truth", key=lambda truth: truth == "absent").head(1)
        verdict.append(_WORDS[first["truth"].iloc[0]] if len(first) else "")
        said.append(str(first["label"].iloc[0]) if len(first) else row.label)
    return {"verdict": verdict, "said": said}


def reviewed(detections: pd.DataFrame, corrections: pd.DataFrame) -> pd.DataFrame:
    """Detections as they stand after review: without what is noise, with the labels and doubts of the listener."""
    word = verdicts(detections, corrections)
    truth = ["present" if verdict == "" else VERDICTS[verdict] for verdict in word["verdict"]]
    events = tables.events(detections.assign(label=word["said"], truth=truth)[list(tables.EVENTS)])
    return events[events["truth"] != "absent"].reset_index(drop=True)


def earlier(folder: str | Path, recording: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The recording under the name that the folder knows its sound by, and the corrections saved of it there."""
    sound, table = _places(Path(folder), recording)
    recording = recording.assign(recording=sound.stem)
    if not table.exists():
        return recording, none_yet()
    events = formats.read_raven(table, recording.assign(path=str(sound)), recording=sound.stem).events
    # An absence in the very place of a call is what the detector had said there.
    place = ["onset", "offset", "channel"]
    gone = events[events["truth"] == "absent"].set_index(place)["label"]
    gone = gone[~gone.index.duplicated()]
    own = pd.Series(list(events[place].itertuples(index=False, name=None)), index=events.index, dtype=object)
    return recording, events.assign(of=own.map(gone).fillna(events["label"]).astype("str"))


def save(
    folder: str | Path, recording: pd.DataFrame, corrections: pd.DataFrame, known: pd.DataFrame
) -> tuple[Path, pd.DataFrame]:
    """Keep the recording and its corrections in a folder that the `raven` source reads; the table, and all it holds.

    `known` are the corrections that the folder held when they were read: what somebody else saved since stays.
    """
    if corrections.empty:
        raise InputError("There is nothing to save yet: say of some detections what they are.")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    sound, table = _places(folder, recording)
    here, there = earlier(folder, recording)
    others = there[~_keys(there).isin(_keys(known)) & ~_keys(there).isin(_keys(corrections))]
    everything = pd.concat([part for part in (corrections, others) if len(part)], ignore_index=True)
    everything = everything.assign(recording=sound.stem).sort_values(["onset", "label"], ignore_index=True)
    if not sound.exists():  # the sound first: a table without its recording would be a riddle
        part = sound.with_name(f".{sound.name}.{os.getpid()}.part")
        try:
            shutil.copyfile(recording["path"].iloc[0], part)
            part.replace(sound)
        finally:
            part.unlink(missing_ok=True)
    formats.write_raven(table, everything[list(tables.EVENTS)], here.assign(path=str(sound)))
    return table, everything


def _places(folder: Path, recording: pd.DataFrame) -> tuple[Path, Path]:
    """Where a recording and its table lie: under its own name, or with a number where that is another sound's."""
    source, name = Path(recording["path"].iloc[0]), str(recording["recording"].iloc[0])
    number, stem = 1, name
    while True:
        # What is called .txt would be taken for a table.
        sound = folder / f"{stem}{source.suffix.lower().replace('.txt', '.wav')}"
        others = [path for path in folder.glob(f"{_literal(stem)}.*") if path.suffix != ".txt" and path != sound]
        if not others and (not sound.exists() or filecmp.cmp(sound, source, shallow=False)):
            return sound, folder / f"{stem}.selections.txt"
        number, stem = number + 1, f"{name}_{number + 1}"


def _literal(stem: str) -> str:
    """A stem as a pattern that means itself."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in stem)


def _same(corrections: pd.DataFrame, detection: Any) -> np.ndarray:
    """Which corrections speak of this detection."""
    onset, offset = corrections["onset"].to_numpy(dtype=float), corrections["offset"].to_numpy(dtype=float)
    begin, end = np.array([detection.onset]), np.array([detection.offset])
    shared = tables.intersection_over_union(onset, offset, begin, end)
    here = (corrections["of"] == detection.label) & (corrections["channel"] == detection.channel)
    return here.to_numpy(dtype=bool) & (shared >= SAME_IOU)


def _keys(corrections: pd.DataFrame) -> pd.Series:
    rows = corrections[_ROW].round({"onset": 6, "offset": 6}).itertuples(index=False, name=None)
    return pd.Series([tuple(row) for row in rows], index=corrections.index, dtype=object)


def _clean_label(label: str | None) -> str:
    label = " ".join(str(label or "").split())
    if len(label) > _LONGEST_LABEL:
        raise InputError(f"A label has at most {_LONGEST_LABEL} letters: {label[:20]!r}... is longer.")
    if label.lower() in ("noise", "background", "none"):
        raise InputError(f"{label!r} is no label of a call: press Noise instead.")
    return label
