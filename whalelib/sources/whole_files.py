"""Sources whose labels speak of whole files: what a label means, what recordings are called, and both tables."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from posixpath import splitext

import pandas as pd

from whalelib import tables
from whalelib.sources.folder import file_name, in_order, inside
from whalelib.sources.registry import probe_all
from whalelib.sources.sheets import LeftOut, some

LABEL_COLUMN = ""  # the knob's default: whatever column the table is known to have

_DAY = re.compile(r"(?<!\d)(\d{4})([-_]?)(\d{2})\2(\d{2})(?!\d)")
_TRUE, _FALSE = ("1", "1.0", "true"), ("0", "0.0", "false")


def recordings_of(root: str, files: Sequence[str], groups: dict[str, str], problems: list[str]) -> pd.DataFrame:
    """The recordings of these files: group as given, else the day in the file's name, else the file itself.

    None has a start: the time in a clip's name is as often that of the recording it was cut from as its own.
    """
    rows, unread = probe_all(files)
    problems += unread
    names = recording_names(root, [row["path"] for row in rows])
    for row in rows:
        path = row["path"]
        group = groups.get(path) or day_of(file_name(path)) or names[path]
        row.update(recording=names[path], start=pd.NaT, group=group)
    if not rows:
        return tables.empty(tables.RECORDINGS)
    return tables.check_recordings(pd.DataFrame(rows, columns=list(tables.RECORDINGS)), root)


def recording_names(root: str, files: Sequence[str]) -> dict[str, str]:
    """The id of each file: its name without ending; with its folders, then with its ending, where two share that.

    An id becomes a file name (of scores, of selection tables), so folders are joined by two underscores.
    """
    steps: list[Callable[[str], str]] = [
        lambda file: splitext(file_name(file))[0],
        lambda file: splitext(inside(file, root))[0].replace("/", "__"),
        lambda file: inside(file, root).replace("/", "__"),
    ]
    names: dict[str, str] = {}
    for step in steps:
        left = {file: step(file) for file in files if file not in names}
        times, taken = Counter(left.values()), set(names.values())
        names |= {file: name for file, name in left.items() if times[name] == 1 and name not in taken}
    return names | {file: f"{steps[-1](file)}~{k}" for k, file in enumerate(files) if file not in names}


def day_of(name: str) -> str:
    """The day that a file name gives, as in SITE_20090328_120000.wav or 2009-03-28.wav; empty if it gives none."""
    for year, _, month, day in _DAY.findall(name):
        try:
            found = date(int(year), int(month), int(day))
        except ValueError:
            continue
        if 1950 <= found.year <= 2099:  # numbers of eight digits are mostly no days
            return found.isoformat()
    return ""


@dataclass(frozen=True)
class Meaning:
    """What labels mean: a class, or that no call is there. Where all are 0 or 1 (or false, true), a 1 is a call."""

    default_label: str
    negatives: frozenset[str]
    binary: bool

    @classmethod
    def of(cls, labels: Iterable[str], default_label: str, negative_labels: Iterable[str]) -> Meaning:
        given = {label.casefold() for label in labels if label}
        binary = bool(given) and given <= {*_TRUE, *_FALSE}
        return cls(default_label, frozenset(n.casefold() for n in negative_labels), binary)

    def known(self, label: str) -> bool:
        """Is anything known of a file with this label? An empty cell takes the default, unless that names the 1s."""
        return bool(label or (self.default_label and not self.binary))

    def class_of(self, label: str) -> str | None:
        """The class that a label names; None if it says that no call is there."""
        text = label or self.default_label
        if text.casefold() in self.negatives or text in ("0", "0.0") or (self.binary and text.casefold() in _FALSE):
            return None
        return (self.default_label or "call") if self.binary else text


@dataclass
class Clips:
    """Labels of whole files as they are gathered: several a file are several calls in it."""

    labels: dict[str, list[str]] = field(default_factory=dict)
    groups: dict[str, str] = field(default_factory=dict)
    torn: dict[str, None] = field(default_factory=dict)  # files in two groups

    def add(self, path: str, label: str, group: str = "") -> None:
        self.labels.setdefault(path, []).append(label)
        if self.groups.setdefault(path, group) != group:
            self.torn[path] = None


def without_group(where: object, column: str, rows: Sequence[str]) -> list[str]:
    """The sentence for rows whose group is not known: clips of one tape may then stand on both sides of the split."""
    if not rows:
        return []
    says = "each is grouped by its day or by itself, which may leak into the test; fill it in"
    return [f"{where} has {len(rows)} row(s) without a {column!r} ({some(rows)}): {says}."]


def tables_of_clips(
    root: str, clips: Clips, meaning: Meaning, where: object, problems: list[str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Recordings and events of files whose labels speak of their whole length."""
    left_out, classes = LeftOut(where), {}
    for path in in_order(clips.labels):
        labels = clips.labels[path]
        found = dict.fromkeys(map(meaning.class_of, filter(meaning.known, labels)))  # in order, each once
        if not all(map(meaning.known, labels)):
            # The survey is exhaustive: a file of unknown content would pass for noise.
            left_out.add("file(s) without a label", "fill it in or give a default_label", file_name(path))
        elif None in found and len(found) > 1:
            left_out.add("file(s) labelled as a call and as none", "keep one of the two", file_name(path))
        else:
            classes[path] = [label for label in found if label is not None]
    problems += left_out.sentences()
    if clips.torn:
        torn = some([file_name(path) for path in clips.torn])
        problems.append(f"{where} puts {len(clips.torn)} file(s) into two groups ({torn}): the first counts; keep one.")
    given = {label for labels in clips.labels.values() for label in labels if label}
    if "0" in given and not meaning.binary and all(map(str.isdecimal, given)):
        problems.append(f"{where} has numbers beyond 0 and 1 for labels: 0 was taken for no call; better give names.")
    recordings = recordings_of(root, list(classes), clips.groups, problems)
    whole = [
        {"recording": name, "onset": 0.0, "offset": seconds, "label": label}
        for name, path, seconds in zip(recordings["recording"], recordings["path"], recordings["seconds"], strict=True)
        for label in classes[path]
    ]
    return recordings, tables.events(whole)
