"""What computes a detector's answers from pictures: torch, ONNX Runtime or OpenVINO, and which is fastest here."""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from whalelib.errors import InputError
from whalelib.exporting import BehindFrontEnd, graph, onnx_runner, openvino_runner
from whalelib.models import Detector

ENGINES = ("torch", "onnx", "openvino")
PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
TOLERANCE = 1e-4  # by how much a probability may depend on the engine
WORTH_SECONDS = 3600.0  # of sound, for which it pays to find out which engine is fastest
_PROBES = 3  # batches after the first, by which engines are compared


class Engine:
    """Pictures [B, channels, bands, frames] to the probabilities of their frames [B, T, classes]."""

    name: str

    def __init__(self, answer: Callable[[Tensor], np.ndarray]) -> None:
        self.answer = answer
        self.most: int | None = None  # pictures that the memory has room for; none known yet

    def __call__(self, pictures: Tensor) -> np.ndarray:
        """In parts, where the memory does not hold them all; the parts stay as small then."""
        while True:
            try:
                parts = [self.answer(part) for part in pictures.split(self.most or len(pictures))]
                return parts[0] if len(parts) == 1 else np.concatenate(parts)
            except (MemoryError, RuntimeError) as error:
                if not _is_of_memory(error):
                    raise
                size = min(self.most or len(pictures), len(pictures))
            if size == 1:
                raise InputError("not even one window fits into the memory: choose a smaller model or shorter clips.")
            self.most = size // 2
            warnings.warn(
                f"{size} windows at once do not fit into the memory: going on with {self.most}.", stacklevel=2
            )
            if torch.cuda.is_available():
                torch.cuda.empty_cache()


def takes_pictures(detector: nn.Module) -> bool:
    """Does one front end serve the whole detector? Members may each have learnt their own."""
    return hasattr(detector, "front_end") and not getattr(detector, "others", ())


class TorchEngine(Engine):
    """The detector itself, in mixed precision if asked for."""

    name = "torch"

    def __init__(self, detector: Detector, scan_precision: str = "float32") -> None:
        self.detector, self.device = detector.eval(), next(detector.parameters()).device
        self.dtype = PRECISIONS[scan_precision]
        super().__init__(self._answer)

    def _answer(self, pictures: Tensor) -> np.ndarray:
        detector = self.detector
        with torch.inference_mode(), self._precision():
            if takes_pictures(detector):
                logits = detector.classified(detector.embedded(pictures)).frames
            else:  # what takes waveforms as they are
                logits = detector(pictures).frames
            return detector.probabilities(logits.float()).cpu().numpy()

    def _precision(self) -> AbstractContextManager[object]:
        if self.dtype is torch.float32:
            return nullcontext()
        return torch.autocast(self.device.type, self.dtype)


class GraphEngine(Engine):
    """The part of the detector behind its front end as a graph, in ONNX Runtime or OpenVINO, on the processor."""

    def __init__(self, name: str, detector: Detector, model: bytes, scan_precision: str = "float32") -> None:
        self.name = name
        if name == "onnx":
            if scan_precision != "float32":
                raise InputError(f"engine onnx computes in float32, not in {scan_precision}: choose torch or openvino.")
            run = onnx_runner(model, torch.get_num_threads())
        else:
            hint = {"float32": "f32", "bfloat16": "bf16", "float16": "f16"}[scan_precision]
            run = openvino_runner(model, torch.get_num_threads(), hint)
        super().__init__(lambda pictures: run(pictures.cpu().numpy())[0])
        example = _example(detector, 3)
        off = float(np.abs(self(example) - TorchEngine(detector)(example)).max())
        if scan_precision == "float32" and not off <= TOLERANCE:
            raise InputError(f"engine {name} is off by {off:.2g} from torch for this detector: use torch.")


def start(detector: Detector, engine: str = "torch", scan_precision: str = "float32", batch: int = 64) -> Engine:
    """The engine of that name for this detector; `auto` is the fastest that is installed, on a processor.

    An engine that cannot run this detector gives way to torch, with a sentence.
    """
    if engine not in (*ENGINES, "auto"):
        raise InputError(f"engine cannot be {engine!r}: it is one of {', '.join(ENGINES)}, auto.")
    plain = TorchEngine(detector, scan_precision)
    if engine == "torch" or not isinstance(detector, Detector) or not takes_pictures(detector):
        return plain
    if plain.device.type != "cpu":
        if engine != "auto":
            warnings.warn(
                f"engine {engine} is for processors; the detector lies on a GPU and stays with torch.", stacklevel=2
            )
        return plain
    names = ENGINES[1:] if engine == "auto" else (engine,)
    found: list[Engine] = [plain] if engine == "auto" else []
    try:
        model = graph(BehindFrontEnd(detector), _example(detector, 3), "picture", ["frames"])
        for name in names:
            try:
                found.append(GraphEngine(name, detector, model, scan_precision))
            except InputError:
                if engine != "auto":
                    raise
    except InputError as error:
        if engine != "auto":
            warnings.warn(f"{error} It is scanned with torch.", stacklevel=2)
    return _fastest(found, _example(detector, batch)) if found else plain


def settled(
    folder: Path, who: str, seconds: float, detector: Detector, engine: str, scan_precision: str, batch: int
) -> Engine:
    """The same for so many seconds of sound; `auto` is torch where it is little.

    What `auto` chose for this detector is kept in the folder of scores, so that a later start goes on so.
    """
    if engine != "auto":
        return start(detector, engine, scan_precision, batch)
    note = folder / "engine.json"
    try:
        kept = json.loads(note.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        kept = {}
    if kept.get("detector") == who and kept.get("precision") == scan_precision and kept.get("engine") in ENGINES:
        return start(detector, kept["engine"], scan_precision, batch)
    if seconds < WORTH_SECONDS:
        return start(detector, "torch", scan_precision, batch)
    chosen = start(detector, "auto", scan_precision, batch)
    temporary = note.with_suffix(".part")
    temporary.write_text(json.dumps({"detector": who, "precision": scan_precision, "engine": chosen.name}) + "\n")
    temporary.replace(note)
    return chosen


def _fastest(engines: list[Engine], example: Tensor) -> Engine:
    """In turn, so that whatever else the machine does slows all of them down."""
    if len(engines) == 1:
        return engines[0]
    taken = dict.fromkeys(range(len(engines)), float("inf"))
    for turn in range(_PROBES + 1):
        for number, engine in enumerate(engines):
            begin = time.perf_counter()
            engine(example)
            if turn:  # the first batch plans and allocates
                taken[number] = min(taken[number], time.perf_counter() - begin)
    return engines[min(taken, key=taken.__getitem__)]


def _example(detector: Detector, windows: int) -> Tensor:
    """Pictures of as many windows of noise."""
    drawn = np.random.default_rng(0).normal(0, 0.1, (windows, detector.clip_samples)).astype(np.float32)
    with torch.inference_mode():
        pictures = detector.front_end(torch.from_numpy(drawn).to(next(detector.parameters()).device))
    return pictures.clone()


def _is_of_memory(error: Exception) -> bool:
    """Did the memory run out, of a GPU or of the machine?"""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "allocate memory" in str(error)
