"""A detector as files of another program, its front end inside."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from whalelib.errors import InputError
from whalelib.exporting.graphs import graph, openvino_model
from whalelib.exporting.pamguard import archive
from whalelib.exporting.parts import Whole
from whalelib.models import Detector


def export(detector: Detector, kind: str, folder: str | Path) -> list[Path]:
    """Write a detector as `onnx`, `openvino` or `pamguard` into a folder; returns the files.

    The first two take waveforms [clips, samples] at the detector's own rate and give the probabilities of the clips and
    of their frames; `detector.json` beside them says the rate, the length and the classes.
    """
    if kind not in KINDS:
        raise InputError(f"a detector cannot be exported to {kind!r}: there are {', '.join(KINDS)}.")
    made = KINDS[kind](detector.eval().cpu())
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in made.items():
        temporary = folder / f"{name}.part"
        temporary.write_bytes(content)
        temporary.replace(folder / name)
    return [folder / name for name in made]


def _onnx(detector: Detector) -> dict[str, bytes]:
    return {"detector.onnx": _whole(detector), "detector.json": _about(detector)}


def _openvino(detector: Detector) -> dict[str, bytes]:
    network, weights = openvino_model(_whole(detector))
    return {"detector.xml": network, "detector.bin": weights, "detector.json": _about(detector)}


def _pamguard(detector: Detector) -> dict[str, bytes]:
    return {"detector.zip": archive(detector)}


KINDS: dict[str, Callable[[Detector], dict[str, bytes]]] = {
    "onnx": _onnx,
    "openvino": _openvino,
    "pamguard": _pamguard,
}


def _whole(detector: Detector) -> bytes:
    clips = 0.1 * torch.randn(3, detector.clip_samples, generator=torch.Generator().manual_seed(0))
    return graph(Whole(detector), clips, "waveform", ["clip", "frames"])


def _about(detector: Detector) -> bytes:
    """What a program must know to use the graph."""
    about: dict[str, Any] = {
        "classes": detector.classes,
        "sample_rate": detector.sample_rate,
        "clip_seconds": detector.clip_seconds,
        "clip_samples": detector.clip_samples,
        "frame_seconds": detector.frame_seconds,
        "input": {"waveform": ["clips", "samples"]},
        "outputs": {"clip": ["clips", "classes"], "frames": ["clips", "frames", "classes"]},
    }
    return (json.dumps(about, indent=2) + "\n").encode()
