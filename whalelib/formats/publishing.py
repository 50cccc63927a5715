"""Detections written as whatever their readers open, by one call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd

from whalelib.errors import InputError
from whalelib.formats.audacity import write_audacity
from whalelib.formats.naming import FilePath
from whalelib.formats.noaa import write_noaa_log
from whalelib.formats.plain import write_csv, write_parquet
from whalelib.formats.raven import write_raven

_KINDS: dict[str, tuple[Callable[..., None], str]] = {
    "raven": (write_raven, "selections.txt"),
    "raven_all": (write_raven, "selections.txt"),
    "audacity": (write_audacity, "labels.txt"),
    "csv": (write_csv, "csv"),
    "parquet": (write_parquet, "parquet"),
    "noaa": (write_noaa_log, "noaa.csv"),
}
ONE_A_RECORDING = ("raven", "audacity")


def check_kinds(kinds: Sequence[str]) -> None:
    """Raise for a kind that there is not."""
    unknown = [kind for kind in kinds if kind not in _KINDS]
    if unknown:
        raise InputError(f"detections cannot be written as {unknown[0]!r}: it is one of {', '.join(_KINDS)}.")


def table_of(folder: FilePath, kind: str, recording: str) -> Path:
    """Where the table of a recording lies, of a kind that has one for each."""
    return Path(folder) / kind / f"{recording}.{_KINDS[kind][1]}"


def clear_others(folder: FilePath, written: Sequence[Path]) -> None:
    """Remove every table of detections that `write_detections` can have made in this folder and has not made now."""
    for kind, (_, ending) in _KINDS.items():
        alone = kind in ONE_A_RECORDING
        for path in Path(folder, kind).glob(f"*.{ending}") if alone else [Path(folder, f"detections.{ending}")]:
            if path not in written:
                path.unlink(missing_ok=True)


def write_detections(
    folder: FilePath,
    events: pd.DataFrame,
    recordings: pd.DataFrame,
    kinds: Sequence[str] = ("raven", "raven_all", "csv"),
) -> list[Path]:
    """Write the detections of these recordings into `folder`; the paths that were written.

    | kind | what is written |
    |---|---|
    | `raven` | `raven/RECORDING.selections.txt`, a table a recording |
    | `raven_all` | `detections.selections.txt`, one table over all, to be opened over all files at once |
    | `audacity` | `audacity/RECORDING.labels.txt`, a label track a recording |
    | `csv`, `parquet` | `detections.csv`, `detections.parquet` |
    | `noaa` | `detections.noaa.csv`, a detection log; every recording needs a start |

    A recording without a detection gets its empty table, so give only recordings that were analysed: a missing table
    then says that nobody listened.
    """
    check_kinds(kinds)
    outside = events.loc[~events["recording"].isin(recordings["recording"]), "recording"]
    if len(outside):
        raise InputError(f"there are detections in {outside.iloc[0]!r}, which is not among the recordings: add it.")
    folder = Path(folder)
    written: list[Path] = []
    rows = events.reset_index(drop=True).groupby("recording", sort=False).indices
    own = recordings.set_index("recording")
    for kind in dict.fromkeys(kinds):
        write, ending = _KINDS[kind]
        if kind in ONE_A_RECORDING:
            (folder / kind).mkdir(parents=True, exist_ok=True)
            for name in recordings["recording"]:
                path = table_of(folder, kind, name)
                write(path, events.iloc[rows[name]] if name in rows else events.iloc[:0], own.loc[[name]].reset_index())
                written.append(path)
        else:
            folder.mkdir(parents=True, exist_ok=True)
            written.append(folder / f"detections.{ending}")
            write(written[-1], events, recordings)
    return written
