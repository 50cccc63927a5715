"""What a scan is pointed at: files, folders, patterns and tables, here or elsewhere, as one recordings table."""

from __future__ import annotations

import glob
import hashlib
import os
import re
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import pandas as pd

from whalelib import audio, tables
from whalelib.audio import SOUND_ENDINGS, is_uri
from whalelib.audio.systems import local_path
from whalelib.audio.trouble import shown
from whalelib.errors import InputError
from whalelib.predict.recording_lists import ENDINGS as TABLE_ENDINGS
from whalelib.predict.recording_lists import read_list
from whalelib.predict.score_files import LONGEST_NAME
from whalelib.sources.clock import start_from_name, without_start, zone_of
from whalelib.sources.folder import file_name, inside
from whalelib.sources.registry import probe_all

_PATTERN_BEGINS = re.compile(r"[*?[]")
_NUMBER = re.compile(r"\d+")
_UNNAMEABLE = re.compile("[/\\\\\x00-\x1f\x7f\ud800-\udfff]")


class Inputs(NamedTuple):
    """The recordings, and a sentence for each folder that could not be entered.

    A recording that cannot be read is a row, too, with no length and no rate; scanning it gives its reason.
    """

    recordings: pd.DataFrame
    problems: list[str]


def inputs(paths: Iterable[str], zone: str = "UTC", channel: int = 1) -> Inputs:
    """The recordings that these words name; each must name at least one.

    | word | what it names |
    |---|---|
    | a sound file | itself |
    | a folder, or a prefix such as s3://bucket/tapes | all sound files below it |
    | a pattern such as tapes/**/*_CH1.wav | what fits it; `*` also fits in s3://, gs:// and https:// |
    | a .csv or .parquet | the recordings in its column `path` (see `read_list`) |

    A recording is called after where it lies below the folder that was named, with "__" between the parts, so it keeps
    its name when others are added. It starts when its file's name says, in `zone`. Its group is its recorder: the
    folder but for numbers, and the file's name but for the time.
    """
    zone_of(zone)
    problems: list[str] = []
    found: dict[str, str] = {}  # each file, and from where on its path is its name
    listed = []
    for word in paths:
        if word.lower().endswith(TABLE_ENDINGS):
            listed.append(read_list(word, problems))
            continue
        root, files = _named(word, problems)
        if not files:
            raise InputError(f"{shown(word)} holds no sound file ({', '.join(SOUND_ENDINGS)}): check its name.")
        for file in files:
            found.setdefault(file if is_uri(file) else os.path.normpath(local_path(file)), root)
    for table in listed:
        listed_there = set(table["path"])
        found = {file: root for file, root in found.items() if file not in listed_there}
    listed.append(pd.DataFrame({"path": list(found), "recording": _names(found)}, dtype=object))
    table = pd.concat(listed, ignore_index=True)
    if table.empty:
        raise InputError("there is no recording to scan: name files, folders, patterns or a table of recordings.")
    return Inputs(_probed(table, zone, channel), problems)


def _named(word: str, problems: list[str]) -> tuple[str, list[str]]:
    """The sound files that a word names, and from where on their paths tell them apart."""
    if is_uri(word):
        if "*" in word:  # (a question mark may also be a part of an address)
            return _fitting(word, problems)
        return _below(word, problems) if not _is_sound(word.partition("?")[0]) else (word.rpartition("/")[0], [word])
    path = os.path.expanduser(local_path(word))
    if os.path.isdir(path):
        return _below(path, problems)
    if os.path.lexists(path):
        return os.path.dirname(path), [path]
    matches = sorted(glob.glob(path, recursive=True))
    if not matches:
        raise InputError(f"{word} is not there: check its name, letter for letter.")
    files = [file for match in matches for file in (_below(match, problems)[1] if os.path.isdir(match) else [match])]
    # What a pattern finds besides is not meant; a file that is named by hand is, whatever it is called.
    return _before_pattern(path, os.sep), [file for file in files if _is_sound(file)]


def _below(folder: str, problems: list[str]) -> tuple[str, list[str]]:
    """All sound files below a folder. An empty one that is called like a sound file was meant to be one."""
    below = audio.list_files(folder)
    problems += below.problems
    return folder, below.files or ([folder] if _is_sound(folder) else [])


def _fitting(pattern: str, problems: list[str]) -> tuple[str, list[str]]:
    """All sound files elsewhere that fit a pattern, or lie below a folder that does."""
    from fsspec.utils import glob_translate

    root, files = _below(_before_pattern(pattern, "/"), problems)
    try:
        fits = re.compile(f"{glob_translate(pattern)}|{glob_translate(pattern.rstrip('/') + '/**')}")
    except ValueError:
        raise InputError(f"{shown(pattern)} is no pattern: write ** only alone, as in tapes/**/*.wav.") from None
    return root, [file for file in files if fits.match(file)]


def _before_pattern(pattern: str, separator: str) -> str:
    """The folder that a pattern begins with."""
    begins = _PATTERN_BEGINS.search(pattern)
    return pattern[: begins.start() if begins else None].rpartition(separator)[0]


def _is_sound(path: str) -> bool:
    return path.lower().endswith(SOUND_ENDINGS)


def _names(found: dict[str, str]) -> list[str]:
    """A name for each file: where it lies, from its root on; of files that would share one, from where they differ."""
    files = list(found)
    parts = [_parts(inside(file, root)) for file, root in found.items()]
    names = ["__".join(part) for part in parts]
    for alike in pd.Series(names, dtype=object).groupby(names, sort=False).indices.values():
        if len(alike) > 1:
            whole = [_parts(inside(files[k], "")) for k in alike]
            shared = next((k for k, level in enumerate(zip(*whole, strict=False)) if len(set(level)) > 1), 0)
            for k, part in zip(alike, whole, strict=True):
                names[k] = "__".join(part[shared:]) if whole.count(part) == 1 else names[k] + _ending(files[k])
    names = [_nameable(name) for name in names]
    times = Counter(names)
    return [name if times[name] == 1 else f"{name}_{_digest(file)}" for name, file in zip(names, files, strict=True)]


def _parts(path: str) -> list[str]:
    return (path[: -len(end)] if (end := _ending(path)) else path).split("/")


def _ending(path: str) -> str:
    return os.path.splitext(path)[1]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:12]


def _nameable(name: str) -> str:
    """The name as a file of scores can bear it."""
    name = _UNNAMEABLE.sub("_", name)
    if len(name.encode()) <= LONGEST_NAME - 13:
        return name
    return f"{_digest(name)}_{name.encode()[-(LONGEST_NAME - 26) :].decode(errors='ignore')}"


def _probed(table: pd.DataFrame, zone: str, channel: int) -> pd.DataFrame:
    """The recordings table of these, with what their headers and names say; what a list said of them counts more."""
    rows, _ = probe_all(table["path"])  # (why one cannot be read is found again when it is scanned)
    headers = pd.DataFrame(rows, columns=["path", "seconds", "sample_rate", "channels"])
    headers = headers.drop_duplicates("path").set_index("path")
    probed = headers.reindex(table["path"]).reset_index(drop=True)
    names = [os.path.splitext(file_name(path))[0] for path in table["path"]]
    starts = pd.Series([start_from_name(name, zone) for name in names], dtype="datetime64[ns, UTC]")
    folders = [_NUMBER.sub("#", os.path.dirname(path)) for path in table["path"]]  # a folder a day is one recorder's
    sites = [f"{folder}/{without_start(name)}" for folder, name in zip(folders, names, strict=True)]
    known = {
        name: table[name] if name in table else pd.Series(None, table.index, object) for name in ("seconds", "group")
    }
    columns = {
        "recording": table["recording"].fillna(pd.Series(map(_nameable, names), dtype=object)),
        "path": table["path"],
        "start": table["start"].fillna(starts) if "start" in table else starts,
        "seconds": probed["seconds"].fillna(known["seconds"].astype("float64")),
        "sample_rate": probed["sample_rate"].fillna(0),
        "channels": probed["channels"].fillna(0),
        "group": known["group"].fillna(pd.Series(sites, dtype=object)),
    }
    frame = pd.DataFrame(columns).astype(tables.RECORDINGS)
    return frame if "channel" not in table else _with_ears(frame, table["channel"], channel)


def _with_ears(frame: pd.DataFrame, channels: pd.Series, usual: int) -> pd.DataFrame:
    """With the channel of each recording that a list names; the usual one, where it names none."""
    given = pd.to_numeric(channels.fillna(usual), errors="coerce")
    wrong = ~((given >= 1) & (given < np.inf) & (given % 1 == 0))
    if wrong.any():
        raise InputError(f"a list gives the channel {channels[wrong].iloc[0]!r}: it is a whole number from 1 on.")
    return frame.assign(listen_channel=given.astype("int64"))
