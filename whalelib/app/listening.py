"""Who listens on the page: a detector, which scores every moment, or a transcriber, which writes down calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from whalelib import clips
from whalelib.errors import InputError

if TYPE_CHECKING:  # torch is loaded by the functions that listen
    from whalelib.models import Detector
    from whalelib.transcribe import Transcriber

_BLOCK = 8  # windows that are transcribed at once, after each of which the visitor is told how far it is


def _as_they_are(scores: pd.DataFrame) -> pd.DataFrame:
    return scores


@dataclass(frozen=True)
class Ear:
    """A detector as the page uses it: with its name, and with what its run has decided about scores, if it has one."""

    detector: Detector
    name: str
    thresholds: Mapping[str, float] = field(default_factory=dict)
    bands: pd.DataFrame | None = None
    steps: Mapping[str, Any] = field(default_factory=dict)  # of post.detect
    hop_seconds: float = 1.5
    calibrated: Callable[[pd.DataFrame], pd.DataFrame] = _as_they_are  # scores as the thresholds are meant for
    notes: tuple[str, ...] = ()
    writes = False

    @property
    def classes(self) -> list[str]:
        """What it listens for: a noise class is no call, and is never said."""
        return [name for name in self.detector.classes if name != clips.NOISE]

    @property
    def rate(self) -> int:
        """What it hears, in samples a second."""
        return int(self.detector.sample_rate)

    def threshold(self, name: str) -> float:
        return float(self.thresholds.get(name, 0.5))

    def listen(
        self, recording: Any, channel: int, told: Callable[[float], None]
    ) -> tuple[pd.DataFrame, pd.DataFrame | None]:
        """The scores of a recording; `told` hears which share of it is done."""
        from whalelib import predict

        parts, path, seconds = [], recording["path"], float(recording["seconds"])
        for onset, offset, scores in predict.score(self.detector, path, seconds, self.hop_seconds, channel=channel):
            table = pd.DataFrame(scores, columns=self.detector.classes)[self.classes]
            parts.append(table.assign(onset=onset, offset=offset))
            told(float(offset[-1] / seconds))
        if not parts:
            raise InputError(f"{recording['recording']} holds no sound that could be analysed: record it again.")
        table = pd.concat(parts, ignore_index=True).assign(recording=recording["recording"])
        return self.calibrated(table[["recording", "onset", "offset", *self.classes]]), None


@dataclass(frozen=True)
class Scribe:
    """A transcriber as the page uses it."""

    transcriber: Transcriber
    name: str
    bands: pd.DataFrame | None = None
    steps: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    writes = True

    @property
    def classes(self) -> list[str]:
        """What it can write."""
        return list(self.transcriber.words.labels)

    @property
    def rate(self) -> int:
        """What it hears, in samples a second of the recording's own time."""
        return self.transcriber.hearing.sample_rate

    def threshold(self, name: str) -> float:
        """What it has written counts, however sure it is."""
        return 0.0

    def listen(
        self, recording: Any, channel: int, told: Callable[[float], None]
    ) -> tuple[pd.DataFrame, pd.DataFrame | None]:
        """How sure it is of what it writes, moment by moment, and what it writes; `told` hears how much is done."""
        from whalelib import transcribe

        table = recording.to_frame().T.astype({"seconds": float})
        watched = _watched(self.transcriber, float(recording["seconds"]), told)
        events, receipt = transcribe.transcribe(watched, table, channel=channel, batch=_BLOCK, progress=False)
        if receipt["status"].iloc[0] != "done":
            raise InputError(str(receipt["reason"].iloc[0]).replace(str(recording["path"]), recording["recording"]))
        return _sureness(events, recording, self.classes, self.transcriber.words.step_seconds), events


def _watched(transcriber: Transcriber, seconds: float, told: Callable[[float], None]) -> Transcriber:
    """The same transcriber, which tells how much of a recording it has heard."""
    from whalelib.transcribe import Transcriber

    class Watched(Transcriber):
        heard_seconds = 0.0

        def heard(self, pictures: np.ndarray, beams: int = 1) -> list[tuple[list[Any], list[float]]]:
            answers = transcriber.heard(pictures, beams)
            self.heard_seconds += len(pictures) * self.hearing.window_seconds * 0.75  # the rest is the next one's, too
            told(min(self.heard_seconds / seconds, 1.0))
            return answers

    return Watched(transcriber.model, transcriber.hearing, transcriber.words)


def _sureness(events: pd.DataFrame, recording: Any, classes: list[str], step: float) -> pd.DataFrame:
    """Calls as a scores table: how sure each is for as long as it lasts, and no score where none is."""
    seconds = float(recording["seconds"])
    onset = np.arange(max(int(np.ceil(seconds / step)), 1)) * step
    table = pd.DataFrame(dict.fromkeys(classes, np.full(len(onset), np.nan)))
    for call in events.itertuples():
        inside = slice(round(call.onset / step), max(round(call.offset / step), round(call.onset / step) + 1))
        table.loc[table.index[inside], call.label] = call.score
    when = {"recording": recording["recording"], "onset": onset, "offset": np.minimum(onset + step, seconds)}
    return pd.concat([pd.DataFrame(when), table], axis=1)
