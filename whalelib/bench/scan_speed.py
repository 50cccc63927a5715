"""How fast recordings are scanned, by which engine, and where the time goes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import soundfile

from whalelib.errors import InputError

if TYPE_CHECKING:
    from whalelib.models import Detector
    from whalelib.predict.engines import Engine

BATCH = 256
SECONDS = {2000: 3600.0, 32000: 600.0}  # of sound, by sample rate
_BANDS: dict[int, dict[str, Any]] = {
    2000: {},
    32000: {"window_seconds": 0.032, "band_low_hz": 100.0, "band_high_hz": 15000.0, "n_mels": 48},
}
# ResNet-18 at its own stride: a picture of 14 bands whose every 32nd column has an answer, each quarter of a second.
MODELS: dict[str, dict[str, Any]] = {
    "small_cnn": {},
    "timm:resnet18": {"time_stride": 32, "features": {"hop_seconds": 0.008, "n_mels": 14}},
}


def scan_speed(folder: Path) -> None:
    """Times real time of a scan, and the seconds of its parts, by rate, window, network, hop and engine."""
    from whalelib.models import build
    from whalelib.predict.engines import ENGINES, start

    for rate, seconds in SECONDS.items():
        path = folder / f"{rate}.wav"
        _write_noise(path, rate, seconds)
        for window in (2.0, 5.0):
            for model, options in MODELS.items():
                knobs = {**_BANDS[rate], **options.get("features", {})}
                more = {key: value for key, value in options.items() if key != "features"}
                detector = build(
                    classes=["call"], model=model, sample_rate=rate, clip_seconds=window, features=knobs, **more
                ).eval()
                see = detector.sees()
                print(
                    f"{seconds:.0f} s at {rate} Hz, {window:g}-s windows, {model}, pictures {see.bands} x {see.frames}"
                )
                engines = {}
                for name in ENGINES:
                    try:
                        engines[name] = start(detector, name, batch=BATCH)
                    except InputError as error:
                        print(f"  {name}: {error}")
                for hop in (window / 2, 0.25):
                    for name, engine in engines.items():
                        _report(detector, path, hop, name, engine)


def _report(detector: Detector, path: Path, hop: float, name: str, engine: Engine) -> None:
    """One line: the whole scan, and its parts by themselves."""
    from whalelib import audio
    from whalelib.predict import score_files
    from whalelib.predict.windows import score

    seconds = soundfile.info(str(path)).duration
    cells = max(round(hop / detector.frame_seconds), 1)  # a scan steps by whole cells
    exact = cells * detector.frame_seconds * (1 + 1e-9)
    taken: dict[str, float] = {}

    def scores(by: Any) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        return score(detector, str(path), seconds, exact + 1e-6, BATCH, engine=by)

    with _timed(taken, "read"):
        for _ in audio.stream(path, detector.sample_rate):
            pass
    silent = _Timed(engine, lambda pictures: np.zeros((len(pictures), detector.frames, 1), np.float32))
    with _timed(taken, "front end"):
        kept = list(scores(silent))
    target = path.with_suffix(".parquet")
    with _timed(taken, "write"):
        score_files.write(target, "recording", detector.classes, iter(kept), {})
    watched = _Timed(engine, engine)
    with _timed(taken, "whole"):
        score_files.write(target, "recording", detector.classes, scores(watched), {})
    whole, network = taken["whole"], watched.seconds
    print(
        f"  hop {exact:5.3f} s {name:8} {seconds / whole:8,.0f} x real time: read {taken['read']:6.2f} s, front end "
        f"{taken['front end']:6.2f} s, network {network:6.2f} s, write {taken['write']:6.2f} s; whole {whole:6.2f} s, "
        f"network {network / whole:4.0%}"
    )


class _Timed:
    """An engine that counts its seconds."""

    def __init__(self, engine: Engine, answer: Callable[[Any], np.ndarray]) -> None:
        self.name, self.answer, self.seconds = engine.name, answer, 0.0

    def __call__(self, pictures: Any) -> np.ndarray:
        begin = time.perf_counter()
        found = self.answer(pictures)
        self.seconds += time.perf_counter() - begin
        return found


@contextmanager
def _timed(taken: dict[str, float], what: str) -> Iterator[None]:
    begin = time.perf_counter()
    yield
    taken[what] = time.perf_counter() - begin


def _write_noise(path: Path, rate: int, seconds: float) -> None:
    minute = np.random.default_rng(0).normal(0, 0.1, 60 * rate).astype(np.float32)
    with soundfile.SoundFile(path, "w", rate, 1, "PCM_16") as file:
        for _ in range(round(seconds / 60)):
            file.write(minute)
