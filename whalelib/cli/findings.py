"""What the doctor found, for a terminal: as many of the rows as are asked for, each where it can be read."""

from __future__ import annotations

import dataclasses
import shutil
import textwrap
from collections.abc import Iterable

import pandas as pd

from whalelib import doctor


def told(findings: Iterable[doctor.Finding], most: int) -> str:
    """`doctor.render` with up to `most` rows of each finding; of sentences the lines are broken."""
    findings = list(findings)
    bare = doctor.render(dataclasses.replace(one, rows=pd.DataFrame()) for one in findings)
    *heads, last = bare.split("\n\n") if findings else [bare]
    width = shutil.get_terminal_size((110, 24)).columns
    ordered = sorted(findings, key=lambda one: doctor.SEVERITIES.index(one.severity))
    blocks = ["\n".join([head, *_rows(one, most, width)]) for head, one in zip(heads, ordered, strict=True)]
    hidden = any(_shown(one, most) < one.count for one in findings if not one.rows.empty)
    return "\n\n".join([*blocks, last]) + ("\nMore of each finding's rows: --rows 50." if hidden and most < 50 else "")


def _shown(one: doctor.Finding, most: int) -> int:
    return min(most, len(one.rows))


def _rows(one: doctor.Finding, most: int, width: int) -> list[str]:
    if one.rows.empty or not most:
        return []
    rows = one.rows.head(most).dropna(axis=1, how="all")
    if list(rows.columns) == ["problem"]:
        lines = [
            line
            for sentence in rows["problem"]
            for line in textwrap.wrap(
                str(sentence), max(40, width - 6), initial_indent="- ", subsequent_indent="  ", break_long_words=False
            )
        ]
    else:
        texts = {str(c): _left(rows[c]) for c in rows if not pd.api.types.is_numeric_dtype(rows[c])}
        shown = rows.assign(**texts)
        lines = shown.to_string(index=False, float_format=lambda value: f"{value:.3f}").splitlines()
    more = one.count - len(rows)
    return [f"    | {line}".rstrip() for line in [*lines, *([f"... and {more:,} more"] if more else [])]]


def _left(column: pd.Series) -> list[str]:
    """Texts one under the other by their beginnings, where paths and names differ least."""
    texts = [str(value) for value in column]
    longest = max([len(str(column.name)), *map(len, texts)])
    return [text.ljust(longest) for text in texts]
