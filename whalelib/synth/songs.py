"""A forest in the manner of the ocean: birds and frogs that sing, each kind in its own way, in wind and insects."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.signal

from whalelib.synth.waves import Wave, add, db, envelope, ramp, tone, unit_rms

# How far a song stands out of the forest, over all frequencies.
FAINT_DB, LOUD_DB = 0.0, 20.0


@dataclass(frozen=True)
class Song:
    """One kind of song: syllables that sweep from one frequency to another; every singing of it differs a little."""

    first_hz: float
    last_hz: float
    syllables: int
    syllable_seconds: float
    pause_seconds: float
    trill_hz: float  # how fast a syllable flutters
    flutter: float  # and how far, as a share of its frequency


def song_of(rng: np.random.Generator, low_hz: float = 900.0, high_hz: float = 7000.0) -> Song:
    """A random kind of song in this band."""
    first, last = low_hz * (high_hz / low_hz) ** rng.uniform(0, 1, 2)
    seconds = rng.uniform(0.06, 0.35)
    pause = rng.uniform(0.03, 0.2)
    return Song(first, last, int(rng.integers(2, 8)), seconds, pause, rng.uniform(8, 40), rng.uniform(0, 0.12))


def sing(rng: np.random.Generator, rate: int, song: Song) -> Wave:
    """One singing of this song; RMS one."""
    pieces = []
    for _ in range(song.syllables):
        seconds = song.syllable_seconds * rng.uniform(0.9, 1.1)
        t = ramp(seconds, rate)
        hz = song.first_hz * (song.last_hz / song.first_hz) ** t * rng.uniform(0.98, 1.02)
        hz = hz * (1 + song.flutter * np.sin(2 * np.pi * song.trill_hz * seconds * t))
        pieces.append(envelope(len(t), 0.2, 0.3) * (tone(hz, rate) + 0.2 * tone(2 * hz, rate)))
        pieces.append(np.zeros(round(song.pause_seconds * rng.uniform(0.8, 1.2) * rate)))
    return unit_rms(np.concatenate(pieces[:-1]))


def forest(rng: np.random.Generator, rate: int, seconds: float) -> Wave:
    """Wind in the leaves, lower as it gets louder, and insects that never stop; RMS of about one, float32."""
    n = round(seconds * rate)
    white = rng.standard_normal(n, dtype=np.float32)
    wind = scipy.signal.lfilter([1.0], [1.0, np.float32(-rng.uniform(0.7, 0.95))], white)
    hz = rng.uniform(0.25, 0.4) * rate
    sos = scipy.signal.butter(2, [hz, min(1.1 * hz, 0.48 * rate)], "bandpass", fs=rate, output="sos")
    insects = scipy.signal.sosfilt(sos, white) * (1 + 0.5 * np.sin(2 * np.pi * rng.uniform(2, 9) * np.arange(n) / rate))
    sound = wind / np.std(wind) + rng.uniform(0.1, 0.6) * insects / np.std(insects)
    return (sound / np.std(sound)).astype(np.float32)


def sung(rng: np.random.Generator, rate: int, sound: Wave, begin: float, song: Song) -> tuple[float, float]:
    """Sing into a sound at this second, near or far; where the singing begins and ends."""
    wave = sing(rng, rate, song)
    add(sound, begin, np.float32(db(rng.uniform(FAINT_DB, LOUD_DB))) * wave.astype(np.float32), rate)
    return begin, min(begin + len(wave) / rate, len(sound) / rate)
