"""Markdown as the log needs it: tables, links, and text that stays text."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A table, a line a row. A bar inside a cell would begin another cell."""
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    return [*lines, *(f"| {' | '.join(_inside(cell) for cell in row)} |" for row in rows)]


def _inside(cell: str) -> str:
    return words(cell).replace("|", "\\|")


def words(text: str) -> str:
    """On one line, and no markup of its own but stars and links: what a failure says may hold anything."""
    return " ".join(text.split())


def plainly(text: str) -> str:
    """Text that others wrote, such as an error's: shown as it is."""
    escaped = words(text)
    for mark in ("\\", "`", "*", "[", "]", "<", "#"):
        escaped = escaped.replace(mark, f"\\{mark}")
    return escaped


def link(text: str, target: Path, start: Path) -> str:
    """A link to a file, relative to the folder of the file that it stands in."""
    return f"[{text}](<{relative(target, start)}>)"


def relative(target: Path, start: Path) -> str:
    return Path(os.path.relpath(target, start)).as_posix()
