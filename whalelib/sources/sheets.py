"""Tables of file names and labels as rows of text, and the sound files that their rows mean."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from posixpath import splitext

from whalelib.audio import SOUND_ENDINGS
from whalelib.errors import InputError
from whalelib.formats.text import decoded
from whalelib.sources.folder import Listing, file_name, read_bytes

NAMES_SHOWN = 3


@dataclass
class Sheet:
    """A table of texts: its columns, and its rows as line number and cells."""

    path: str
    columns: list[str]
    rows: list[tuple[int, dict[str, str]]]

    @property
    def name(self) -> str:
        return file_name(self.path)

    def column(self, *names: str) -> str:
        """The first of these columns that is there, whatever its case; empty if none is."""
        known = {name.casefold(): name for name in reversed(self.columns)}
        return next((known[name.casefold()] for name in names if name.casefold() in known), "")

    def needed(self, name: str, knob: str) -> str:
        """A column that was asked for by a knob."""
        return self.column(name) or refuse_column(self.path, name, self.columns, knob)


def refuse_column(where: object, name: str, columns: Iterable[str], knob: str) -> str:
    """Raise the sentence for a column that a knob asks for and that is not there."""
    raise InputError(f"{where} lacks the column {name!r}: set {knob} to one of its columns, {', '.join(columns)}.")


def read_sheet(path: str, problems: list[str], needed: Sequence[str] = ()) -> Sheet:
    """The rows of a csv (comma, semicolon or tab); a row with more cells than the header is named and left out."""
    text = decoded(read_bytes(path), path)
    first = text.lstrip().split("\n", 1)[0]
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=first.count))
    try:
        rows = [(lines.line_num, [_one_line(cell) for cell in cells]) for cells in lines if any(map(str.strip, cells))]
    except csv.Error as error:
        mend = "look for a quotation mark without its partner"
        raise InputError(f"{path}, line {lines.line_num}, cannot be read as csv ({error}): {mend}.") from None
    if not rows:
        raise InputError(f"{path} is empty: export the table again, at least with its header.")
    (_, columns), *body = rows
    for name in needed:
        if name not in columns:
            raise InputError(f"{path} lacks the column {name!r}: its columns are {', '.join(columns)}.")
    left_out = LeftOut(path)
    kept = []
    for line, cells in body:
        if any(cells[len(columns) :]):
            left_out.add("row(s) with more cells than the header", "quote a cell that holds a comma", f"line {line}")
        else:
            padded = cells + [""] * len(columns)
            kept.append((line, dict(zip(columns, padded, strict=False))))
    problems += left_out.sentences()
    return Sheet(path, columns, kept)


def _one_line(cell: str) -> str:
    """A cell without blanks around it; of several lines in quotation marks one is made."""
    return " ".join(cell.split()) if "\n" in cell or "\r" in cell else cell.strip()


class LeftOut:
    """Counts what is left out, by kind, so that a thousand missing files are one sentence and not a thousand."""

    def __init__(self, where: object) -> None:
        self.where = where
        self.kinds: dict[tuple[str, str], list[str]] = {}

    def add(self, what: str, mend: str, name: object) -> None:
        self.kinds.setdefault((what, mend), []).append(str(name))

    def sentences(self) -> list[str]:
        """One sentence a kind, with the first few names."""
        return [
            f"{self.where} has {len(names)} {what} ({some(names)}), left out: {mend}."
            for (what, mend), names in self.kinds.items()
        ]


def some(names: Sequence[str]) -> str:
    """The first few names, and how many more there are."""
    more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
    return ", ".join(names[:NAMES_SHOWN]) + more


class Sounds:
    """Sound files by whatever a table may call them: a path, a file name, or a name without its ending."""

    def __init__(self, listing: Listing, written: Iterable[str] = ()) -> None:
        """`written` are the names that the table uses: two of them may end alike and mean two files."""
        self.by_name: dict[str, list[str]] = {}
        self.by_path: dict[str, str] = {}
        for file in listing.sounds:
            inside = listing.inside(file)
            self.by_path[inside] = file
            name = file_name(inside)
            self.by_name.setdefault(name, []).append(file)
            self.by_name.setdefault(splitext(name)[0], []).append(file)
        ends = Counter(file_name(text) for text in set(map(_slashes, written)))
        self.shared = {name for name, times in ends.items() if times > 1}

    def only(self, written: str, line: str, left_out: LeftOut) -> str:
        """The one file that a row means; if there is not exactly one, the row is left out and nothing comes back."""
        found = self.find(written) if written else []
        if not written:
            left_out.add("row(s) that name no file", "fill the name in or remove the row", line)
        elif not found:
            left_out.add("row(s) without a sound file", "add the file or remove the row", written)
        elif len(found) > 1:
            left_out.add("row(s) whose file is there more than once", "write its path or remove the copies", written)
        return found[0] if len(found) == 1 else ""

    def find(self, written: str) -> list[str]:
        """The files that a name may mean: none, the one, or several if the name is not clear."""
        text = _slashes(written)
        if text in self.by_path:
            return [self.by_path[text]]
        name = file_name(text)
        found = self.by_name.get(name, [])
        if not found and name.lower().endswith(SOUND_ENDINGS):
            found = self.by_name.get(splitext(name)[0], [])  # a converted file keeps its name but for its ending
        exact = [file for file in found if _slashes(file).endswith(f"/{text}")]
        # A folder may have moved, but noise/1.wav is not to be found in whale/1.wav.
        return exact if len(exact) == 1 or name in self.shared else found


def _slashes(written: str) -> str:
    """A path as the table writes it, in the one form in which paths are compared."""
    text = written.strip().replace("\\", "/")
    return (str(PurePosixPath(text)) if "/" in text else text).lstrip("/")
