"""Many recordings to scores: a file of scores and a row of the receipt for each, and nothing is done twice."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import math
import os
import time
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch

from whalelib import audio
from whalelib.audio import is_uri
from whalelib.audio.systems import local_path
from whalelib.errors import InputError
from whalelib.models import Detector
from whalelib.predict import score_files
from whalelib.predict.engines import settled
from whalelib.predict.hearing import Task, Way, hear
from whalelib.predict.neighbours import followers
from whalelib.predict.progress import Progress
from whalelib.predict.receipt import Account, row
from whalelib.sources.folder import file_name

Ear = audio.Channel | Literal["each"]


def signature(detector: Detector) -> str:
    """A hash of everything that decides a detector's answers: its weights and its configuration."""
    digest = hashlib.sha256(json.dumps(detector.options, sort_keys=True).encode())
    for name, tensor in sorted({**dict(detector.named_parameters()), **dict(detector.named_buffers())}.items()):
        digest.update(name.encode() + tensor.detach().float().cpu().numpy().tobytes())
    return digest.hexdigest()[:12]


def scan(
    detector: Detector,
    recordings: pd.DataFrame,
    folder: str | Path,
    *,
    scan_hop_seconds: float = 1.5,
    scan_batch: int = 64,
    engine: str = "torch",
    scan_precision: str = "float32",
    channel: Ear = 1,
    minutes: float | None = None,
    progress: bool = True,
) -> pd.DataFrame:
    """Score recordings into `folder`, one Parquet file each, and return the receipt, which lies there as receipt.csv.

    A recording whose file of scores is there already, made by this detector from this very file, is not scored again.
    A recording that cannot be read costs only itself; the receipt says why, and how many seconds were analysed.
    Recordings that go on where another one ends are heard as one sound, so scores at a border know both of its sides.

    - channel: one, counted from 1; "mean" of all; or "each", with scores and a row of the receipt for every one. A
      column `listen_channel` of the recordings names the one channel of each
    - minutes: after these no recording is begun, and the one under way is left for the next start, unless it is the
      first of this one, so that every start gets somewhere. What was not reached is in the receipt as just that

    - engine: what computes on a processor: torch, onnx, openvino, or auto for the fastest that is installed, which then
      is kept in the folder, so that a later start goes on with it. Scores depend on it by 1e-4 at most
    - scan_precision: what the network computes in; bfloat16 and float16 are for GPUs

    A disk that is full ends the scan with a sentence; the scores that are there are kept.
    """
    if recordings.empty:
        raise InputError("there is no recording to scan: check the folder or the table.")
    score_files.refuse_names(recordings["recording"])
    folder, begun = Path(folder), time.monotonic()
    if torch.cuda.is_available():
        detector = detector.to("cuda")
    deadline = math.inf if minutes is None else begun + 60 * minutes
    tasks = _tasks(recordings, folder, channel)
    who = signature(detector)
    how: dict[str, Any] = {"detector": who, "hop": scan_hop_seconds}
    if scan_precision != "float32":
        how["precision"] = scan_precision
    identity = functools.lru_cache(16)(_file_identity)
    sound = sum(_seconds(task) for task in tasks)
    shown = Progress(sound, len(tasks), progress)
    account = Account(folder / "receipt.csv", [row(task.rec, task.channel, None) for task in tasks])
    somewhere, started = False, None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        score_files.sweep(folder)
        account.write()
        for number, task in enumerate(tasks):
            made_by = {**how, "channel": task.channel, **identity(task.rec.path)}
            made_by |= {side: identity(path) for side in ("before", "after") if (path := getattr(task, side))}
            about = _kept(task.file, made_by)
            if about is None and not (somewhere and time.monotonic() >= deadline):
                started = started or settled(folder, who, sound, detector, engine, scan_precision, scan_batch)
                way = Way(scan_hop_seconds, scan_batch, deadline if somewhere else math.inf, started)
                about = hear(detector, task, made_by, way, shown.heard)
                somewhere |= bool(about and about["analysed_seconds"])
            account.enter(number, row(task.rec, task.channel, about, task.file.name))
            shown.finished(_seconds(task))
        return account.write()
    except BaseException as error:
        with contextlib.suppress(OSError):
            account.write()
        if not isinstance(error, OSError):
            raise
        raise InputError(
            f"nothing more can be written to {folder} ({error.strerror or error}): make room there and start again; "
            "the scores that lie there are kept."
        ) from None
    finally:
        shown.close()


def _tasks(recordings: pd.DataFrame, folder: Path, channel: Ear) -> list[Task]:
    """What is to be heard, in order, and what lies around it."""
    after = followers(recordings)
    before = np.full(len(after), -1)
    before[after[after >= 0]] = np.flatnonzero(after >= 0)
    paths = [*recordings["path"].astype(str), ""]  # (the last one, at -1, is no recording's)
    tasks = []
    for k, rec in enumerate(recordings.itertuples()):
        ears: list[tuple[audio.Channel, audio.Channel | None]]
        if channel == "each":
            ears = [(number, number) for number in range(1, _channels(rec) + 1)]
        else:
            ears = [("mean" if channel == "mean" else int(getattr(rec, "listen_channel", channel)), None)]
        for ear, named in ears:
            file = score_files.path_of(folder, str(rec.recording), named)
            tasks.append(Task(rec, ear, file, paths[before[k]], paths[after[k]]))
    return tasks


def _channels(rec: Any) -> int:
    """How many channels a recording has; one that cannot be read has one, so that it has a row."""
    try:
        return int(getattr(rec, "channels", 0)) or audio.probe(rec.path).channels
    except InputError:
        return 1


def _seconds(task: Task) -> float:
    """The length of a recording as the table has it; 0 where that is not known."""
    return float(np.nan_to_num(task.rec.seconds))


def _kept(file: Path, made_by: dict[str, Any]) -> dict[str, Any] | None:
    """What an earlier scan says of this very recording heard in this very way; None if it must be scanned.

    While the recording itself cannot be reached, its scores count as they are: a drive that is not there today must not
    cost what was done yesterday.
    """
    about = score_files.about(file)
    if about is None or about["made_by"] == made_by:
        return about
    out_of_reach = "bytes" not in made_by and "version" not in made_by
    known = ("detector", "hop", "channel", "file")
    return about if out_of_reach and all(about["made_by"].get(k) == made_by[k] for k in known) else None


def _file_identity(path: str) -> dict[str, Any]:
    """What tells a replaced file from the one that was scored. Its folder does not count: archives move."""
    identity: dict[str, Any] = {"file": file_name(str(path))}
    try:
        if is_uri(path):
            return identity | {"version": audio.version(str(path))}
        found = os.stat(local_path(path))
    except (OSError, InputError):
        return identity
    return identity | {"bytes": found.st_size, "changed": found.st_mtime_ns}
