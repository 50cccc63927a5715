"""Long recordings to transcripts: overlapping windows, joined, in memory that does not grow with length."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from whalelib import audio, tables
from whalelib.errors import InputError
from whalelib.transcribe.model import Transcriber
from whalelib.transcribe.windows import Joining, as_events, onsets

RECEIPT = ["recording", "status", "seconds", "analysed_seconds", "reason"]


def transcribe(
    transcriber: Transcriber,
    recordings: pd.DataFrame,
    *,
    overlap_seconds: float | None = None,
    channel: int = 1,
    beams: int = 1,
    batch: int = 16,
    progress: bool = True,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The calls of these recordings as an events table, and the receipt of what was listened to.

    Windows share `overlap_seconds`, by default a quarter of a window; a call's score is how sure its tokens are. A
    recording that cannot be read costs only itself.
    """
    if recordings.empty:
        raise InputError("there is no recording to transcribe: check the folder or the table.")
    if transcriber.words.kind != "calls":
        raise InputError(
            "this transcriber writes sentences, which have no times: give it windows by its method heard, or name a "
            "transcriber of calls."
        )
    window = transcriber.hearing.window_seconds
    shared = window / 4 if overlap_seconds is None else overlap_seconds
    if not 0 < shared < window:
        raise InputError(f"windows of {window:g} s cannot share {shared:g} s: set an overlap between.")
    found, receipt = [tables.empty(tables.EVENTS)], []
    for rec in tqdm(list(recordings.itertuples()), "transcribing", leave=False, disable=None if progress else True):
        ear = int(getattr(rec, "listen_channel", channel))
        try:
            seconds = audio.probe(rec.path).seconds
            found.append(
                as_events(rec.recording, _told(transcriber, rec.path, seconds, window - shared, ear, beams, batch), ear)
            )
            receipt.append((rec.recording, "done", seconds, seconds, ""))
        except InputError as error:
            receipt.append((rec.recording, "failed", rec.seconds, 0.0, str(error)))
    events = pd.concat([part for part in found if len(part)] or found[:1], ignore_index=True)
    return events, pd.DataFrame(receipt, columns=RECEIPT)


def _told(
    transcriber: Transcriber, path: str, seconds: float, hop: float, channel: int, beams: int, batch: int
) -> Iterator[tuple[Any, float]]:
    """A recording's calls, each as soon as no later window can change it. The next windows are read meanwhile."""
    hearing = transcriber.hearing
    window = hearing.window_seconds
    joining = Joining(window, hop, transcriber.words.step_seconds, seconds)
    starts = onsets(seconds, window, hop)
    blocks = [starts[first : first + batch] for first in range(0, len(starts), batch)]

    def read(block: np.ndarray) -> np.ndarray:
        return np.stack([hearing.sound(path, float(at), channel) for at in block])

    with ThreadPoolExecutor(1) as reader:
        coming = reader.submit(read, blocks[0])
        for number in range(len(blocks)):
            sounds = coming.result()
            if number + 1 < len(blocks):
                coming = reader.submit(read, blocks[number + 1])
            for calls, scores in transcriber.heard(hearing.pictures(sounds), beams):
                yield from joining.add(calls, scores)
