"""Detectors for other programs: ONNX, OpenVINO, PAMGuard."""

from whalelib.exporting.graphs import graph, onnx_runner, openvino_runner
from whalelib.exporting.parts import BehindFrontEnd, Clips, Whole

__all__ = ["BehindFrontEnd", "Clips", "Whole", "graph", "onnx_runner", "openvino_runner"]
