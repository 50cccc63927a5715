"""Probe a sound file, read a window of it, stream it in bounded memory."""

from __future__ import annotations

import math
import os
import re
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import soundfile
import soxr

from whalelib.audio.headers import plain_wav
from whalelib.audio.remote import RemoteFile, open_uri
from whalelib.audio.systems import is_uri, local_path
from whalelib.audio.trouble import shown
from whalelib.errors import InputError

# A resampling filter rings for a few hundred samples of the lower rate; a window read with this margin on both sides
# equals the same window cut from the whole recording resampled at once.
_MARGIN_SAMPLES = 512

Channel = int | Literal["mean"]  # one, counted from 1, or all of them averaged


@dataclass(frozen=True)
class Probe:
    """What a file's header says, held against the file's real length."""

    seconds: float
    sample_rate: int
    channels: int
    problem: str = ""  # a sentence, where a part of the file is missing


@dataclass(frozen=True)
class Block:
    """A stretch of a recording, with the stretches in it that are no sound (as seconds of the recording)."""

    samples: np.ndarray
    onset: float
    bad: list[tuple[float, float]]


@dataclass(frozen=True)
class _Sound:
    """An open sound file: the decoder, the bytes under it, and the name that sentences give it."""

    file: soundfile.SoundFile
    raw: Any
    name: str


def probe(path: str | Path) -> Probe:
    """Length, rate and channels of a sound file, without reading its samples."""
    if not is_uri(path) and (plain := plain_wav(local_path(path))):
        return Probe(plain.frames / plain.sample_rate, plain.sample_rate, plain.channels)
    with _opened(path) as sound:
        rate, channels, frames = sound.file.samplerate, sound.file.channels, sound.file.frames
        missing = _missing_wav_bytes(sound.raw)
        _raise_failure(sound.raw)
    seconds = frames / rate
    problem = ""
    if missing:
        problem = (
            f"{sound.name} is cut short: its header promises {missing:,} bytes more than the file has, so only the "
            f"first {seconds:.1f} s can be used; fetch it again if there is a whole copy."
        )
    return Probe(seconds, rate, channels, problem)


def read(
    path: str | Path, onset: float, seconds: float, sample_rate: int | None = None, channel: Channel = 1
) -> np.ndarray:
    """The window [onset, onset + seconds] of one channel (counted from 1) or their mean, at `sample_rate` if given.

    Only the window (and a small margin, when resampling) is read. A window that reaches past either end gives what
    there is. Samples that are not finite raise, because they would make every feature of the clip NaN.
    """
    if not (onset >= 0 and seconds > 0):
        raise InputError(
            f"{shown(path)}: a window of {seconds:g} s from {onset:g} s cannot be read; both count forward."
        )
    with _opened(path) as sound:
        rate, frames = sound.file.samplerate, sound.file.frames
        _check_channel(sound, channel)
        first, last = round(onset * rate), round((onset + seconds) * rate)
        if sample_rate in (None, rate):
            samples = _mono(_frames(sound, first, last, channel))
        else:
            margin = math.ceil(_MARGIN_SAMPLES * rate / min(rate, sample_rate))
            # Begin where a sample of the new rate lies on one of the old, or the window is off by part of a sample.
            step = rate // math.gcd(rate, sample_rate)
            begin = max(first - margin, 0) // step * step
            raw = _mono(_frames(sound, begin, last + margin, channel))
            whole = soxr.resample(raw, rate, sample_rate)
            cut = round(first * sample_rate / rate) - begin * sample_rate // rate
            available = min(last, frames) - first
            samples = whole[cut : cut + max(round(available * sample_rate / rate), 0)]
    bad = np.flatnonzero(~np.isfinite(samples))
    if len(bad):
        at = onset + bad[0] / (sample_rate or rate)
        raise InputError(
            f"{sound.name} holds a sample that is no number at {at:.3f} s: repair the file or leave it out."
        )
    return samples


def stream(
    path: str | Path,
    sample_rate: int,
    channel: Channel = 1,
    block_seconds: float = 60.0,
    watch: Callable[[np.ndarray, int], None] | None = None,
) -> Iterator[Block]:
    """One channel of a whole recording at `sample_rate`, in consecutive blocks, without seams between them.

    Samples that are not finite come as zeros and are listed in the block's `bad`, so that one of them neither spreads
    through the resampling filter nor passes for silence. `watch` is shown what is read, [samples, channels] as they are
    in the file, and the file's own rate.
    """
    with _opened(path) as sound:
        rate, frames = sound.file.samplerate, sound.file.frames
        _check_channel(sound, channel)
        resampler = soxr.ResampleStream(rate, sample_rate, 1, dtype="float32") if rate != sample_rate else None
        size, done, given = max(int(block_seconds * rate), 1), 0, 0
        while done < frames:
            read = _frames(sound, done, done + size, channel)
            if watch is not None:
                watch(read, rate)
            raw = _mono(read)
            bad = [(a + done / rate, b + done / rate) for a, b in _runs(~np.isfinite(raw), rate)]
            raw = np.where(np.isfinite(raw), raw, np.float32(0))
            done += len(raw)
            out = raw if resampler is None else resampler.resample_chunk(raw, last=done >= frames)
            yield Block(out, given / sample_rate, bad)
            given += len(out)


@contextmanager
def _opened(path: str | Path) -> Iterator[_Sound]:
    name = shown(path)
    try:
        with _raw(path) as raw:
            if not raw.read(1):
                _raise_failure(raw)
                raise InputError(f"{name} is a file of zero bytes: fetch it again or leave it out.")
            raw.seek(0)
            try:
                with soundfile.SoundFile(raw if is_uri(path) else raw.name) as file:  # by name it is twice as fast
                    _raise_failure(raw)
                    if file.frames <= 0:
                        raise InputError(f"{name} holds no samples: it is an empty recording; leave it out.")
                    yield _Sound(file, raw, name)
            except (soundfile.SoundFileError, TypeError) as error:  # a file called .raw is a TypeError
                _raise_failure(raw)
                reason = getattr(error, "error_string", str(error)).rstrip(".")
                mend = "check that it really is a sound file"
                raise InputError(f"{name} cannot be read as sound ({reason}): {mend}.") from None
    except OSError as error:
        mend = "check its name and permissions"
        if isinstance(path, Path) and re.match(r"[a-z][a-z0-9]+:[/\\]", str(path)):
            mend = "a uri must be given as text, because a Path makes one slash of its two"
        raise InputError(f"{name} cannot be opened ({error.strerror}): {mend}.") from None


def _raw(path: str | Path) -> Any:
    """The bytes of a file, here or elsewhere, as a decoder wants them."""
    if is_uri(path):
        return open_uri(str(path))
    path = local_path(path)
    if os.path.isdir(path):
        raise InputError(f"{path} is a folder, not a sound file.")
    return open(path, "rb")


def _raise_failure(raw: Any) -> None:
    if isinstance(raw, RemoteFile):
        raw.raise_failure()


def _frames(sound: _Sound, first: int, last: int, channel: Channel) -> np.ndarray:
    """Samples [samples, channels]: of the one channel, or of all that are to be averaged."""
    file, raw = sound.file, sound.raw
    first, last = min(first, file.frames), min(last, file.frames)
    try:
        file.seek(first)
        if isinstance(raw, RemoteFile):
            raw.expect(math.ceil((last - first) * raw.size / file.frames))
        samples = file.read(last - first, dtype="float32", always_2d=True)
    except soundfile.SoundFileError:
        samples = np.empty((0, file.channels), dtype=np.float32)
    _raise_failure(raw)
    if len(samples) < last - first:
        at = (first + len(samples)) / file.samplerate
        raise InputError(f"{sound.name} breaks off near {at:.1f} s although its header promises more: fetch it again.")
    return samples if channel == "mean" else samples[:, channel - 1 : channel]


def _mono(samples: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(samples[:, 0]) if samples.shape[1] == 1 else samples.mean(axis=1)


def _check_channel(sound: _Sound, channel: Channel) -> None:
    channels = sound.file.channels
    if channel != "mean" and not 1 <= channel <= channels:
        raise InputError(
            f"{sound.name} has {channels} channel(s), so there is no channel {channel}; they count from 1."
        )


def _runs(mask: np.ndarray, rate: int) -> list[tuple[float, float]]:
    """The stretches where a mask is true, in seconds."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    return [(float(a) / rate, float(b) / rate) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def _missing_wav_bytes(raw: Any) -> int:
    """How many bytes a wav's data chunk lacks. The decoder is silent about it and plays what is there."""
    total = raw.seek(0, os.SEEK_END)
    raw.seek(0)
    if raw.read(4) != b"RIFF":
        return 0
    raw.seek(12)
    while len(header := raw.read(8)) == 8:
        kind, size = header[:4], struct.unpack("<I", header[4:])[0]
        if kind == b"data":
            # Recorders that stream write 0 or the largest number, meaning "until the end".
            return 0 if size in (0, 0xFFFFFFFF) else max(raw.tell() + size - total, 0)
        raw.seek(size + size % 2, os.SEEK_CUR)
    return 0
