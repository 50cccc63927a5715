"""One recording to its file of scores, and what there is to say of it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np

from whalelib import audio
from whalelib.audio.trouble import shown
from whalelib.errors import InputError
from whalelib.models import Detector
from whalelib.predict import score_files
from whalelib.predict.levels import Levels
from whalelib.predict.windows import score

_Stretch = tuple[np.ndarray, np.ndarray, np.ndarray]


class Task(NamedTuple):
    """A recording to be heard on one channel, where its scores go, and the paths of those before and after it."""

    rec: Any
    channel: audio.Channel
    file: Path
    before: str
    after: str


class Way(NamedTuple):
    """How recordings are heard: the step from window to window, windows at once, until when."""

    hop_seconds: float
    batch: int
    deadline: float  # of time.monotonic()


class _TimeIsUp(Exception):
    """The deadline came in the middle of a recording."""


def hear(
    detector: Detector, task: Task, made_by: dict[str, Any], way: Way, so_far: Callable[[float], None]
) -> dict[str, Any] | None:
    """Score a recording; returns what its file of scores then says of itself, or why there is none.

    None if the deadline came first; then nothing is left of it. `so_far` is told the seconds that are heard.
    """
    about: dict[str, Any] = {"made_by": made_by}
    try:
        cells = _stretches(detector, task, way, about, so_far)
        score_files.write(task.file, task.rec.recording, detector.classes, cells, about)
    except _TimeIsUp:
        return None
    except InputError as error:
        task.file.unlink(missing_ok=True)  # scores of an older detector must not pass for this one's
        return {"analysed_seconds": 0.0, "reason": str(error)}
    return about


def _stretches(
    detector: Detector, task: Task, way: Way, about: dict[str, Any], so_far: Callable[[float], None]
) -> Iterator[_Stretch]:
    """The scores of a recording as they come; after the last ones `about` says what was heard."""
    path, analysed, levels = task.rec.path, 0.0, Levels()
    found = audio.probe(path)
    stretches = score(
        detector,
        path,
        found.seconds,
        way.hop_seconds,
        way.batch,
        task.channel,
        before=task.before,
        after=task.after,
        watch=levels.hear,
    )
    heard = 0.0
    with contextlib.closing(cast(Generator, stretches)):
        try:
            for onset, offset, scores in stretches:
                heard = float(offset[-1])
                analysed += float((offset - onset)[np.isfinite(scores).all(axis=1)].sum())
                so_far(heard)
                yield onset, offset, scores
                if heard < found.seconds and time.monotonic() >= way.deadline:
                    raise _TimeIsUp
        except (OSError, MemoryError) as error:  # while reading: what fails in writing does not come by here
            mend = "fetch it again or leave it out"
            raise InputError(f"{shown(path)} cannot be read to its end ({error}): {mend}.") from None
    if not heard:
        says = f"{found.seconds:.2g} s at {found.sample_rate:,} Hz"
        raise InputError(f"{shown(path)} is too short to be heard ({says}, as its header has it): leave it out.")
    silent, clipped = levels.shares()
    reason = found.problem
    if found.seconds - analysed > 1e-3:
        lost = f"{found.seconds - analysed:.2f} s hold samples that are no numbers and were not analysed"
        reason = f"{reason} {shown(path)}: {lost}.".strip()
    about |= {"seconds": found.seconds, "sample_rate": found.sample_rate}
    about |= {"analysed_seconds": round(analysed, 6), "reason": reason}
    about |= {"silent_share": round(silent, 6), "clipped_share": round(clipped, 6)}
