"""A season of song: one repertoire of units that every singer knows, sung in phrases, each unit with its label."""

from __future__ import annotations

import numpy as np

from whalelib.synth.calls import Unit, humpback_unit
from whalelib.synth.recording import POSSIBLE_BELOW_DB, day_of, heard_noise, rng_for, site_of
from whalelib.synth.waves import Wave, add, db, energy_box, in_band_rms

UNITS = ("unit_a", "unit_b", "unit_c", "unit_d", "unit_e", "unit_f")
_CONTOURS = ("up", "down", "flat", "arch")
# A second singer is further away, and often there is none.
SECOND_SINGER_SHARE = 0.3
_SNR_DB, _FURTHER_DB = (6.0, 22.0), (6.0, 12.0)


def repertoire(seed: int) -> dict[str, Unit]:
    """The units of a season, told apart by pitch, contour and length; all its singers sing these."""
    rng = rng_for(seed, 10)
    pitches = 130 * (430 / 130) ** ((np.arange(len(UNITS)) + rng.uniform(0.2, 0.8, len(UNITS))) / len(UNITS))
    order = rng.permutation(len(UNITS))
    units = {}
    for k, name in enumerate(UNITS):
        contour, octaves = _CONTOURS[k % len(_CONTOURS)], rng.uniform(0.3, 0.5)
        overtones = tuple(rng.uniform(0.2, 0.7, size=rng.integers(1, 3)).cumprod())
        units[name] = Unit(rng.uniform(0.6, 1.8), float(pitches[order[k]]), octaves, contour, overtones)
    return units


def sung(rng: np.random.Generator, seconds: float) -> list[tuple[float, str]]:
    """When which unit is sung: themes of one phrase that is repeated, with breaths between."""
    at, units = rng.uniform(0, 6), []
    while at < seconds:
        phrase = rng.choice(UNITS, size=int(rng.integers(2, 5)))
        for _ in range(int(rng.integers(2, 5))):
            for name in phrase:
                units.append((at, str(name)))
                at += rng.uniform(1.6, 3.0)
            at += rng.uniform(0.5, 2.0)
        at += rng.exponential(4.0)
    return units


def make_song(
    seed: int, day_number: int, site_number: int, seconds: float, rate: int
) -> tuple[Wave, list[dict], list[dict]]:
    """One recording's sound, in uPa, the rows of all singers' units, and those of what else is heard in it."""
    day, site = day_of(seed, day_number, seconds), site_of(seed, site_number)
    sound, noises = heard_noise(rng_for(seed, 2, day_number, site_number), rate, seconds, day, site)
    noise, rows, units = sound.copy(), [], repertoire(seed)
    rng = rng_for(seed, 11, day_number, site_number)
    near_db = rng.uniform(*_SNR_DB)
    levels = [near_db]
    if rng.random() < SECOND_SINGER_SHARE:
        levels.append(near_db - rng.uniform(*_FURTHER_DB))
    for level_db in levels:
        for at, name in sung(rng, seconds):
            wave = humpback_unit(rng, rate, units[name])
            onset, offset, low_hz, high_hz = energy_box(wave, rate)
            if at + offset > seconds or not np.any(wave):
                continue
            snr_db = level_db + rng.normal(0, 1.5)
            around = in_band_rms(noise, rate, at + onset, at + offset, low_hz, high_hz)
            add(sound, at, (db(snr_db) * around * wave).astype(np.float32), rate)
            rows.append(
                {
                    "onset": round(at + onset, 3),
                    "offset": round(at + offset, 3),
                    "low_hz": round(low_hz, 1),
                    "high_hz": round(high_hz, 1),
                    "label": name,
                    "truth": "possible" if snr_db < POSSIBLE_BELOW_DB else "present",
                    "snr_db": round(snr_db, 2),
                    "range_km": np.nan,
                }
            )
    return sound, sorted(rows, key=lambda row: row["onset"]), noises
