"""Stretches of a visit's recording, to be drawn and to be heard."""

from __future__ import annotations

import numpy as np

from whalelib import audio, playing
from whalelib.errors import InputError

PADDING_SECONDS = 1.0
LONGEST_SECONDS = 30.0


def window(path: str, onset: float, seconds: float, sample_rate: int, channel: int = 1) -> np.ndarray:
    """A stretch of a recording; samples that are no numbers are silent, as they are where a recording is scanned."""
    try:
        return audio.read(path, onset, seconds, sample_rate, channel)
    except InputError:
        parts, at = [], 0.0
        for block in audio.stream(path, sample_rate, channel):
            first = round((onset - at) * sample_rate)
            parts.append(block.samples[max(first, 0) : max(first + round(seconds * sample_rate), 0)])
            at += len(block.samples) / sample_rate
            if at >= onset + seconds:
                break
        return np.concatenate(parts) if parts else np.zeros(1, dtype=np.float32)


def playable(
    path: str,
    onset: float,
    offset: float,
    *,
    seconds: float,
    sample_rate: int,
    speed: int | None = None,
    channel: int = 1,
) -> playing.Playable:
    """A detection with a second around it; without a `speed`, one that suits its pitch."""
    begin = max(onset - PADDING_SECONDS, 0.0)
    end = min(offset + PADDING_SECONDS, seconds, begin + LONGEST_SECONDS)
    samples = window(path, begin, end - begin, sample_rate, channel)
    inside = slice(round((onset - begin) * sample_rate), round((offset - begin) * sample_rate))
    hz = playing.loudest_hz(samples, inside, sample_rate)
    return playing.playable(samples, sample_rate, hz=hz, onset=begin, speed=speed)
