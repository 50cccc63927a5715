"""Which calls does a false alarm sound like, to the detector itself?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from whalelib import audio
from whalelib.errors import InputError

if TYPE_CHECKING:
    from whalelib.models import Detector

ALIKE = ["row", "rank", "call", "recording", "onset", "label", "likeness"]


def embeddings(detector: Detector, recordings: pd.DataFrame, events: pd.DataFrame, batch: int = 32) -> np.ndarray:
    """What the detector makes of each event before it says anything, [events, D]: the mean over the event's frames.

    Each event is heard in the middle of a clip, as far as its recording reaches; one whose sound cannot be read is NaN.
    """
    import torch

    about = recordings.set_index("recording")
    device, length = next(detector.parameters()).device, detector.clip_samples
    detector.eval()
    found: list[np.ndarray] = []
    width = 0
    for first in range(0, len(events), batch):
        clips, spans = [], []
        for event in events.iloc[first : first + batch].itertuples():
            row = about.loc[event.recording]
            begin = (event.onset + event.offset - detector.clip_seconds) / 2
            begin = float(np.clip(begin, 0.0, max(row["seconds"] - detector.clip_seconds, 0.0)))
            try:
                sound = audio.read(
                    row["path"], begin, detector.clip_seconds, detector.sample_rate, int(row.get("listen_channel", 1))
                )
            except InputError:
                sound = np.full(length, np.nan, dtype=np.float32)
            clips.append(np.nan_to_num(audio.pad(sound[:length], length, "zeros"), nan=0.0))
            spans.append((event.onset - begin, event.offset - begin, bool(np.isfinite(sound).all())))
        with torch.inference_mode():
            frames = detector.embed(torch.from_numpy(np.stack(clips)).to(device)).frames.float().cpu().numpy()
        at = np.arange(frames.shape[1]) * detector.frame_seconds
        width = frames.shape[2]
        for vectors, (onset, offset, read) in zip(frames, spans, strict=True):
            inside = (at >= onset) & (at <= offset)
            inside[np.abs(at - (onset + offset) / 2).argmin()] = True  # an event may be shorter than a frame
            found.append(vectors[inside].mean(axis=0) if read else np.full(width, np.nan, dtype=np.float32))
    return np.stack(found) if found else np.zeros((0, width), dtype=np.float32)


def nearest_calls(of: np.ndarray, among: np.ndarray, calls: pd.DataFrame, most: int = 3) -> pd.DataFrame:
    """The `most` calls whose embeddings (`among`, a row a row of `calls`) lie nearest to each of the embeddings `of`.

    Likeness is the cosine after the calls' mean is taken out, which all sounds share. `row` and `call` are numbers of
    rows of `of` and of `calls`; the nearest comes first.
    """
    usable = np.isfinite(among).all(axis=1)
    if not len(of) or not usable.any():
        return pd.DataFrame(columns=ALIKE)
    rows = np.flatnonzero(usable)
    centre = among[rows].mean(axis=0) if len(rows) > 1 else np.zeros(among.shape[1])
    own, theirs = _unit(of - centre), _unit(among[rows] - centre)
    cosine = own @ theirs.T
    order = np.argsort(-cosine, axis=1, kind="stable")[:, :most]
    here = np.isfinite(of).all(axis=1)
    parts = []
    for row in np.flatnonzero(here):
        chosen = rows[order[row]]
        near = calls.iloc[chosen][["recording", "onset", "label"]].reset_index(drop=True)
        likeness = cosine[row, order[row]]
        parts.append(near.assign(row=row, rank=np.arange(1, len(chosen) + 1), call=chosen, likeness=likeness))
    return pd.concat(parts, ignore_index=True)[ALIKE] if parts else pd.DataFrame(columns=ALIKE)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
