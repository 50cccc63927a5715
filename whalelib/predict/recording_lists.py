"""A list of recordings to scan, as a table that a user has: all it must have is their paths."""

from __future__ import annotations

import functools
import io
import os
from collections.abc import Callable

import pandas as pd

from whalelib.audio import is_uri
from whalelib.audio.systems import local_path
from whalelib.errors import InputError
from whalelib.sources.folder import read_bytes
from whalelib.sources.sheets import read_sheet

ENDINGS = (".csv", ".parquet")


def read_list(path: str, problems: list[str]) -> pd.DataFrame:
    """The recordings in a table with a column `path`; a path that is not whole begins at the table's folder.

    What else it may have: `recording` (its name), `start` (UTC where it says no zone), `seconds`, `group`, and
    `channel` (the one to be heard, counted from 1).
    """
    table = _parquet(path) if path.lower().endswith(".parquet") else _csv(path, problems)
    if "path" not in table:
        raise InputError(f"{path} lacks the column 'path': its columns are {', '.join(map(str, table.columns))}.")
    kept = pd.DataFrame({"path": [_whole(str(file), path) for file in table["path"]]}, dtype=object)
    if kept.empty:
        raise InputError(f"{path} lists no recording: add their paths.")
    for name in ("recording", "group"):
        if name in table:
            kept[name] = table[name].astype(object).where(table[name].notna() & (table[name] != ""), None)
    for name in ("seconds", "channel"):
        if name in table:
            kept[name] = _converted(path, table, name, pd.to_numeric, "number")
    if "start" in table:
        utc = functools.partial(pd.to_datetime, utc=True, format="ISO8601")
        kept["start"] = _converted(path, table, "start", utc, "time").astype("datetime64[ns, UTC]")
    return kept


def _csv(path: str, problems: list[str]) -> pd.DataFrame:
    """Its cells as texts, an empty one as None."""
    sheet = read_sheet(path if is_uri(path) else os.path.expanduser(local_path(path)), problems)
    table = pd.DataFrame([cells for _, cells in sheet.rows], columns=sheet.columns, dtype=object)
    return table.where(table != "", None)


def _parquet(path: str) -> pd.DataFrame:
    import pyarrow as pa

    content = read_bytes(path if is_uri(path) else os.path.expanduser(local_path(path)))
    try:
        return pd.read_parquet(io.BytesIO(content))
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as Parquet ({str(error).splitlines()[0]}): write it again.") from None


def _whole(file: str, table: str) -> str:
    """A path as the table means it: what is not whole begins where the table lies."""
    if is_uri(file) or os.path.isabs(local_path(file)):
        return local_path(file)
    if is_uri(table):
        return f"{table.rpartition('/')[0]}/{file}"
    return os.path.join(os.path.dirname(os.path.expanduser(local_path(table))), file)


def _converted(
    path: str, table: pd.DataFrame, name: str, convert: Callable[[pd.Series], pd.Series], kind: str
) -> pd.Series:
    try:
        return convert(table[name])
    except (ValueError, TypeError) as error:
        says = str(error).splitlines()[0].rstrip(".")
        raise InputError(f"{path} has a {name} that is no {kind} ({says}): correct it or leave it empty.") from None
