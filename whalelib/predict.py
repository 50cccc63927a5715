"""Long recordings to scores: overlapping windows, stitched without seams, in memory that does not grow with length."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from tqdm.auto import tqdm

from whalelib import audio, tables
from whalelib.errors import InputError
from whalelib.models import Detector

_BLOCK_SECONDS = 60.0
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


def score_recordings(
    detector: Detector,
    recordings: pd.DataFrame,
    *,
    test_crops: int = 1,
    padding: str = "reflect",
    channel: int = 1,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """One row of scores for each recording, and the receipt: what is in it, not when.

    The scores are the mean over `test_crops` clips, spread evenly from beginning to end; one clip is the middle.
    A recording no longer than a clip is padded and is one clip. One that cannot be read has no row.
    """
    rows, receipt = [], []
    device = next(detector.parameters()).device
    detector.eval()
    length, rate = detector.clip_samples, detector.sample_rate
    for rec in recordings.itertuples():
        try:
            seconds = audio.probe(rec.path).seconds
            spare = max(seconds - detector.clip_seconds, 0.0)
            onsets = np.unique(np.linspace(0, spare, test_crops)) if test_crops > 1 else np.array([spare / 2])
            ear = int(getattr(rec, "listen_channel", channel))
            read = [audio.read(rec.path, onset, detector.clip_seconds, rate, ear) for onset in onsets.tolist()]
            crops = np.stack([audio.pad(sound[:length], length, padding) for sound in read])
        except InputError as error:
            receipt.append((rec.recording, "failed", rec.seconds, 0.0, str(error)))
            continue
        with torch.inference_mode():
            scores = (
                detector.probabilities(detector(torch.from_numpy(crops).to(device)).clip).float().mean(0).cpu().numpy()
            )
        rows.append((rec.recording, 0.0, seconds, *scores))
        heard = np.minimum(np.diff(onsets), detector.clip_seconds).sum() + min(detector.clip_seconds, seconds)
        receipt.append((rec.recording, "done", rec.seconds, float(heard), ""))
    table = pd.DataFrame(rows, columns=[*tables.SCORES, *detector.classes])
    return tables.check_scores(table, detector.classes, "the recordings"), pd.DataFrame(receipt, columns=RECEIPT)


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


def score(
    detector: Detector, path: str, seconds: float, hop_seconds: float = 1.5, batch: int = 64, channel: int = 1
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Consecutive stretches of a recording's scores: onsets, offsets, probabilities [cells, classes].

    The time axis is a grid of cells, one frame of the detector long. Windows lie `hop_seconds` apart (rounded down to
    whole cells) and a cell's score is the mean over the windows that see it, those in whose middle it lies counting
    most: a call on the edge of one window is in the middle of another. Before its beginning and after its end the
    recording is mirrored, so the first and the last call are not cut off either. Cells that touch samples which are no
    numbers have no score (NaN).
    """
    step, lead = detector.frame_samples, detector.frames // 2
    hop = min(max(int(int(hop_seconds * detector.sample_rate) // step), 1), detector.frames)
    bad: list[tuple[float, float]] = []
    windows = _windows(detector, path, round(lead * step), hop * step, channel, bad)
    stitch = Stitch(detector.frames, hop, len(detector.classes))
    device = next(detector.parameters()).device
    detector.eval()
    given = -lead  # the cell that comes next; cell 0 is centred on the recording's first sample
    more = True
    while more:
        samples = list(itertools.islice(windows, batch))
        more = bool(samples)
        if more:
            with torch.inference_mode():
                logits = detector(torch.from_numpy(np.stack(samples)).to(device)).frames
                cells = stitch.add(detector.probabilities(logits).float().cpu().numpy())
        else:
            cells = stitch.rest()
        centre = (given + np.arange(len(cells))) * detector.frame_seconds
        given += len(cells)
        onset = np.maximum(centre - detector.frame_seconds / 2, 0.0)
        offset = np.minimum(centre + detector.frame_seconds / 2, seconds)
        inside = offset - onset > 1e-9
        onset, offset, cells = onset[inside], offset[inside], cells[inside]
        for begin, end in bad:
            cells[(onset < end) & (offset > begin)] = np.nan
        if len(cells):
            bad[:] = [stretch for stretch in bad if stretch[1] > offset[-1]]
            yield onset, offset, cells


def _windows(
    detector: Detector, path: str, lead: int, hop: float, channel: int, bad: list[tuple[float, float]]
) -> Iterator[np.ndarray]:
    """Overlapping windows of a recording that is mirrored for `lead` samples at both ends; collects `bad` stretches.

    A hop that is no whole number of samples is rounded window by window, so that the roundings do not add up.
    """
    length = detector.clip_samples
    block_seconds = max(_BLOCK_SECONDS, 4 * detector.clip_seconds)
    waiting = recent = np.empty(0, dtype=np.float32)
    begun, given = False, 0
    for block in audio.stream(path, detector.sample_rate, channel, block_seconds):
        bad += block.bad
        samples = block.samples
        if not begun and len(samples):
            samples, begun = np.pad(samples, (lead, 0), mode="symmetric"), True
        recent = np.concatenate([recent, samples])[-(lead + length) :]
        waiting = np.concatenate([waiting, samples])
        while len(waiting) >= length:
            yield waiting[:length]
            given += 1
            waiting = waiting[round(given * hop) - round((given - 1) * hop) :]
    if not begun:
        return
    # Go on until a window has reached as far beyond the end as the first one began before the beginning.
    end = len(waiting) + lead
    beyond = np.pad(recent, (0, lead + length + math.ceil(hop)), mode="symmetric")[len(recent) :]
    waiting = np.concatenate([waiting, beyond])
    for k in range(math.ceil(max(end - length, 0) / hop) + 1):
        start = round((given + k) * hop) - round(given * hop)
        yield waiting[start : start + length]


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


class Stitch:
    """Averages overlapping windows of frames onto one grid of cells, giving away what no later window will touch."""

    def __init__(self, frames: int, hop: int, classes: int) -> None:
        middle = (frames - 1) / 2
        self.weight = (1.0 - np.abs(np.arange(frames) - middle) / (middle + 1)).astype(np.float32)
        self.hop = hop
        self.total = np.zeros((frames, classes), dtype=np.float32)
        self.seen = np.zeros(frames, dtype=np.float32)

    def add(self, windows: np.ndarray) -> np.ndarray:
        """Add consecutive windows [W, frames, classes]; gives the finished cells [W * hop, classes]."""
        done = []
        for window in windows:
            self.total += window * self.weight[:, None]
            self.seen += self.weight
            done.append(self._take(self.hop))
        return np.concatenate(done)

    def rest(self) -> np.ndarray:
        """The cells that are left when the last window has been added."""
        return self._take(int(np.count_nonzero(self.seen)))

    def _take(self, cells: int) -> np.ndarray:
        taken = self.total[:cells] / np.maximum(self.seen[:cells], 1e-9)[:, None]
        self.total = np.concatenate([self.total[cells:], np.zeros_like(self.total[:cells])])
        self.seen = np.concatenate([self.seen[cells:], np.zeros_like(self.seen[:cells])])
        return taken
