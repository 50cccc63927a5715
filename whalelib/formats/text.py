"""What the formats share: rows of text, numbers, events out of rows, and files replaced in one step."""

from __future__ import annotations

import contextlib
import csv
import os
import re
import uuid
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from whalelib import tables
from whalelib.errors import InputError
from whalelib.formats.naming import UNWRITABLE, FilePath

# Headers are compared in lower case without blanks and punctuation: "Begin Time (s)" is "begintimes".
SECONDS = "(s|sec|secs|seconds)?"
SHARED_COLUMNS = {
    "low": "(low|min)(freq|frequency)(hz)?",
    "high": "(high|max)(freq|frequency)(hz)?",
    "low_khz": "(low|min)(freq|frequency)khz",
    "high_khz": "(high|max)(freq|frequency)khz",
    "channel": "channel|chan",
    "score": "score",
    "file": "beginfile",
}

NUMBER = re.compile(r"[+-]?(\d{1,20}(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
_TOO_LARGE = 10**15  # beyond it neither seconds nor Hz make sense, and floats lose the microseconds


class Read(NamedTuple):
    """What a file holds: its events, one sentence for each row left out, and the recordings that those rows are about.

    `lost` is None where there is no telling.
    """

    events: pd.DataFrame
    problems: list[str]
    lost: frozenset[str] | None = frozenset()


class Fault(Exception):
    """A row that cannot become an event: what is wrong with it, how to mend it, and the recordings it is about, or None
    where there is no telling."""

    def __init__(self, says: str, mend: str, about: Iterable[str] | None = None) -> None:
        super().__init__(says, mend)
        self.about = about


def read_rows(
    path: FilePath, split: Callable[[str], list[str]], roles: dict[str, str], named: Mapping[str, str | None]
) -> tuple[dict[str, str], list[tuple[int, dict[str, str]]]]:
    """The columns of a text table, role to header, and its rows: line number, and role to cell.

    `roles` gives the pattern of a column's name, `named` the names of the columns that the caller chooses.
    """
    lines = [(number, [cell.strip() for cell in split(line)]) for number, line in numbered_lines(text_of(path))]
    (_, header), *body = lines
    index = {}
    for role, pattern in roles.items():
        matches = [at for at, name in enumerate(header) if re.fullmatch(pattern, compact(name))]
        if matches:
            index[role] = matches[0]
    for role, wanted in named.items():
        same = [at for at, name in enumerate(header) if wanted is not None and name == wanted.strip()]
        alike = [at for at, name in enumerate(header) if name and wanted and compact(name) == compact(wanted)]
        if same or alike:
            index[role] = (same or alike)[0]
    rows = []
    for number, cells in body:
        padded = cells + [""] * (len(header) - len(cells))
        row = {role: padded[at] for role, at in index.items()}
        if any(cells[len(header) :]):
            row["surplus"] = "yes"
        if len(cells) < len(header):
            row["short"] = "yes"  # editors cut empty cells off the end of a line, so not every format minds
        rows.append((number, row))
    shown = ", ".join(repr(name[:40]) for name in header[:20]) + (", ..." if len(header) > 20 else "")
    return {**{role: header[at] for role, at in index.items()}, "all": shown}, rows


def bytes_of(path: FilePath) -> bytes:
    try:
        return Path(path).read_bytes()
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path} cannot be read ({getattr(error, 'strerror', None) or error}): check the path."
        ) from None


def decoded(data: bytes, path: FilePath) -> str:
    """The text of a table; what holds zero bytes is none."""
    if b"\0" in data:
        raise InputError(f"{path} is not a text file: export the table as UTF-8 text.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")  # what older Windows tools write


def text_of(path: FilePath, may_be_empty: bool = False) -> str:
    text = decoded(bytes_of(path), path)
    if not text.strip() and not may_be_empty:
        raise InputError(f"{path} is empty: export the table again, at least with its header.")
    return text


def numbered_lines(text: str) -> list[tuple[int, str]]:
    """The lines that are not blank, with their numbers."""
    return [(number, line) for number, line in enumerate(re.split("\r\n|\n|\r", text), 1) if line.strip()]


def split_csv(line: str) -> list[str]:
    """The cells of one line: a row is always one line, so that a stray quotation mark cannot swallow those below."""
    try:
        return next(csv.reader([line]))
    except csv.Error:  # a cell of more than 128 KiB
        return [line]


def compact(name: str) -> str:
    """A name without case, blanks and punctuation, for comparing."""
    return re.sub(r"[\W_]+", "", name.lower())


def require_columns(
    path: FilePath, columns: dict[str, str], kind: str, needed: dict[str, str], instead: dict[str, str]
) -> None:
    for role, name in needed.items():
        if role not in columns and instead.get(role) not in columns:
            raise InputError(f"{path} is not a {kind}, it lacks the column {name!r}: its columns are {columns['all']}.")


def require_label(path: FilePath, columns: dict[str, str], label_column: str, default: str | None) -> None:
    if "label" not in columns and not default:
        raise InputError(
            f"{path} lacks the label column {label_column!r}: name one of its columns by label_column, they are "
            f"{columns['all']}, or give a default_label."
        )


def gather(
    path: FilePath, rows: Iterable[tuple[int, dict[str, str]]], events_of: Callable[[dict[str, str]], list[dict]]
) -> Read:
    """The events of all rows, and a sentence for each row that cannot be an event."""
    found, lines, problems = [], [], {}
    lost, telling = set[str](), True
    for line, cells in rows:
        try:
            if "surplus" in cells:
                raise Fault("has more cells than the header", "remove the separator that is too many")
            new = events_of(cells)
        except Fault as fault:
            problems[line] = fault.args
            lost.update(fault.about or ())
            telling &= fault.about is not None
            continue
        found += new
        lines += [line] * len(new)
    events = tables.check_events(tables.empty(tables.EVENTS)) if not found else tables.events(found)
    for at_fault, says, mend in tables.event_faults(events):
        for row in np.flatnonzero(at_fault.to_numpy()):
            problems.setdefault(lines[row], (says, mend))
            lost.add(events["recording"].iloc[row])
    kept = [line not in problems for line in lines]
    sentences = [f"{path}, line {line}, {says}: {mend}." for line, (says, mend) in sorted(problems.items())]
    events = events[np.array(kept, dtype=bool)].reset_index(drop=True)
    return Read(events, sentences, frozenset(lost) if telling else None)


def shared_fields(cells: dict[str, str], default_label: str | None, label_column: str) -> dict:
    """The parts of an event that every format gives in the same way."""
    label = cells.get("label", "") or default_label
    if not label:
        raise Fault("has no label", f"fill in its {label_column!r} or give a default_label")
    channel = real(cells, "channel")
    if not (np.isnan(channel) or (channel.is_integer() and 0 <= channel < 1e9)):
        raise Fault(f"has the channel {cells['channel']!r}", "channels are numbered 1, 2, 3")
    return {
        "low_hz": real(cells, "low_khz") * 1000 if "low_khz" in cells else real(cells, "low"),
        "high_hz": real(cells, "high_khz") * 1000 if "high_khz" in cells else real(cells, "high"),
        "label": label,
        "score": real(cells, "score"),
        "channel": 1 if np.isnan(channel) else int(channel),
    }


def exact(cells: dict[str, str], role: str) -> Decimal:
    """A number as it stands in the file: floats would lose digits of long times."""
    if NUMBER.fullmatch(cells[role]) and abs(number := Decimal(cells[role])) < _TOO_LARGE:
        return number
    raise Fault(f"has the {role.replace('_', ' ')} {cells[role][:40]!r}, which is no number", "write it like 12.345")


def real(cells: dict[str, str], role: str) -> float:
    """An optional number: NaN where there is no such column, or nothing in it."""
    if cells.get(role, "").lower() in ("", "na", "nan"):
        return float("nan")
    return float(exact(cells, role))


def writable(path: FilePath, events: pd.DataFrame, recordings: pd.DataFrame | None) -> pd.DataFrame:
    """Checked events in order of recording and onset, with labels that survive a text table."""
    events = tables.check_events(events, recordings if len(events) else None)
    events["label"] = events["label"].str.strip()
    for label in events["label"].unique():
        if not label or UNWRITABLE.search(label):
            raise InputError(
                f"{path} cannot hold the label {label!r}: labels have no tab or line break and are not empty."
            )
    for name in ("low_hz", "high_hz", "score"):
        refuse(path, events, events[name].abs() >= _TOO_LARGE, f"whose {name} is no sensible number", "correct it")
    ids = events["recording"].unique() if recordings is None else recordings["recording"]
    place = {name: at for at, name in enumerate(ids)}
    order = np.lexsort([events["onset"], events["recording"].map(place)])
    return events.iloc[order].reset_index(drop=True)


def of_recording(events: pd.DataFrame, recordings: pd.DataFrame, column: str) -> pd.Series:
    """A column of the recordings table, for each event."""
    return recordings.set_index("recording")[column].reindex(events["recording"]).reset_index(drop=True)


def scores(events: pd.DataFrame) -> list[str]:
    """The score of each event as it is written, empty where it has none."""
    return ["" if np.isnan(score) else repr(float(score)) for score in events["score"]]


def score_column(events: pd.DataFrame) -> dict[str, list[str]]:
    """A column of scores, if any event has one."""
    return {"Score": scores(events)} if events["score"].notna().any() else {}


def truth_column(events: pd.DataFrame) -> dict[str, list[str]]:
    """A column of truths, if any event is not simply present."""
    return {"Truth": list(events["truth"])} if (events["truth"] != "present").any() else {}


def nanoseconds(seconds: pd.Series) -> np.ndarray:
    """Whole nanoseconds: sums of them are exact."""
    return np.rint(seconds.to_numpy(dtype=np.float64) * 1e9).astype(np.int64)


def plain_seconds(seconds: float) -> str:
    """Seconds with as many decimals as it takes to read them back exactly, and never an exponent."""
    return np.format_float_positional(seconds, min_digits=6)


def plain_hz(hz: float) -> str:
    """A frequency with three decimals like Raven's, or with as many as it takes to read it back exactly."""
    return np.format_float_positional(hz, min_digits=3) if np.isfinite(hz) else ""


def refuse_short(path: FilePath, events: pd.DataFrame, begin: np.ndarray, end: np.ndarray, least: str) -> None:
    """Refuse events that would have no duration once their times are rounded to the format's precision."""
    refuse(path, events, pd.Series(end <= begin), f"shorter than {least}", "leave it out")


def refuse(path: FilePath, events: pd.DataFrame, at_fault: pd.Series, says: str, mend: str) -> None:
    """Refuse to write events for which the format has no place."""
    rows = np.flatnonzero(at_fault.to_numpy())
    if len(rows):
        event = events.iloc[rows[0]]
        raise InputError(
            f"{path} cannot hold the event at {event['onset']} s of recording {event['recording']!r}, {says}: {mend}."
        )


def replace_file(path: FilePath, content: str | bytes) -> None:
    """Write a file in one step: whoever reads it sees the old file or the new one, never half of it."""
    path = Path(path)
    part = path.parent / f".{uuid.uuid4().hex}.part"
    try:
        part.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
        os.replace(part, path)
    except (OSError, ValueError) as error:
        with contextlib.suppress(OSError, ValueError):
            part.unlink()
        says = getattr(error, "strerror", None) or error
        raise InputError(f"{path} cannot be written ({says}): check that its folder exists.") from None
