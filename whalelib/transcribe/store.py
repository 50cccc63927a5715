"""The feature pipeline: windows as log-mel pictures and token ids, made once on a CPU and read by any training.

A store is a folder of Arrow files that `datasets` maps into memory, with the tables it was made from. It is built shard
by shard on all cores; a build that was killed goes on with the shards it had finished.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from whalelib.clips import shards
from whalelib.clips.building import cores, write_table
from whalelib.clips.store import ABOUT, FOLDS, TABLES, files_of
from whalelib.clips.transfer import fetch as fetch_store
from whalelib.clips.transfer import upload as upload_store
from whalelib.clips.workplace import publish, workplace
from whalelib.errors import InputError
from whalelib.transcribe.hearing import Hearing
from whalelib.transcribe.speech import Text
from whalelib.transcribe.vocabulary import Vocabulary

FORMAT = "transcripts 2"
WORDS: dict[str, Any] = {kind.kind: kind for kind in (Vocabulary, Text)}
_SHARD_WINDOWS, _BLOCK = 256, 32
COLUMNS = ["recording", "path", "onset", "seconds", "channel", "fold", "group", "tokens"]


@dataclass(frozen=True)
class Transcripts:
    """A finished store. `folds` maps a fold's name to its memory-mapped data set; `about` is its store.json."""

    folder: Path
    hearing: Hearing
    words: Any
    folds: Mapping[str, Any]
    problems: list[str]
    about: dict[str, Any]

    def table(self, fold: str) -> pd.DataFrame:
        """The windows of a fold, without their pictures."""
        return self.folds[fold].remove_columns("input_features").to_pandas()

    def tables(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """The recordings and events that the windows were made from; of a local path only its name."""
        recordings, events = (pd.read_parquet(self.folder / name) for name in TABLES)
        return recordings, events


def build(
    folder: str | Path,
    windows: pd.DataFrame,
    hearing: Hearing,
    words: Any,
    tables: tuple[pd.DataFrame, pd.DataFrame],
    *,
    made_from: Mapping[str, Any] | None = None,
    left_out: Sequence[str] = (),
    workers: int | None = None,
    progress: bool = True,
) -> Transcripts:
    """Make the pictures and tokens of all windows (columns `COLUMNS`); a folder that holds this very store is opened.

    A window that cannot be read is left out and named in `problems`. The store keeps what the caller has to say of it:
    `made_from`, the knobs, and `left_out`, what could not be used.
    """
    folder = Path(folder)
    if windows.empty:
        raise InputError("there is no window to transcribe: check the recordings and transcript_seconds.")
    about = {"format": FORMAT, "kind": words.kind, "words": words.about(), "hearing": hearing.about()}
    key = fingerprint(windows, hearing, words)
    about |= {"fingerprint": key, "made_from": dict(made_from or {}), "problems": list(left_out)}
    if (folder / ABOUT).exists():
        store = open_transcripts(folder)
        if store.about["fingerprint"] != key:
            raise InputError(f"{folder} holds transcripts of other windows or knobs: delete it or name a new folder.")
        return store

    def finished() -> bool:
        return (folder / ABOUT).exists()

    with workplace(folder, key, finished) as part:
        if part is not None:
            _build(part, windows, hearing, about, tables, workers or cores(), progress)
            publish(part, folder, finished)
    return open_transcripts(folder)


def open_transcripts(folder: str | Path, *, full_check: bool = False) -> Transcripts:
    """A finished store; what is missing or not whole is said, and how to build it."""
    folder = Path(folder)
    about = read_about(folder)
    for one in files_of(about):
        path = folder / one["file"]
        if not path.exists() or path.stat().st_size != one["bytes"]:
            raise InputError(f"{path} is not whole: copy it again, or delete {folder} and build it again.")
        if full_check and shards.checksum(path) != one["sha256"]:
            raise InputError(f"{path} was changed since it was written: copy it again, or build it again.")
    import datasets

    folds = {}
    for fold in FOLDS:
        parts = [datasets.Dataset.from_file(str(folder / one["file"])) for one in about["shards"][fold]]
        folds[fold] = datasets.concatenate_datasets(parts).with_format("numpy")
    words = WORDS[about["kind"]].of(about["words"])
    return Transcripts(folder, Hearing(**about["hearing"]), words, folds, list(about["problems"]), about)


def read_about(folder: Path) -> dict[str, Any]:
    """What a store's store.json says."""
    how = (
        "build it where the recordings are, with notebook 06 or `whalelib store build --transcripts` (a CPU is "
        "enough), or `whalelib store fetch` it from where it was uploaded to"
    )
    try:
        about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(f"{folder} holds no feature store ({ABOUT} is missing): {how}.") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{folder / ABOUT} cannot be read ({error}): copy it again, or {how}.") from None
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        raise InputError(f"{folder} holds no feature store of this version: {how}.")
    return about


def upload(folder: str | Path, uri: str, *, progress: bool = True) -> list[str]:
    """Copy a store to s3://, gs:// or hf://; returns what lies there then."""
    return upload_store(folder, uri, opened=open_transcripts, progress=progress)


def fetch(uri: str, folder: str | Path, *, progress: bool = True) -> Transcripts:
    """Copy a store from there into a new folder, and open it."""
    return fetch_store(uri, folder, opened=open_transcripts, about_of=read_about, progress=progress)


def fingerprint(windows: pd.DataFrame, hearing: Hearing, words: Any) -> str:
    """What tells one store from another: its windows, how they are heard, and what is said of each."""
    about = {"kind": words.kind, "words": words.about(), "hearing": hearing.about()}
    digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
    for row in windows[COLUMNS].itertuples(index=False):
        name = Path(str(row.path)).name
        said = (row.recording, name, round(row.onset, 4), row.channel, row.fold, row.group, list(map(int, row.tokens)))
        digest.update(repr(said).encode())
    return digest.hexdigest()[:16]


def _schema(hearing: Hearing) -> Any:
    import pyarrow as pa

    return pa.schema(
        [
            ("recording", pa.string()),
            ("onset", pa.float64()),
            ("group", pa.string()),
            ("labels", pa.list_(pa.int32())),
            ("input_features", pa.list_(pa.float32(), hearing.bands * hearing.frames)),
        ]
    )


def _build(
    part: Path,
    windows: pd.DataFrame,
    hearing: Hearing,
    about: dict[str, Any],
    tables: tuple[pd.DataFrame, pd.DataFrame],
    workers: int,
    progress: bool,
) -> None:
    work = []
    for fold in FOLDS:
        rows = windows[windows["fold"] == fold]
        for number, first in enumerate(range(0, max(len(rows), 1), _SHARD_WINDOWS)):
            work.append((fold, f"{fold}-{number:05d}.arrow", rows.iloc[first : first + _SHARD_WINDOWS]))
    stop = Event()
    bar = tqdm(total=len(windows), desc="making features", leave=False, disable=None if progress else True)

    def write(one: tuple[str, str, pd.DataFrame]) -> dict[str, Any]:
        _, name, rows = one
        receipt = shards.finished(part / name) or _write_shard(part / name, rows, hearing, stop)
        bar.update(len(rows))
        return receipt

    with bar:
        receipts = shards.written_at_once(work, write, workers, stop)
    about |= {"windows": dict.fromkeys(FOLDS, 0), "shards": {fold: [] for fold in FOLDS}}
    about["tables"] = [write_table(part / name, table) for name, table in zip(TABLES, tables, strict=True)]
    for (fold, name, _), receipt in zip(work, receipts, strict=True):
        about["problems"] += receipt.pop("problems")
        about["windows"][fold] += receipt["clips"]
        about["shards"][fold].append({"file": name, **receipt})
    for _, name, _ in work:
        shards.receipt_of(part / name).unlink()
    (part / ABOUT).write_text(json.dumps(about, indent=1), encoding="utf-8")


def _write_shard(path: Path, rows: pd.DataFrame, hearing: Hearing, stop: Event) -> dict[str, Any]:
    problems: list[str] = []
    with shards.Writer(path, _schema(hearing)) as writer:
        for first in range(0, len(rows), _BLOCK):
            if stop.is_set():
                raise InterruptedError("another shard could not be written")
            block, sounds = [], []
            for row in rows.iloc[first : first + _BLOCK].itertuples():
                try:
                    sounds.append(hearing.sound(row.path, row.onset, row.channel, row.seconds))
                    block.append(row)
                except InputError as error:
                    problems.append(str(error))
            if block:
                writer.write(
                    recording=_column(row.recording for row in block),
                    onset=np.array([row.onset for row in block]),
                    group=_column(row.group for row in block),
                    labels=[list(map(int, row.tokens)) for row in block],
                    input_features=hearing.pictures(np.stack(sounds)),
                )
    return shards.finish(path, problems)


def _column(values: Iterable[str]) -> np.ndarray:
    return np.array(list(values), dtype=object)
