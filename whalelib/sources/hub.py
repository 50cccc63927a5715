"""A Hugging Face data set whose rows hold the bytes of sound files."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import uuid
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from whalelib import audio
from whalelib.audio import SOUND_ENDINGS, is_uri
from whalelib.errors import InputError, needs_extra
from whalelib.sources.annotations import NEGATIVE_LABELS
from whalelib.sources.folder import Listing, file_name, read_bytes
from whalelib.sources.registry import Survey, register
from whalelib.sources.shard import BrokenShard, Shard
from whalelib.sources.sheets import LeftOut, refuse_column
from whalelib.sources.whole_files import LABEL_COLUMN, Clips, Meaning, tables_of_clips, without_group

LABEL_COLUMNS = ("label", "labels", "species")
ENDINGS = (".parquet", ".arrow")
_BEGINNINGS = {
    b"RIFF": ".wav",
    b"RF64": ".wav",
    b"fLaC": ".flac",
    b"OggS": ".ogg",
    b"FORM": ".aiff",
    b"ID3": ".mp3",
    b"\xff": ".mp3",
}


@register(
    needs="rows of sound bytes and labels: save_to_disk, parquet, or a name on the hub (extra train)",
    origin="huggingface.co/datasets, or your own",
)
def hub(
    folder: Path | str,
    label_column: str = LABEL_COLUMN,
    default_label: str = "",
    negative_labels: Sequence[str] = NEGATIVE_LABELS,
    group_column: str = "",
    sound_cache: str = "",
) -> Survey:
    """A Hugging Face data set with sound in its rows: a folder of save_to_disk or of parquet files, or a hub name.

    Files of a set in the cloud are fetched once, whole. Each row's bytes are written once, undecoded, to a folder of
    sound files below `sound_cache` (else WHALELIB_CACHE, else .cache/whalelib in the home folder); what was interrupted
    goes on where it stopped. All splits are taken. A label, by name or by number, speaks of its whole row, so the
    annotation is exhaustive; a list of labels is several calls. The group is that of `group_column`, else the day in
    the file's name, else the row itself.
    """
    files, beside = _shard_files(folder)
    cache, problems = _cache_folder(folder, files, sound_cache), list[str]()
    shards = _open_all(files, cache, problems)
    first = next(iter(shards.values()))
    sound = _sound_column(first, folder)
    label = _label_column(first, folder, label_column, default_label)
    if group_column and group_column not in first.columns:
        refuse_column(folder, group_column, first.columns, "group_column")
    clips, left_out, alone, number = Clips(), LeftOut(folder), list[str](), 0
    lost = [place for place in range(len(files)) if place not in shards]
    for place, shard in tqdm(shards.items(), "unpacking sounds", leave=False, disable=None):
        # Rows are numbered through all shards, so that without one of them the names of others are not what they were.
        before = [str(one) for one in sorted(lost) if one < place]
        here = cache / f"without-{'-'.join(before)}" if before else cache
        try:
            names = shard.file_names(sound, number)
            rows = list(shard.rows(label, group_column))
            paths = _unpack(shard, sound, names, here, beside)
            shard.check_lengths(names, rows, paths)
        except BrokenShard as error:
            problems.append(str(error))
            lost.append(place)
            continue
        for row, (path, cells) in enumerate(zip(paths, rows, strict=True), number):
            if not path:
                left_out.add("row(s) without a sound that can be told by its first bytes", "mend the row", f"row {row}")
                continue
            group = cells.get(group_column)
            if group_column and group is None:
                alone.append(f"row {row}")
            clips.groups[path] = "" if group is None else str(group)
            clips.labels.setdefault(path, []).extend(_texts(cells.get(label), shard.class_names(label)))
        number += len(names)
    problems += left_out.sentences() + without_group(folder, group_column, alone)
    labels = [text for texts in clips.labels.values() for text in texts]
    meaning = Meaning.of(labels, default_label, negative_labels)
    recordings, events = tables_of_clips(str(cache), clips, meaning, folder, problems)
    return Survey(recordings, events, exhaustive=True, problems=problems)


def _shard_files(folder: Path | str) -> tuple[list[str], frozenset[str]]:
    """The files that hold the data set's rows, in order, and all files beside them that rows may name."""
    place = str(folder)
    if is_uri(place) and place.lower().endswith(ENDINGS):
        return [place], frozenset(Listing(place.rpartition("/")[0], "a data set").files)
    if isinstance(folder, Path) and folder.is_file():
        return [place], frozenset()
    if isinstance(folder, Path) and not folder.is_dir():
        if folder.is_absolute() or len(folder.parts) > 2 or place.startswith("."):
            raise InputError(
                f"{folder} is not there: give a folder of save_to_disk or of parquet files, or a hub name."
            )
        return _from_hub(folder.as_posix()), frozenset()
    listing = Listing(folder, "a data set of save_to_disk, or of parquet files")
    found = listing.ending(".parquet")
    for state in listing.ending(".json"):
        if file_name(state) != "state.json" or listing.inside(state).count("/") > 1:
            continue
        # Only the files that this names: a cache may lie beside them.
        try:
            names = [str(part["filename"]) for part in json.loads(read_bytes(state))["_data_files"]]
        except (ValueError, KeyError, TypeError):
            raise InputError(f"{state} does not list the data's files: save the data set again.") from None
        found += [state[: -len("state.json")] + name for name in names]
    if not found:
        raise InputError(f"{folder} holds no data set: give a folder of save_to_disk or of parquet files.")
    return found, frozenset(listing.files)


def _from_hub(name: str) -> list[str]:
    """The Arrow files of a data set that `datasets` fetches, or has fetched before; it decodes no sound for that."""
    try:
        import datasets
    except ImportError:
        raise needs_extra("datasets", "train") from None
    try:
        splits = datasets.load_dataset(name)
    except Exception as error:  # whatever the network, the hub and the set's own files may raise
        reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        mend = "check its name, the connection and your access, or save it to a folder and give that"
        raise InputError(f"the data set {name!r} cannot be loaded from the hub ({reason}): {mend}.") from None
    return [part["filename"] for split in splits.values() for part in split.cache_files]


def _open_all(files: list[str], cache: Path, problems: list[str]) -> dict[int, Shard]:
    """The shards that can be read, by their place; those elsewhere are fetched once, as `datasets` fetches its own."""
    shards: dict[int, Shard] = {}
    for number, place in enumerate(files):
        path = Path(place)
        try:
            if is_uri(place):
                path = cache / "shards" / f"{number:05d}-{file_name(place)}"
                if not path.is_file():
                    _write(path, audio.parts(place))
            shards[number] = Shard.opened(path, place)
        except BrokenShard as error:
            problems.append(str(error))
    if not shards:
        raise InputError(problems[0])
    first, *others = shards.values()
    for shard in others:
        if shard.columns != first.columns:
            mend = "give one of the two sets at a time"
            raise InputError(f"{shard.place} has other columns than {first.place}: {mend}.")
    return shards


def _sound_column(shard: Shard, folder: Path | str) -> str:
    """The column of sounds: the one so marked, else the one that holds bytes."""
    import pyarrow as pa

    marked = [name for name in shard.columns if shard.is_audio(name)]
    raw = [
        name
        for name, kind in shard.columns.items()
        if shard.holds(name, "bytes") or pa.types.is_binary(kind) or pa.types.is_large_binary(kind)
    ]
    found = marked or raw
    if len(found) > 1 and "audio" in found:
        found = ["audio"]
    if len(found) != 1:
        says = f"several columns of sound ({', '.join(found)})" if found else "no column of sound"
        raise InputError(f"{folder} has {says}: name one 'audio'; its columns are {', '.join(shard.columns)}.")
    return found[0]


def _label_column(shard: Shard, folder: Path | str, asked: str, default_label: str) -> str:
    """The column of labels; empty if there is none and every row has the default label."""
    if asked in shard.columns:
        return asked
    found = [name for name in LABEL_COLUMNS if name in shard.columns] if asked == LABEL_COLUMN else []
    if found or (default_label and asked == LABEL_COLUMN):
        return found[0] if found else ""
    name = "label" if asked == LABEL_COLUMN else asked
    return refuse_column(folder, name, shard.columns, "label_column")


def _texts(cell: Any, names: list[str]) -> list[str]:
    """The labels in a cell: one, or those of a list; "" where it is not known."""
    if isinstance(cell, list):
        return [text for one in cell for text in _texts(one, names)]
    if cell is None:
        return [""]
    if names and isinstance(cell, int):
        return [names[cell] if 0 <= cell < len(names) else ""]
    return [str(cell).strip()]


def _cache_folder(folder: Path | str, files: list[str], sound_cache: str) -> Path:
    """Where this data set's sounds lie; another one, or the same one changed, has a folder of its own."""
    about = [(file_name(file), _version(file)) for file in files]
    key = hashlib.sha256(json.dumps(about).encode()).hexdigest()[:12]
    root = sound_cache or os.environ.get("WHALELIB_CACHE") or Path.home() / ".cache" / "whalelib"
    return Path(root) / f"sounds-{re.sub(r'[^A-Za-z0-9.-]+', '_', file_name(str(folder)))}-{key}"


def _version(file: str) -> str:
    """What tells that a file was changed, without reading it."""
    if is_uri(file):
        return audio.version(file)
    try:
        about = os.stat(file)
    except (OSError, ValueError):
        return ""  # opening it says so
    return f"{about.st_size} {about.st_mtime_ns}"


def _unpack(shard: Shard, sound: str, names: list[str], cache: Path, beside: frozenset[str]) -> list[str]:
    """Write the sounds that are not there yet; the file of each row, or nothing where the row holds no sound."""
    try:
        cache.mkdir(parents=True, exist_ok=True)
        there = {Path(name).stem: str(cache / name) for name in os.listdir(cache) if name.endswith(SOUND_ENDINGS)}
    except OSError as error:
        raise _no_room(cache, error) from None
    if all(name in there for name in names):
        return [there[name] for name in names]
    cells = (row[sound] for row in shard.rows(sound))
    return [
        there.get(name) or _sound_file(cell, cache / name, shard.place, beside)
        for name, cell in zip(names, cells, strict=False)
    ]


def _sound_file(cell: Any, target: Path, place: str, beside: frozenset[str]) -> str:
    """A row's bytes as a file; a row that only names a file gives that file."""
    data = cell.get("bytes") if isinstance(cell, dict) else cell
    if not data:
        name = cell.get("path") if isinstance(cell, dict) else ""
        named = f"{place[: -len(file_name(place))]}{name}"
        return named if name and (named in beside if is_uri(place) else os.path.isfile(named)) else ""
    ending = next((ending for start, ending in _BEGINNINGS.items() if data.startswith(start)), "")
    if not ending:
        return ""
    target = target.with_name(target.name + ending)
    _write(target, [data])
    return str(target)


def _write(target: Path, parts: Iterable[bytes]) -> None:
    """A file of the cache that is whole once it is there."""
    part = target.parent / f".{uuid.uuid4().hex}.part"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with open(part, "wb") as file:
            file.writelines(parts)
        os.replace(part, target)
    except BaseException as error:
        with contextlib.suppress(OSError):
            part.unlink()
        if isinstance(error, OSError):
            raise _no_room(target.parent, error) from None
        raise


def _no_room(cache: Path, error: OSError) -> InputError:
    mend = "make room, or set WHALELIB_CACHE to a folder that can be written"
    return InputError(f"{cache} cannot take the sounds of the data set ({error.strerror}): {mend}.")
