"""The clip store: a folder of Arrow files that the Hugging Face `datasets` library memory-maps.

16-bit waveforms and targets, cut once on a CPU and read by any number of trainings. The folder is all there is: one
that was copied to another machine, or mounted read-only, is opened by `open_store(folder)`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import pandas as pd

from whalelib.clips import shards
from whalelib.clips.reading import FULL_SCALE
from whalelib.errors import InputError

FOLDS = ("train", "validation", "test")
ABOUT = "store.json"
FORMAT = 3
TABLES = ("recordings.parquet", "events.parquet")
_TABLE = ["recording", "onset", "seconds", "weight", "group", "channel", "targets"]


@dataclass(frozen=True)
class Store:
    """A finished clip store. `folds` maps a fold's name to its memory-mapped data set; `about` is its store.json."""

    folder: Path
    classes: list[str]
    sample_rate: int
    clip_seconds: float
    folds: Mapping[str, Any]
    problems: list[str]
    about: dict[str, Any] = field(default_factory=dict, repr=False)

    def batch(self, fold: str, rows: Iterable[int]) -> dict[str, np.ndarray]:
        """Waveforms (float32), targets, frame targets and weights of these rows, as arrays."""
        return read_batch(self.folds[fold], rows)

    def table(self, fold: str) -> pd.DataFrame:
        """The fold's clips table, without the sound."""
        frame = self.folds[fold].select_columns(_TABLE).to_pandas()
        targets = np.stack(list(frame.pop("targets"))) if len(frame) else np.empty((0, len(self.classes)))
        channel = frame.pop("channel")
        return pd.concat(
            [frame.assign(fold=fold), pd.DataFrame(targets, columns=self.classes), channel.astype("int64")], axis=1
        )

    def tables(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """The recordings and events that the clips were cut from; of a local recording's path only its name."""
        recordings, events = (pd.read_parquet(self.folder / name) for name in TABLES)
        return recordings, events


class _Folds(Mapping[str, Any]):
    """The data set of each fold, mapped into memory when it is first asked for."""

    def __init__(self, files: dict[str, list[str]]) -> None:
        self.files = files
        self.opened: dict[str, Any] = {}

    def __getitem__(self, fold: str) -> Any:
        import datasets

        if fold not in self.opened:
            parts = [datasets.Dataset.from_file(file) for file in self.files[fold]]
            self.opened[fold] = parts[0] if len(parts) == 1 else datasets.concatenate_datasets(parts)
        return self.opened[fold]

    def __iter__(self) -> Iterator[str]:
        return iter(self.files)

    def __len__(self) -> int:
        return len(self.files)


def open_store(
    folder: str | Path,
    *,
    classes: Sequence[str] | None = None,
    sample_rate: int | None = None,
    clip_seconds: float | None = None,
    full_check: bool = False,
) -> Store:
    """A finished clip store, memory-mapped. What is expected of it can be given; another store is refused.

    Sizes and ends of its files are looked at every time; `full_check` reads them all and holds them to their checksums.
    """
    folder = Path(folder)
    about = read_about(folder)
    again = "delete it, then cut again"
    for name, wanted, unit in (
        ("classes", list(classes) if classes is not None else None, ""),
        ("sample_rate", sample_rate, " Hz"),
        ("clip_seconds", clip_seconds, " s"),
    ):
        if wanted is not None and about[name] != wanted:
            raise InputError(
                f"{folder} holds a clip store with {name} {about[name]}{unit}, and {wanted}{unit} was asked for: "
                "name its own folder, or cut again into a new one."
            )
    for one in files_of(about):
        path = folder / one["file"]
        if not path.exists():
            raise InputError(f"{folder} is no finished clip store ({one['file']} is missing): {again}.")
        size = path.stat().st_size
        if size != one["bytes"] or (path.suffix == ".arrow" and not shards.ends_well(path)):
            why = f"{size:,} bytes of {one['bytes']:,}" if size != one["bytes"] else "its end is damaged"
            raise InputError(f"{path} is not whole ({why}): copy it again, or delete the store and cut again.")
        if full_check and shards.checksum(path) != one["sha256"]:
            raise InputError(
                f"{path} was changed since it was written: copy it again, or delete the store and cut again."
            )
    files = {fold: [str(folder / one["file"]) for one in about["shards"][fold]] for fold in FOLDS}
    return Store(
        folder,
        about["classes"],
        about["sample_rate"],
        about["clip_seconds"],
        _Folds(files),
        list(about["problems"]),
        about,
    )


def files_of(about: Mapping[str, Any]) -> list[dict[str, Any]]:
    """file, bytes and sha256 of every file of a store but its store.json."""
    return [*about["tables"], *(one for fold in FOLDS for one in about["shards"][fold])]


def read_about(folder: Path) -> dict[str, Any]:
    """What a store's store.json says."""
    try:
        about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(
            f"{folder} is no finished clip store ({ABOUT} is missing): delete it, then cut again."
        ) from None
    except (OSError, ValueError) as error:
        raise InputError(f"{folder / ABOUT} cannot be read ({error}): copy it again, or cut again.") from None
    if not isinstance(about, dict):
        raise InputError(f"{folder / ABOUT} does not describe a clip store: copy it again, or cut again.")
    if about.get("format") != FORMAT:
        other = f"of format {about.get('format')!r}, and this version reads format {FORMAT}"
        raise InputError(f"{folder} holds a clip store {other}: delete it, then cut again.")
    return about


def read_batch(dataset: Any, rows: Iterable[int]) -> dict[str, np.ndarray]:
    """Rows of one fold as arrays, decoded straight from Arrow's buffers."""
    wanted = np.fromiter(rows, dtype=np.int64)
    if len(wanted) and not 0 <= wanted.min() <= wanted.max() < len(dataset):
        raise IndexError(f"rows {wanted.min()} to {wanted.max()} are asked of {len(dataset)} clips")
    if getattr(dataset, "_indices", None) is not None:  # selected or shuffled by `datasets` itself
        wanted = dataset._indices.column(0).to_numpy()[wanted].astype(np.int64)
    view = _VIEWS.get(dataset)
    if view is None:
        view = _VIEWS[dataset] = _View(dataset.data)
    return view.batch(wanted)


class _View:
    """The columns of an Arrow table as arrays that share its memory, one for each block it was written in."""

    def __init__(self, table: Any) -> None:
        self.waveforms, self.starts = _blocks(table, "waveform", np.int16)
        self.frames, starts = _blocks(table, "frames", np.int8)
        if starts != self.starts:
            raise InputError("the columns of the data set are cut into different blocks: build the store again.")
        # These are small.
        self.targets = np.concatenate(_blocks(table, "targets", np.float32)[0])
        self.weights = table.column("weight").to_numpy().astype(np.float32)
        self.cells = self.frames[0].shape[1] // max(self.targets.shape[1], 1)
        self.edges = np.array(self.starts)

    def batch(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        block = np.searchsorted(self.edges, rows, side="right") - 1
        within = (rows - self.edges[block]).tolist()
        waveform = np.empty((len(rows), self.waveforms[0].shape[1]), dtype=np.float32)
        frames = np.empty((len(rows), self.frames[0].shape[1]), dtype=np.int8)
        for k, (b, row) in enumerate(zip(block.tolist(), within, strict=True)):
            waveform[k] = self.waveforms[b][row]
            frames[k] = self.frames[b][row]
        waveform *= np.float32(1 / FULL_SCALE)
        return {
            "waveform": waveform,
            "targets": self.targets[rows],
            "frames": frames.reshape(len(rows), self.cells, self.targets.shape[1]),
            "weight": self.weights[rows],
        }


# Pages of the mapped files, not copies of them, so that any number of data sets may stay in view.
_VIEWS: WeakKeyDictionary[Any, _View] = WeakKeyDictionary()


def _blocks(table: Any, name: str, kind: type) -> tuple[list[np.ndarray], list[int]]:
    """A column of lists as matrices, one for each block that has rows (or one that is empty), and where each begins."""
    column = table.column(name)
    blocks: list[np.ndarray] = []
    starts, at = [], 0
    for chunk in column.chunks:
        if len(chunk):
            values = chunk.flatten().to_numpy(zero_copy_only=False)
            blocks.append(values.reshape(len(chunk), -1).astype(kind, copy=False))
            starts.append(at)
            at += len(chunk)
    if not blocks:
        return [np.empty((0, getattr(column.type, "list_size", 0)), dtype=kind)], [0]
    return blocks, starts
