"""Listen to a bounded sample of every recording: levels, faults, and a digest of the samples.

A recording no longer than `listen_seconds` is heard whole, a longer one in windows spread over it. Only figures are
kept, so memory does not grow with the sound.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from whalelib import audio
from whalelib.errors import InputError

SPREAD_SECONDS = 2.0  # length of one of the windows that are spread over a long recording
PIECE_SECONDS = 20.0  # a short recording is read in pieces of at most this length
STUCK_SECONDS = 0.05  # samples that do not change for so long are a dropout, not sound
LENGTH_TOLERANCE = 0.05


@dataclass
class Heard:
    """What listening found."""

    table: pd.DataFrame  # one row a recording that could be read, see `_Meter.row`
    trouble: pd.DataFrame  # recording, kind, says: what could not be read, or is not as the table says


def windows(seconds: float, listen_seconds: float) -> list[tuple[float, float]]:
    """Where to listen: (onset, seconds), the whole of a short recording, otherwise windows spread over it."""
    if seconds <= listen_seconds:
        count = max(int(np.ceil(seconds / PIECE_SECONDS)), 1)
        return [(k * seconds / count, seconds / count) for k in range(count)]
    length = min(SPREAD_SECONDS, listen_seconds)
    count = max(int(listen_seconds / length), 1)
    return [(float(onset), length) for onset in np.linspace(0, seconds - length, count)]


def listen(recordings: pd.DataFrame, *, listen_seconds: float, progress: bool) -> Heard:
    """Listen to every recording, on its `listen_channel`; what cannot be read is listed, and the rest goes on."""
    from tqdm.auto import tqdm

    rows: list[dict] = []
    trouble: list[tuple[str, str, str]] = []
    for rec in tqdm(recordings.itertuples(), "listening", len(recordings), disable=not progress):
        meter = _Meter()
        faults = _against_header(rec)
        for onset, seconds in windows(rec.seconds, listen_seconds) if not faults.get("unreadable") else []:
            try:
                samples = audio.read(rec.path, onset, seconds, channel=int(rec.listen_channel))
            except InputError as error:
                # One window that cannot be read loses neither the others nor its sentence.
                faults.setdefault("not-a-number" if "no number" in str(error) else "unreadable", str(error))
                continue
            if len(samples):
                meter.hear(samples, rec.sample_rate)
        trouble += [(rec.recording, kind, says) for kind, says in faults.items()]
        if meter.samples:
            rows.append({"recording": rec.recording, "group": rec.group, **meter.row(rec.sample_rate)})
    table = pd.DataFrame(rows, columns=["recording", "group", *_Meter().row(1)])
    return Heard(table, pd.DataFrame(trouble, columns=["recording", "kind", "says"]))


def _against_header(rec) -> dict[str, str]:  # type: ignore[no-untyped-def]
    """What the file's header says otherwise than the table, by kind."""
    try:
        header = audio.probe(rec.path)
    except InputError as error:
        return {"unreadable": str(error)}
    faults = {"cut-short": header.problem} if header.problem else {}
    if header.sample_rate != rec.sample_rate or header.channels != rec.channels:
        faults["other-format"] = (
            f"{rec.path} has {header.channels} channel(s) at {header.sample_rate} Hz, its row in the table says "
            f"{rec.channels} at {rec.sample_rate} Hz."
        )
    elif abs(header.seconds - rec.seconds) > LENGTH_TOLERANCE:
        faults["other-length"] = (
            f"{rec.path} lasts {header.seconds:.2f} s, its row in the table says {rec.seconds:.2f} s."
        )
    return faults


@dataclass
class _Meter:
    """Figures of a recording, gathered piece by piece."""

    samples: int = 0
    total: float = 0.0
    energy: float = 0.0
    low: float = np.inf
    high: float = -np.inf
    flat: dict[str, int] = field(default_factory=lambda: {"low": 0, "high": 0})  # samples in flat tops at the extremes
    stuck: int = 0  # samples in dropouts
    longest: int = 0
    digest: hashlib.blake2b = field(default_factory=lambda: hashlib.blake2b(digest_size=12))

    def hear(self, samples: np.ndarray, rate: int) -> None:
        exact = samples.astype(np.float64)
        self.samples += len(samples)
        self.total += float(exact.sum())
        self.energy += float(exact @ exact)
        self.digest.update(np.ascontiguousarray(samples).tobytes())
        begins = np.concatenate([[0], np.flatnonzero(samples[1:] != samples[:-1]) + 1])
        lengths = np.diff(np.concatenate([begins, [len(samples)]]))
        level = exact[begins]
        # Noise does not stay at the very same highest value for three samples; a converter at its limit does.
        flat = lengths >= 3
        for side, sign in (("high", 1), ("low", -1)):
            extreme, here = sign * getattr(self, side), float((sign * level).max())
            if here > extreme + 1e-4 * abs(here):
                self.flat[side], extreme = 0, here
            near = flat & (sign * level >= extreme - 1e-4 * abs(extreme))
            self.flat[side] += int(lengths[near].sum())
            setattr(self, side, sign * max(extreme, here))
        stuck = lengths[lengths >= max(STUCK_SECONDS * rate, 20)]
        self.stuck += int(stuck.sum())
        self.longest = max(self.longest, int(stuck.max(initial=0)))

    def row(self, rate: int) -> dict:
        """The figures: levels are shares of full scale, `rms` without the constant part, shares are of samples."""
        n = max(self.samples, 1)
        dc = self.total / n
        peak = max(self.high, -self.low, 0.0) if self.samples else 0.0
        return {
            "heard_seconds": self.samples / rate,
            "rms": float(np.sqrt(max(self.energy / n - dc * dc, 0.0))),
            "peak": peak,
            "swing": self.high - self.low if self.samples else 0.0,
            "dc": dc,
            "clipped_share": (self.flat["high"] + self.flat["low"]) / n,
            "stuck_share": self.stuck / n,
            "longest_stuck_seconds": self.longest / rate,
            "digest": f"{self.samples}-{self.digest.hexdigest()}",
        }
