"""What scanning costs."""

from __future__ import annotations

import time
from pathlib import Path

import pandas as pd
import soundfile

from whalelib.bench.measuring import in_own_process, peak_mib, write_noise


def scan_memory(folder: Path) -> None:
    """Peak memory and speed of scanning one hour against twenty-four, each in a process of its own."""
    print("scan of one recording at 2 kHz, default detector, each in a process of its own")
    peaks = {}
    for hours in (1, 24):
        path = folder / f"{hours}h.wav"
        write_noise(path, hours)
        seconds, peak = in_own_process("_scan", path)
        peaks[hours] = peak
        print(f"  {hours:2} h: {seconds:6.1f} s ({hours * 3600 / seconds:,.0f} times real time), peak {peak:,.0f} MiB")
    print(f"  peak memory, 24 h to 1 h: {peaks[24] / peaks[1]:.3f}")


def scan_cost(path: Path) -> tuple[float, float]:
    """Seconds and peak memory (MiB) of scanning one file with an untrained default detector."""
    from whalelib import predict, synth
    from whalelib.models import build

    seconds = soundfile.info(str(path)).duration
    recordings = pd.DataFrame([{"recording": path.stem, "path": str(path), "seconds": seconds}])
    detector = build(classes=list(synth.SPECIES))
    begin = time.perf_counter()
    receipt = predict.scan(detector, recordings, path.with_suffix(""), progress=False)
    assert receipt["status"].tolist() == ["done"], receipt["reason"].tolist()
    return time.perf_counter() - begin, peak_mib()
