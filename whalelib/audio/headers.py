"""The plain header of a wav, read without a decoder: a data set may have a hundred thousand clips."""

from __future__ import annotations

import os
import struct
from io import FileIO
from typing import NamedTuple

# RIFF, size, WAVE, "fmt ", its 16 bytes (format, channels, rate, bytes a second, bytes a frame, bits), data, size
_PLAIN = struct.Struct("<4sI4s4sIHHIIHH4sI")
_PCM, _BITS, _MOST_CHANNELS = 1, (8, 16, 24, 32), 1024


class WavHeader(NamedTuple):
    """What a plain header says, once the file was found to be as long as it says."""

    sample_rate: int
    channels: int
    frames: int


def plain_wav(path: str | os.PathLike) -> WavHeader | None:
    """The header of a whole wav of integers that holds samples and nothing else.

    Anything else gives None, so that a decoder judges it: other formats and other chunks, a file that is cut short or
    empty, and one that cannot be opened.
    """
    if not os.fspath(path).lower().endswith(".wav"):
        return None
    try:
        with FileIO(path) as file:
            start, size = file.read(_PLAIN.size), os.fstat(file.fileno()).st_size
    except (OSError, ValueError):  # (a name with a zero byte in it)
        return None
    if len(start) < _PLAIN.size:
        return None
    riff, riff_size, wave, fmt, fmt_size, kind, channels, rate, second, frame, bits, data, length = _PLAIN.unpack(start)
    plain = (
        (riff, wave, fmt, fmt_size, kind, data) == (b"RIFF", b"WAVE", b"fmt ", 16, _PCM, b"data")
        and (riff_size, length) == (size - 8, size - _PLAIN.size)
        and bits in _BITS
        and 1 <= channels <= _MOST_CHANNELS
        and frame == channels * bits // 8
        and 0 < rate < 2**31
        and second == rate * frame
        and 0 < length == length // frame * frame
    )
    return WavHeader(rate, channels, length // frame) if plain else None
