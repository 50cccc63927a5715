"""Sound as a browser plays it, fast enough that a human ear hears the lowest calls."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
import soundfile
import soxr

from whalelib import audio
from whalelib.errors import InputError

SPEEDS = (1, 2, 4, 8, 16)
_COMFORTABLE_HZ = 250.0  # small loudspeakers give little below
_LOWEST_HZ = 10.0  # a band that begins at 0 Hz has no middle
_RATES = (8000, 16000, 44100)  # what every browser plays
_FADE_SECONDS = 0.01


@dataclass(frozen=True)
class Playable:
    """A wav file in memory, and how it was made."""

    wav: bytes
    onset: float
    offset: float
    speed: int
    hz: float  # where most of its sound lies

    def says(self) -> str:
        """What is heard, in words."""
        stretch = f"{self.onset:.1f} to {self.offset:.1f} s"
        if self.speed == 1:
            return f"{stretch}, as recorded."
        return (
            f"{stretch}, played {self.speed} times as fast: a sound at {self.hz:.0f} Hz is heard at "
            f"{self.hz * self.speed:.0f} Hz."
        )


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
    samples: np.ndarray, sample_rate: int, *, hz: float, onset: float = 0.0, speed: int | None = None
) -> Playable:
    """A sound that begins at `onset`, evened in loudness; without a `speed`, one that suits its pitch of `hz`."""
    speed = speed or suited_speed(hz)
    heard = sample_rate * speed
    rate = next((rate for rate in _RATES if rate >= heard), _RATES[-1])
    samples = np.asarray(samples, dtype=np.float32)
    sound = samples - samples.mean() if len(samples) else samples
    sound = soxr.resample(sound, heard, rate) if heard != rate else sound
    peak = float(np.abs(sound).max(initial=0.0))
    sound = sound * np.float32(0.9 / peak) if peak > 0 else sound
    fade = np.linspace(0, 1, min(int(_FADE_SECONDS * rate), len(sound) // 2), dtype=np.float32)
    if len(fade):
        sound[: len(fade)] *= fade
        sound[-len(fade) :] *= fade[::-1]
    file = io.BytesIO()
    soundfile.write(file, sound, rate, format="WAV", subtype="PCM_16")
    return Playable(file.getvalue(), onset, onset + len(samples) / sample_rate, speed, hz)


def suited_speed(hz: float) -> int:
    """How much faster a sound must be played to be heard well."""
    return next((speed for speed in SPEEDS if hz * speed >= _COMFORTABLE_HZ), SPEEDS[-1])


def middle_hz(low_hz: float, high_hz: float) -> float:
    """The middle of a band, as ears have it: as many octaves above as below."""
    return float(np.sqrt(max(low_hz, _LOWEST_HZ) * max(high_hz, _LOWEST_HZ)))


def loudest_hz(samples: np.ndarray, inside: slice, sample_rate: int) -> float:
    """Where the sound inside a stretch stands out most from what is around it."""
    from scipy import signal

    part = samples[inside]
    size = min(max(sample_rate // 4, 16), len(samples))
    if len(part) < 8 or not np.any(part):
        return sample_rate / 4
    rest = np.concatenate([samples[: inside.start], samples[inside.stop :]])
    size = min(size, len(part))
    hz, here = signal.welch(part, sample_rate, nperseg=size, detrend="constant")
    around = signal.welch(rest, sample_rate, nperseg=size, detrend="constant")[1] if len(rest) >= size else 0.0
    excess = np.clip(here - around, 0, None)
    excess[0] = 0.0  # an offset is no sound
    return float(hz[int(np.argmax(excess))]) or float(hz[1])
