"""What augmentation costs, beside the network that it feeds."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

_CLIPS, _RATE, _SECONDS, _REPEATS = 64, 2000, 2.0, 15
# One of each kind, as a training would have them.
USUAL = [
    "gain", "polarity", "time_shift", "speed p=0.25", "time_stretch p=0.25", "pitch_shift p=0.25", "pink_noise",
    "background", "equaliser", "band_filter p=0.25", "mixup", "time_mask", "frequency_mask", "crop_resize p=0.25",
]  # fmt: skip


def augment_cost(_: Path) -> None:
    """Each augmentation on a batch of 64 clips of 2 s at 2 kHz, and a usual list of them, against the small CNN."""
    import torch

    from whalelib.augment import AUGMENTATIONS, Augmenter
    from whalelib.models import build

    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.set_num_threads(2)
    random = torch.Generator().manual_seed(0)
    cells = round(_SECONDS / 0.025)
    batch = {
        "waveform": 0.1 * torch.randn(_CLIPS, round(_RATE * _SECONDS), generator=random),
        "targets": torch.zeros(_CLIPS, 5),
        "frames": torch.zeros(_CLIPS, cells, 5, dtype=torch.int8),
        "weight": torch.ones(_CLIPS),
    }
    batch = {name: values.to(device) for name, values in batch.items()}
    noise = (3000 * torch.randn(500, round(_RATE * _SECONDS), generator=random)).to(torch.int16)
    detector = build(classes=list("abcde"), sample_rate=_RATE, clip_seconds=_SECONDS).to(device).train()

    def of(entries: list[str]) -> Callable[[], object]:
        augmenter = Augmenter(entries, sample_rate=_RATE, clip_seconds=_SECONDS, background=noise)
        step = iter(range(10**9))

        def change() -> None:
            _, later = augmenter(batch, next(step))
            later("embedding", later("picture", picture))

        return change

    with torch.no_grad():
        picture = detector.front_end(batch["waveform"])
        timed = {f"{name} (every clip)": of([f"{name} p=1"]) for name in AUGMENTATIONS}
        timed |= {"a usual list": of(USUAL), "forward pass": lambda: detector(batch["waveform"])}
        took = _best(timed)
    print(f"augmentation of {_CLIPS} clips of {_SECONDS:g} s at {_RATE} Hz, {device}, two threads")
    print(f"  milliseconds a batch, best of {_REPEATS}")
    for name, seconds in took.items():
        print(f"  {name:28} {1e3 * seconds:7.2f}")
    print(f"  the usual list: {', '.join(USUAL)}")
    print(f"  usual list, to the forward pass of small_cnn: {took['a usual list'] / took['forward pass']:.2f}")


def _best(timed: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Seconds of each, all of them in turn, so that a machine that slows down slows them all."""
    import torch

    def wait() -> None:
        if torch.cuda.is_available():
            torch.cuda.synchronize()

    took: dict[str, list[float]] = {name: [] for name in timed}
    for _ in range(_REPEATS):
        for name, work in timed.items():
            wait()
            begin = time.perf_counter()
            work()
            wait()
            took[name].append(time.perf_counter() - begin)
    return {name: min(seconds) for name, seconds in took.items()}
