"""What a source returns, and the register of sources."""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import itertools
import json
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from whalelib import audio, tables
from whalelib.audio.systems import is_uri, local_path
from whalelib.errors import InputError

# Reading a header is waiting for a disk or a bucket, so several may wait at once: few for a disk, where more get in one
# another's way; not so many for a bucket that a server minds.
PROBES_AT_ONCE, REMOTE_PROBES_AT_ONCE = 4, 16


@dataclass(frozen=True)
class Survey:
    """An annotated data set: its two tables, and what must be known to trust them."""

    recordings: pd.DataFrame
    events: pd.DataFrame
    exhaustive: bool  # does a stretch without an event hold no call? Only then may it serve as noise
    problems: list[str] = field(default_factory=list)  # what was left out, one sentence each
    noise: pd.DataFrame = field(default_factory=lambda: tables.empty(tables.NOISE))  # if known

    @property
    def hours(self) -> float:
        return float(self.recordings["seconds"].sum()) / 3600

    def fingerprint(self) -> str:
        """A hash of the tables, without the folders they lie in, so that a moved data set is the same data set."""
        recordings = self.recordings.assign(path=[Path(p).name for p in self.recordings["path"]])
        text = recordings.to_csv(index=False) + self.events.to_csv(index=False) + json.dumps(self.exhaustive)
        return hashlib.sha256(text.encode()).hexdigest()[:12]


Source = Callable[..., Survey]


@dataclass(frozen=True)
class Entry:
    """What the register knows of a source."""

    load: Source
    needs: str  # what must lie in its folder, and which knobs must be set
    origin: str  # where such data is had

    @property
    def says(self) -> str:
        """What it is: the first line of its description."""
        return (self.load.__doc__ or "").strip().splitlines()[0]


_SOURCES: dict[str, Entry] = {}


def register(*, needs: str, origin: str) -> Callable[[Source], Source]:
    """Make a function `name(folder, ...) -> Survey` known under its own name; its docstring describes it."""

    def known(source: Source) -> Source:
        if source.__name__ in _SOURCES:
            raise ValueError(f"two sources are named {source.__name__!r}")
        _SOURCES[source.__name__] = Entry(source, needs, origin)
        return source

    return known


def names() -> dict[str, Entry]:
    """Every source by its name, in order."""
    return dict(sorted(_SOURCES.items()))


def load(name: str, folder: str | Path, **options: Any) -> Survey:
    """The survey that a source finds in a folder or below a cloud prefix, checked.

    A local folder reaches the source as a `Path`, a cloud prefix as the text it is. Options the source does not have
    are not handed to it.
    """
    if name not in _SOURCES:
        raise InputError(f"there is no source {name!r}: `whalelib sources` lists {', '.join(sorted(_SOURCES))}.")
    place = str(folder).rstrip("/") if is_uri(folder) else Path(local_path(folder)).expanduser()
    source = _SOURCES[name].load
    taken = inspect.signature(source).parameters
    survey = source(place, **{k: v for k, v in options.items() if k in taken})
    if survey.recordings.empty:
        reasons = f" ({survey.problems[0]})" if survey.problems else ""
        raise InputError(f"no recording could be read in {folder}{reasons}: check the folder.")
    where = f"{name} in {folder}"
    return dataclasses.replace(
        survey,
        recordings=tables.check_recordings(survey.recordings, where),
        events=tables.check_events(survey.events, survey.recordings, where=where),
    )


def probe_all(paths: Iterable[str | Path]) -> tuple[list[dict], list[str]]:
    """Recording rows of all files that can be read, and a sentence for each that cannot, or only in part.

    Only headers are read, several files at once; rows and sentences come in the order of the paths.
    """

    def probe(path: str | Path) -> audio.Probe | InputError:
        try:
            return audio.probe(path)
        except InputError as error:
            return error

    rows, problems = [], []
    paths = list(paths)
    threads = REMOTE_PROBES_AT_ONCE if any(map(is_uri, paths)) else PROBES_AT_ONCE
    # A thread that is handed one local header at a time spends longer being handed it than reading it.
    at_once = max(1, min(64, len(paths) // threads))
    parts = [paths[k : k + at_once] for k in range(0, len(paths), at_once)]
    with ThreadPoolExecutor(threads) as pool:
        probed = itertools.chain.from_iterable(pool.map(lambda part: [probe(path) for path in part], parts))
        for path, found in zip(paths, probed, strict=True):
            if isinstance(found, InputError):
                problems.append(str(found))
                continue
            if found.problem:
                problems.append(found.problem)
            rows.append(
                {
                    "recording": os.path.splitext(os.path.basename(path))[0],
                    "path": str(path),
                    "seconds": found.seconds,
                    "sample_rate": found.sample_rate,
                    "channels": found.channels,
                }
            )
    return rows, problems


def keep_sound_events(events: pd.DataFrame, recordings: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """The events that break no rule of the events table, and a sentence for each kind of event left out."""
    problems, wrong = [], pd.Series(False, index=events.index)
    for found, says, mend in tables.event_faults(events, recordings):
        new = found & ~wrong
        if new.any():
            first = events.loc[new].iloc[0]
            more = f" (and {int(new.sum()) - 1} more)" if new.sum() > 1 else ""
            problems.append(
                f"the event {first['label']!r} at {first['onset']:.2f} s of {first['recording']!r}{more} {says} "
                f"and was left out: {mend}."
            )
        wrong |= found
    return events.loc[~wrong].reset_index(drop=True), problems
