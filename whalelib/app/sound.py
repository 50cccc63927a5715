"""Stretches of a visit's recording, to be drawn and to be heard."""

from __future__ import annotations

from whalelib import playing

PADDING_SECONDS = 1.0
LONGEST_SECONDS = 30.0


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
    samples = playing.window(path, begin, end - begin, sample_rate, channel)
    inside = slice(round((onset - begin) * sample_rate), round((offset - begin) * sample_rate))
    hz = playing.loudest_hz(samples, inside, sample_rate)
    return playing.playable(samples, sample_rate, hz=hz, onset=begin, speed=speed)
