"""What a transcriber hears of a recording: a window of it, played faster, as Whisper's log-mel picture."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np

from whalelib import audio
from whalelib.errors import InputError

MODEL_RATE = 16000
MOST_SECONDS = 30.0  # of sound as the model hears it; Whisper has no positions beyond
_FRAMES_A_SECOND = 100


@dataclass(frozen=True)
class Hearing:
    """The length of a window in the recording's own seconds, how much faster it is played, and the picture's bands."""

    window_seconds: float
    speed: float = 1.0
    bands: int = 80

    def __post_init__(self) -> None:
        if self.window_seconds > MOST_SECONDS * self.speed + 1e-9:
            raise InputError(
                f"a window of {self.window_seconds:g} s at speed {self.speed:g} is longer than the {MOST_SECONDS:g} s "
                f"that Whisper hears: set transcript_seconds to at most {MOST_SECONDS * self.speed:g}, or raise speed."
            )
        if abs(MODEL_RATE / self.speed - self.sample_rate) > 1e-6:
            raise InputError(f"speed {self.speed:g} makes no whole rate of {MODEL_RATE} Hz: choose 2, 4, 5, 8 or 10.")
        if self.frames < 4:
            raise InputError(f"a window of {self.window_seconds:g} s is too short: set transcript_seconds higher.")

    @property
    def sample_rate(self) -> int:
        """What recordings are resampled to, so that played `speed` times as fast they have the model's rate."""
        return round(MODEL_RATE / self.speed)

    @property
    def samples(self) -> int:
        return self.frames * MODEL_RATE // _FRAMES_A_SECOND

    @property
    def frames(self) -> int:
        """Columns of the picture: an even number, because the model's second layer takes every other."""
        return 2 * int(np.ceil(self.window_seconds / self.speed * _FRAMES_A_SECOND / 2 - 1e-9))

    @property
    def step_seconds(self) -> float:
        """The step of published Whisper's own moments, 20 ms as it hears them."""
        return 0.02 * self.speed

    def sound(self, path: str, onset: float, channel: int = 1, seconds: float | None = None) -> np.ndarray:
        """A window's samples, or its first `seconds`, filled up with zeros where the recording ends before it does."""
        read = audio.read(path, onset, seconds or self.window_seconds, self.sample_rate, channel)
        return audio.pad(read[: self.samples], self.samples, "zeros")

    def pictures(self, sounds: np.ndarray) -> np.ndarray:
        """Log-mel pictures [windows, bands, frames], as Whisper's own extractor makes them."""
        import torch

        with torch.inference_mode():
            return self._front(torch.from_numpy(sounds))[:, 0].numpy()

    @cached_property
    def _front(self) -> Any:
        from whalelib.features.published import WhisperLogMel

        return WhisperLogMel(MODEL_RATE, self.bands).eval()

    def about(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)
