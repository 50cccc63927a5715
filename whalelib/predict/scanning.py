"""Many recordings to scores: a file of scores and a row of the receipt for each, and nothing is done twice."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from whalelib import audio, tables
from whalelib.errors import InputError
from whalelib.models import Detector
from whalelib.predict.windows import score

RECEIPT = ["recording", "status", "seconds", "analysed_seconds", "reason"]


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
    channel: int = 1,
    progress: bool = True,
) -> pd.DataFrame:
    """Score recordings into `folder`, one Parquet file each, and return the receipt: a row a recording.

    A recording whose file of scores is there already, made by this detector from this very file, is not scored again.
    A recording that cannot be read costs only itself; the receipt says why, and how many seconds were analysed. A
    column `listen_channel` of the recordings names the channel of each, in place of `channel` for all.
    """
    if recordings.empty:
        raise InputError("there is no recording to scan: check the folder or the table.")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    who = signature(detector)
    rows = []
    shown = tqdm(total=round(recordings["seconds"].sum() / 3600, 2), desc="scanning", unit="h", disable=not progress)
    for rec in recordings.itertuples():
        target = folder / f"{rec.recording}.parquet"
        ear = int(getattr(rec, "listen_channel", channel))
        made_by = {"detector": who, "hop": scan_hop_seconds, "channel": ear, **_file_identity(rec.path)}
        about = _about(target)
        if about is None or about["made_by"] != made_by:
            try:
                about = _scan_one(detector, rec, target, made_by, scan_hop_seconds, scan_batch, ear)
            except InputError as error:
                target.unlink(missing_ok=True)  # scores of an older detector must not pass for this one's
                about = {"analysed_seconds": 0.0, "reason": str(error)}
        status = "failed" if not about["analysed_seconds"] else "partly" if about["reason"] else "done"
        rows.append((rec.recording, status, rec.seconds, about["analysed_seconds"], about["reason"]))
        shown.update(round(rec.seconds / 3600, 4))
    shown.close()
    receipt = pd.DataFrame(rows, columns=RECEIPT)
    receipt.to_csv(folder / "receipt.csv", index=False)
    return receipt


def read_scores(folder: str | Path, recordings: list[str]) -> pd.DataFrame:
    """The scores of these recordings; those that the receipt calls failed have none."""
    folder = Path(folder)
    parts = [pd.read_parquet(p) for name in recordings if (p := folder / f"{name}.parquet").exists()]
    if not parts:
        raise InputError(f"{folder} holds no scores of these recordings: scan them first.")
    scores = pd.concat(parts, ignore_index=True)
    return tables.check_scores(scores, [c for c in scores.columns if c not in tables.SCORES], str(folder))


def _scan_one(
    detector: Detector, rec: Any, target: Path, made_by: dict[str, Any], hop_seconds: float, batch: int, channel: int
) -> dict[str, Any]:
    """Score one recording into `target`, which appears only when it is whole; returns what its metadata says."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    found = audio.probe(rec.path)
    schema = pa.schema(
        [("recording", pa.dictionary(pa.int32(), pa.string())), ("onset", pa.float64()), ("offset", pa.float64())]
        + [(name, pa.float32()) for name in detector.classes]
    )
    temporary = target.with_name(f"{target.name}.{os.getpid()}.part")
    analysed = 0.0
    try:
        with pq.ParquetWriter(temporary, schema) as writer:
            for onset, offset, scores in score(detector, rec.path, found.seconds, hop_seconds, batch, channel):
                analysed += float((offset - onset)[np.isfinite(scores).all(axis=1)].sum())
                name = pa.DictionaryArray.from_arrays(np.zeros(len(onset), np.int32), [rec.recording])
                columns = [name, onset, offset, *np.ascontiguousarray(scores.T)]
                writer.write_batch(pa.record_batch([pa.array(c) for c in columns], schema=schema))
            reason = found.problem
            if found.seconds - analysed > 1e-3:
                lost = f"{found.seconds - analysed:.2f} s hold samples that are no numbers and were not analysed"
                reason = f"{reason} {rec.path}: {lost}.".strip()
            about = {"made_by": made_by, "analysed_seconds": round(analysed, 6), "reason": reason}
            writer.add_key_value_metadata({"whalelib": json.dumps(about)})
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
    return about


def _file_identity(path: str) -> dict[str, Any]:
    """What tells a replaced file from the one that was scored. Its folder does not count: archives move."""
    try:
        found = os.stat(path)
    except OSError:
        return {"file": Path(path).name}
    return {"file": Path(path).name, "bytes": found.st_size, "changed": found.st_mtime_ns}


def _about(target: Path) -> dict[str, Any] | None:
    """What a file of scores says of itself; None if there is none, or none that is whole."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return json.loads(pq.read_metadata(target).metadata[b"whalelib"])
    except (OSError, pa.ArrowInvalid, KeyError, TypeError, ValueError):
        return None
