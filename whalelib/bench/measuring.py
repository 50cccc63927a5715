"""What the benchmarks share: processes of their own, peak memory, and noise to read."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import soundfile

RATE = 2000


def in_own_process(name: str, path: Path) -> list[float]:
    """The figures that a part of a benchmark prints, run by itself so that its memory is its own."""
    script = [sys.executable, "-m", "whalelib.bench", name, str(path)]
    return [
        float(word) for word in subprocess.run(script, stdout=subprocess.PIPE, text=True, check=True).stdout.split()
    ]


def peak_mib() -> float:
    """The most memory this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def write_noise(path: Path, hours: int) -> None:
    """Hours of the same minute of noise: what it sounds like does not matter here."""
    minute = np.random.default_rng(0).normal(0, 0.1, 60 * RATE).astype(np.float32)
    with soundfile.SoundFile(path, "w", RATE, 1, "PCM_16") as file:
        for _ in range(60 * hours):
            file.write(minute)
