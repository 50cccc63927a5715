"""What a training costs: the median epoch, the share of a step that is learning, and a batch under each setting."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import os
import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from whalelib.bench.measuring import RATE, in_own_process
from whalelib.bench.storing import cut, stored, synthetic_store

if TYPE_CHECKING:
    from whalelib.clips import Store

_EPOCHS = 3
# A transformer of 242 tokens a clip of two seconds: 12 by 20 patches of 16 bands by 16 frames, and two of its own.
_TRANSFORMER: dict[str, Any] = {
    "model": "ast",
    "features": {"n_mels": 128, "hop_seconds": 0.01, "mel_break_hz": 700.0},
}
# What helps on these clips (experiments/right_whale.yaml).
_AUGMENTATIONS = (
    "time_shift p=1 seconds=-0.3..0.3",
    "mixup p=1 at=picture",
    "frequency_mask p=1 count=1 share=0..0.15",
    "time_mask p=1 count=1 seconds=0..0.32",
)
_LORA = {"lora_rank": 16}
_LOW = {"precision": "bf16"}


@dataclasses.dataclass(frozen=True)
class Setting:
    """A way of training whose cost is asked for: knobs of the detector and of the training."""

    name: str
    detector: dict[str, Any] = dataclasses.field(default_factory=dict)
    knobs: dict[str, Any] = dataclasses.field(default_factory=dict)
    channels_last: bool = False


SETTINGS = (
    Setting("plain"),
    Setting("LoRA", _LORA),
    Setting("LoRA + mixed precision", _LORA, _LOW),
    Setting("  + workers", _LORA, {**_LOW, "workers": 2}),
    Setting("  + channels-last", _LORA, {**_LOW, "workers": 2}, channels_last=True),
    Setting("  + compile", _LORA, {**_LOW, "workers": 2, "compiled": True}, channels_last=True),
)


def training(folder: Path) -> None:
    """An epoch of the small network, and ten batches of a transformer under each setting, each in its own process."""
    from whalelib import models

    right_whales(folder / "store") or synthetic_store(folder, 8000, held_out=64)
    which = "right-whale clips" if os.environ.get("WHALELIB_DATA") else "clips of noise"
    print(f"small_cnn, an epoch of {which} of 2 s at 2 kHz, each way in a process of its own")
    for way in ("float32", "bf16", "float32 augmented", "bf16 augmented"):
        clips, seconds, learning, reading = in_own_process("_epochs", folder / way)
        print(f"  {way:17} {clips:,.0f} clips: {seconds:.2f} s (median of {_EPOCHS}, evaluation aside)")
        print(f"  {'':17} of a step {learning:.0%} is forward and backward, {reading:.0%} is waiting for clips")
    if "ast" not in models.names():
        print("ten batches under each setting: skipped, because there is no transformer among the networks")
        return
    print("ast (tiny, 242 tokens), ten batches of 16 clips, each setting in a process of its own")
    print(f"  {'':22} {'a batch':>9} {'plain to it':>12} {'CPU time':>9} {'device':>9} {'memory':>11} {'trains':>8}")
    plain = 0.0
    for k, setting in enumerate(SETTINGS):
        seconds, cpu, device, memory, trainable = in_own_process("_batches", folder / str(k))
        plain = plain or seconds
        print(
            f"  {setting.name:22} {seconds:7.3f} s {plain / seconds:11.2f}x {cpu:7.3f} s {device:7.3f} s "
            f"{memory:7,.0f} MiB {trainable:8.2%}"
        )


def right_whales(folder: Path) -> Store | None:
    """A store of all right-whale clips, where there are real recordings."""
    from whalelib import sources

    data = os.environ.get("WHALELIB_DATA")
    if not data:
        return None
    survey = sources.load("clip_folder", Path(data) / "right_whale")
    table = cut(survey)
    few = table["fold"].ne("train") & (table.groupby("fold").cumcount() < 64)
    table["fold"] = table["fold"].where(few, "train")  # all clips are an epoch; it is not this training that counts
    return stored(folder, survey.recordings, survey.events, table, survey.exhaustive)


def epoch_cost(path: Path) -> tuple[float, ...]:
    """Clips, seconds of the median epoch, and what share of a step is learning and reading, in the way of this name."""
    from transformers import TrainerCallback

    from whalelib import clips, train
    from whalelib.augment import Augmenter
    from whalelib.models import build

    store, seconds = clips.open_store(path.parent / "store"), []

    class Clock(TrainerCallback):
        def on_epoch_begin(self, *_: Any, **__: Any) -> None:
            self.begun = time.perf_counter()

        def on_epoch_end(self, *_: Any, **__: Any) -> None:
            seconds.append(time.perf_counter() - self.begun)

    fresh: dict[str, Any] = {"classes": store.classes, "clip_seconds": store.clip_seconds}
    precision, _, augmented = path.name.partition(" ")
    knobs: dict[str, Any] = {"precision": precision, "epochs": _EPOCHS}
    if augmented:
        knobs["augmenter"] = Augmenter(_AUGMENTATIONS, sample_rate=RATE, clip_seconds=store.clip_seconds)
    with contextlib.redirect_stdout(io.StringIO()):  # what this process prints are figures
        place = path.parent / f"fit-{path.name}"
        train.fit(build(**fresh), store, place, callbacks=[Clock()], progress=False, **knobs)
    costs = train.profiled(build(**fresh), store, batches=40, precision=precision)
    return len(store.folds["train"]), statistics.median(seconds), costs["learning"], costs["reading"]


def batch_cost(path: Path) -> tuple[float, ...]:
    """Seconds, processor and device seconds, MiB and trainable share of a batch under the setting of this number."""
    import torch

    from whalelib import clips, train
    from whalelib.models import build

    store, setting = clips.open_store(path.parent / "store"), SETTINGS[int(path.name)]
    fresh: dict[str, Any] = {**_TRANSFORMER, **setting.detector}
    detector = build(classes=store.classes, clip_seconds=store.clip_seconds, **fresh)
    if setting.channels_last:
        detector = detector.to(memory_format=torch.channels_last)
    found = train.profiled(detector, store, batches=10, batch_size=16, **setting.knobs)
    return tuple(found[name] for name in ("seconds", "cpu_seconds", "device_seconds", "memory_mib", "trainable"))
