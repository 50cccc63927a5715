"""A folder of recordings, local or in the cloud: what lies in it, what recordings are called, which table is whose.

Files are texts here, a path on this machine or a uri, because both kinds go through the same code; and because a set
may have a hundred thousand of them, for which `pathlib` takes longer than reading their headers does.
"""

from __future__ import annotations

import copy
import os
import re
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath

import pandas as pd

from whalelib import audio, formats, tables
from whalelib.audio import SOUND_ENDINGS, is_uri
from whalelib.errors import InputError
from whalelib.sources.clock import start_from_name, zone_of
from whalelib.sources.registry import probe_all

_ANCHOR = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*:)?/*")  # a drive, or a uri's scheme


class Listing:
    """All files below a folder, and a sentence for each part of it that could not be looked into."""

    def __init__(self, folder: Path | str, holds: str) -> None:
        self.folder = str(folder).rstrip("/") if is_uri(folder) else folder
        if not is_uri(folder) and not Path(folder).is_dir():
            raise InputError(f"{folder} is no folder: set data_path to the folder of {holds}.")
        found = audio.list_files(self.folder, endings=("",))
        self.files, self.problems = found.files, list(found.problems)
        if is_uri(folder) and not self.files:
            raise InputError(f"{folder} holds no file: set data_path to the prefix of {holds}.")

    def ending(self, *endings: str) -> list[str]:
        """The files whose names end in one of these, in the order of their paths."""
        return [file for file in self.files if file.lower().endswith(endings)]

    @property
    def sounds(self) -> list[str]:
        """The sound files, in the order of their paths."""
        return self.ending(*SOUND_ENDINGS)

    @property
    def root(self) -> str:
        """The folder as text."""
        return str(self.folder)

    def inside(self, file: str) -> str:
        """Where in the folder a file lies, with slashes."""
        return inside(file, self.root)

    def relative(self, file: str) -> PurePosixPath:
        """The same as a path that can be taken apart."""
        return PurePosixPath(self.inside(file))

    def top(self) -> dict[str, str]:
        """The files that lie in the folder itself, by name."""
        return {name: file for file in self.files if "/" not in (name := self.inside(file))}

    def below(self, part: str) -> Listing:
        """The listing of a folder in this one; where no such folder holds a file, the listing itself."""
        files = [file for file in self.files if self.inside(file).startswith(f"{part}/")]
        if not files:
            return self
        narrowed = copy.copy(self)  # (its problems are the same list)
        narrowed.folder = f"{self.folder}/{part}" if isinstance(self.folder, str) else self.folder / part
        narrowed.files = files
        return narrowed

    def recordings(self, zone: str = "UTC", sounds: list[str] | None = None) -> pd.DataFrame:
        """The recordings table of the sounds below the folder (or of these); its problems join the listing's.

        A recording is called by its file's stem, or, where folders hold files of the same name, by its path in the
        folder with "__" between the parts (a name that may also be a file's). Its start is the time in its name, which
        is one of `zone`; its group is the day of that start in that zone, or itself where the name has no time.
        """
        here = zone_of(zone)
        rows, unread = probe_all(self._once(self.sounds if sounds is None else sounds))
        self.problems += unread
        times = Counter(row["recording"] for row in rows)
        for row in rows:
            row["start"] = start_from_name(row["recording"], zone)
            if times[row["recording"]] > 1:
                row["recording"] = "__".join(self.relative(row["path"]).with_suffix("").parts)
            dated = not pd.isna(row["start"])
            row["group"] = str(row["start"].tz_convert(here).date()) if dated else row["recording"]
        if not rows:
            return tables.empty(tables.RECORDINGS)
        frame = pd.DataFrame(rows, columns=list(tables.RECORDINGS))
        return tables.check_recordings(frame, self.root)

    def _once(self, sounds: list[str]) -> list[str]:
        """One file for each recording: a.wav and a.flac side by side are the same sound twice."""
        first: dict[str, str] = {}
        for file in sorted(sounds, key=lambda f: SOUND_ENDINGS.index(PurePosixPath(f).suffix.lower())):
            kept = first.setdefault(str(self.relative(file).with_suffix("")), file)
            if kept != file:
                self.problems.append(
                    f"{file} is left out, because {PurePosixPath(kept).name} beside it is the same recording: "
                    "keep one of the two."
                )
        return [file for file in sounds if file in set(first.values())]


class Pairing:
    """Which recordings a table speaks of: the one that its name begins with, or those that its rows may name.

    Among recordings of the same name in several folders the nearest is meant.
    """

    def __init__(self, listing: Listing, recordings: pd.DataFrame) -> None:
        self.listing = listing
        self.recordings = recordings
        where = [listing.relative(path) for path in recordings["path"]]
        self.folders = [path.parent.parts for path in where]
        self.stems = pd.Series([path.stem for path in where], dtype=object)
        self.same = list(self.stems.groupby(self.stems, sort=False).groups.values())

    def of(self, table: str) -> str | None:
        """The recording that a table is named after; None if there is none, an InputError if there are several."""
        near = self.near(table)
        named = formats.recording_of_table(table, near)
        if (near["recording"] == named).any():
            return named
        stems = near["path"].map(lambda path: self.listing.relative(path).stem)
        one_each = near[~stems.duplicated()].reset_index(drop=True)
        named = formats.recording_of_table(table, one_each)
        twins = near.loc[stems.isin(stems[near["recording"] == named]), "recording"]
        if len(twins):
            raise InputError(
                f"{table} could be about several recordings, such as {' and '.join(map(repr, twins[:2]))}: put each "
                "table into the folder of its recording."
            )
        return None

    def near(self, table: str) -> pd.DataFrame:
        """The recordings that the rows of a table may name: of those of the same name, only the nearest."""
        rows = [row for same in self.same for row in self._nearest(table, list(same))]
        return self.recordings.loc[sorted(rows)].reset_index(drop=True)

    def _nearest(self, table: str, rows: list[int]) -> list[int]:
        """Of these recordings those in the table's own folder, or in one that ends alike: audio/a and tables/a."""
        own = self.listing.relative(table).parent.parts
        if beside := [row for row in rows if self.folders[row] == own]:
            return beside
        alike = {row: _shared_end(self.folders[row], own) for row in rows}
        return [row for row in rows if alike[row] == max(alike.values())]


def _shared_end(one: tuple[str, ...], other: tuple[str, ...]) -> int:
    shared = 0
    for a, b in zip(reversed(one), reversed(other), strict=False):
        if a != b:
            break
        shared += 1
    return shared


def read_table(file: str, read: Callable[[Path], formats.Read]) -> formats.Read:
    """What a reader of local files finds in a table, which is fetched first if it lies in the cloud.

    The local file has the table's name, and sentences about it say where the table really lies.
    """
    if not is_uri(file):
        return read(Path(file))
    with tempfile.TemporaryDirectory() as folder:
        local = Path(folder) / PurePosixPath(file).name
        local.write_bytes(audio.fetch(file))
        try:
            found = read(local)
        except InputError as error:
            raise InputError(str(error).replace(str(local), file)) from None
    return found._replace(problems=[sentence.replace(str(local), file) for sentence in found.problems])


def read_bytes(file: str) -> bytes:
    """A small file, such as a table, wherever it lies."""
    if is_uri(file):
        return audio.fetch(file)
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise InputError(f"{file} cannot be read ({error.strerror}): check its name and permissions.") from None


def inside(file: str, root: str) -> str:
    """Where in a folder a file lies, with slashes; of a file that lies elsewhere its whole path without the anchor."""
    path, above = _posix(file), _posix(root).rstrip("/") + "/"
    return path[len(above) :] if path.startswith(above) else _ANCHOR.sub("", path)


def file_name(file: str) -> str:
    """The last part of a path or a uri."""
    return _posix(file).rpartition("/")[2]


def in_order(files: Iterable[str]) -> list[str]:
    """Files by their folders, then by their names, as a listing has them."""
    return sorted(files, key=lambda file: _posix(file).split("/"))


def _posix(path: str) -> str:
    return path if os.sep == "/" or is_uri(path) else path.replace(os.sep, "/")
