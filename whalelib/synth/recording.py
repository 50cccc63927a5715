"""One recording: what its day and its site sound like, the calls in it, and the truth about them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from whalelib.synth.calls import SPECIES
from whalelib.synth.noise import airgun, ambient_noise, knock, rain, recorder_hum, ship
from whalelib.synth.propagation import calls_around, snr_of
from whalelib.synth.waves import Wave, add, db

# A call whose level in its own band lies below the noise's there is a smudge at best: an annotator would hedge.
POSSIBLE_BELOW_DB = 0.0
# A call this far below the noise leaves no trace at all, so it is left out of the sound and of the truth.
BURIED_BELOW_DB = -12.0
SHIP_SHARE, RAIN_SHARE, AIRGUN_SHARE = 0.4, 0.25, 0.3
# Ships and showers pass in about this time, so a long recording hears several.
PASS_SECONDS = 1200.0
FIRST_DAY = pd.Timestamp("2009-03-28", tz="UTC")


@dataclass(frozen=True)
class Day:
    """What all sites share on a day."""

    start: pd.Timestamp
    mix: np.ndarray
    level_db: float
    slope_db: float
    airgun_db: float | None


@dataclass(frozen=True)
class Site:
    """What a site keeps on all days."""

    name: str
    level_db: float
    hump_db: float
    mains_hz: int
    hum_db: float
    knocks_per_minute: float


def rng_for(seed: int, *key: int) -> np.random.Generator:
    """Random numbers of their own for a day, a site or a recording, so none depends on how many there are."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))


def day_of(seed: int, day: int, seconds: float) -> Day:
    rng = rng_for(seed, 0, day)
    second = int(rng.uniform(0, max(86400 - seconds, 0)))
    mix = rng.gamma(6, 1 / 6, len(SPECIES))
    airgun_db = rng.uniform(102, 120) if rng.random() < AIRGUN_SHARE else None
    start = FIRST_DAY + pd.Timedelta(days=day, seconds=second)
    return Day(start, mix, rng.uniform(-5, 5), rng.uniform(12, 22), airgun_db)


def site_of(seed: int, site: int) -> Site:
    rng = rng_for(seed, 1, site)
    mains_hz = int(rng.choice([50, 60]))
    name = f"SITE{chr(ord('A') + site)}"
    return Site(name, rng.uniform(-3, 3), rng.uniform(2, 8), mains_hz, rng.uniform(70, 90), rng.uniform(0.5, 3))


def heard_noise(rng: np.random.Generator, rate: int, seconds: float, day: Day, site: Site) -> tuple[Wave, list[dict]]:
    """All that a recording hears besides whales, and when which of it, as (onset, offset, label)."""
    level_db = 72 + day.level_db + site.level_db + rng.normal(0, 1)
    sound = ambient_noise(rng, rate, seconds, level_db, day.slope_db, site.hump_db, rng.uniform(2, 14))
    sound += recorder_hum(rng, rate, seconds, site.mains_hz, site.hum_db)
    heard = []

    def lay(label: str, begin: float, wave: Wave, gain: float = 1.0) -> None:
        add(sound, begin, gain * wave if gain != 1.0 else wave, rate)
        heard.append({"onset": begin, "offset": min(begin + len(wave) / rate, seconds), "label": label})

    for begin in np.arange(0, seconds, PASS_SECONDS):
        length = min(PASS_SECONDS, seconds - begin)
        if rng.random() < SHIP_SHARE:
            lay("ship", begin, ship(rng, rate, length))
        if rng.random() < RAIN_SHARE:
            lay("rain", begin, rain(rng, rate, length, rng.uniform(56, 70)))
    if day.airgun_db is not None:
        level_db = day.airgun_db + rng.normal(0, 3)
        for shot in np.arange(rng.uniform(0, 10), seconds, rng.uniform(10, 15)):
            gain = db(level_db + rng.normal(0, 1))
            lay("air gun", shot, airgun(rng, rate), float(gain))
    for at in rng.uniform(0, seconds, rng.poisson(site.knocks_per_minute * seconds / 60)):
        gain = db(rng.uniform(95, 122))
        lay("knock", at, knock(rng, rate), float(gain))
    return sound, heard


def make_recording(
    seed: int, day_number: int, site_number: int, seconds: float, rate: int, density: float
) -> tuple[Wave, list[dict], list[dict]]:
    """One recording's sound, in uPa, the rows of its calls, and those of what else is heard in it."""
    day, site = day_of(seed, day_number, seconds), site_of(seed, site_number)
    sound, noises = heard_noise(rng_for(seed, 2, day_number, site_number), rate, seconds, day, site)
    # Noise draws from its own numbers, so an ocean without whales sounds the same but for them.
    calls = calls_around(rng_for(seed, 3, day_number, site_number), rate, seconds, day.mix, density)
    snr_db = [snr_of(call, sound, rate) for call in calls]
    heard = [(call, snr) for call, snr in zip(calls, snr_db, strict=True) if snr >= BURIED_BELOW_DB]
    for call, _ in heard:
        add(sound, call.begin, call.wave, rate)
    rows = [
        {
            "onset": round(call.onset, 3),
            "offset": min(round(call.offset, 3), seconds),
            "low_hz": round(call.low_hz, 1),
            "high_hz": round(call.high_hz, 1),
            "label": call.label,
            "truth": "possible" if snr < POSSIBLE_BELOW_DB else "present",
            "snr_db": round(snr, 2),
            "range_km": round(call.range_km, 2),
        }
        for call, snr in sorted(heard, key=lambda pair: pair[0].onset)
    ]
    return sound, rows, noises
