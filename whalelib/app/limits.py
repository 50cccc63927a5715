"""What a visitor may hand in: guards that turn anything else into a sentence before it costs memory or time."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from whalelib import audio, tables
from whalelib.errors import InputError

NOTHING = "Provide a recording or a file."
_RATES = (50, 500_000)  # Hz
_MOST_VALUES = 1_000_000  # a second, all channels together: a minute of them is decoded at once
_LONGEST_NAME = 80


@dataclass(frozen=True)
class Limits:
    """How long and how large a recording may be."""

    minutes: float = 60.0
    megabytes: float = 500.0

    def __str__(self) -> str:
        return f"up to {self.minutes:g} minutes and {self.megabytes:g} MB"


def received(path: str | Path | None, limits: Limits) -> tuple[pd.DataFrame, list[str]]:
    """A visitor's file as a recordings table of one row, and sentences about it; whatever cannot be heard is refused.

    The header alone is read, so that a small file that unpacks to hours costs nothing.
    """
    if not path:
        raise InputError(NOTHING)
    path = Path(path)
    shown = clean_name(path.name) + path.suffix.lower()
    try:
        megabytes = os.stat(path).st_size / 1e6
        if megabytes > limits.megabytes:
            raise InputError(f"{shown} has {megabytes:,.0f} MB, and the page takes {limits}: cut it into parts.")
        found = audio.probe(path)
    except OSError:
        raise InputError(f"{shown} did not arrive: hand it in again.") from None
    except InputError as error:
        raise InputError(retold(error, path, shown)) from None
    if found.seconds > limits.minutes * 60:
        raise InputError(
            f"{shown} lasts {lasting(found.seconds)}, and the page takes {limits}: cut it, or scan it from the command "
            "line."
        )
    if not _RATES[0] <= found.sample_rate <= _RATES[1] or found.sample_rate * found.channels > _MOST_VALUES:
        raise InputError(
            f"{shown} says that it has {found.channels:,} channel(s) at {found.sample_rate:,} Hz, which no recording "
            "of whales has: check how it was made."
        )
    row = (clean_name(path.name), str(path), pd.NaT, found.seconds, found.sample_rate, found.channels, "page")
    recording = tables.check_recordings(pd.DataFrame([row], columns=list(tables.RECORDINGS)), "the page")
    notes = [found.problem.replace(str(path), shown)] if found.problem else []
    if found.channels > 1:
        notes.append(f"{shown} has {found.channels} channels, of which one is heard: choose it below the picture.")
    return recording, notes


def clean_name(name: str) -> str:
    """What a recording is called: the stem of its file's name, without a path or anything a file system minds."""
    stem = Path(re.split(r"[/\\]", name)[-1]).stem
    return re.sub(r"[^\w.-]+", "_", stem).strip("._-")[:_LONGEST_NAME] or "recording"


def retold(error: InputError, path: str | Path, shown: str) -> str:
    """A sentence about a file in which a visitor sees its name, not where this machine keeps it."""
    return str(error).replace(str(path), shown)


def lasting(seconds: float) -> str:
    """A duration as it is said."""
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:,.1f} h"
