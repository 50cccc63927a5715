"""Front ends by name: those whose every step is a knob, presets of them, and those of published models."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from whalelib.errors import InputError
from whalelib.features.contract import FrontEnd
from whalelib.features.published import AstFilterBank, Waveform, WhisperLogMel
from whalelib.features.spectrogram import PICTURES, Spectrogram
from whalelib.filters import PRESETS

_PUBLISHED: dict[str, Callable[[int], FrontEnd]] = {
    "ast": AstFilterBank,
    "whisper": WhisperLogMel,
    "waveform": Waveform,
}
FRONT_ENDS = (*PICTURES, *PRESETS, *_PUBLISHED)


def build(sample_rate: int, clip_seconds: float = 3.0, *, front_end: str = "mel", **knobs: Any) -> FrontEnd:
    """The front end that the knobs describe; one that copies a published model's hears none but `front_end`."""
    if front_end not in FRONT_ENDS:
        raise InputError(f"front_end cannot be {front_end!r}: it is one of {', '.join(FRONT_ENDS)}.")
    if front_end in _PUBLISHED:
        return _PUBLISHED[front_end](sample_rate)
    return Spectrogram(sample_rate, clip_seconds, **{**knobs, "front_end": front_end, **PRESETS.get(front_end, {})})
