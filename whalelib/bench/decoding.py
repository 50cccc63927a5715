"""What it costs to decode recordings and bring them to a detector's rate, before any network hears them."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import soundfile

RATE = 2000  # what they are brought to
KINDS = ((2000, "wav", "PCM_16"), (48000, "wav", "PCM_16"), (96000, "wav", "PCM_24"), (96000, "flac", "PCM_16"))


def decode_speed(folder: Path) -> None:
    """Times real time of one core, by its own clock, so that other work on the machine counts little."""
    from whalelib import audio

    print(f"decoded and brought to {RATE} Hz, by the clock of one core")
    for rate, ending, subtype in KINDS:
        seconds = 3600 if rate <= RATE else 600
        path = folder / f"{rate}.{ending}"
        minute = np.random.default_rng(0).normal(0, 0.03, 60 * rate).astype(np.float32)
        with soundfile.SoundFile(path, "w", rate, 1, subtype) as file:
            for _ in range(seconds // 60):
                file.write(minute)
        begin = time.process_time()
        for _ in audio.stream(path, RATE):
            pass
        taken = time.process_time() - begin
        size = path.stat().st_size / seconds * 3600 / 1e6
        print(f"  {rate:6} Hz {ending:4} {subtype:6} {seconds / taken:9,.0f} x real time, {size:6,.0f} MB an hour")
