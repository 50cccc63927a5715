"""Detectors for other programs: ONNX, OpenVINO, PAMGuard."""

from whalelib.exporting.files import KINDS, export
from whalelib.exporting.graphs import graph, onnx_runner, openvino_runner
from whalelib.exporting.parts import BehindFrontEnd, Clips, Whole

__all__ = ["KINDS", "BehindFrontEnd", "Clips", "Whole", "export", "graph", "onnx_runner", "openvino_runner"]
