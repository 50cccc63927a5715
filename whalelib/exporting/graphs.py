"""Modules as ONNX graphs, and what runs these."""

from __future__ import annotations

import contextlib
import io
import logging
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from whalelib.errors import InputError

_MOST_CLIPS = 4096
Run = Callable[[np.ndarray], list[np.ndarray]]


def graph(module: nn.Module, example: Tensor, inputs: str, outputs: Sequence[str]) -> bytes:
    """A module as an ONNX graph that takes any number of rows; `example` holds two or more."""
    _needs("onnxscript", "onnx")
    rows = torch.export.Dim("rows", min=1, max=_MOST_CLIPS)
    with _quietly(), torch.no_grad():
        try:
            made = torch.onnx.export(
                module.eval(), (example,), dynamo=True, dynamic_shapes=({0: rows},), verbose=False,
                input_names=[inputs], output_names=list(outputs),
            )  # fmt: skip
        except Exception as error:  # the exporter raises whatever its parts raise
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise InputError(f"this detector cannot be exported to ONNX ({reason}): use torch.") from error
    assert made is not None
    if not made.model_proto.graph.input[0].type.tensor_type.shape.dim[0].dim_param:
        raise InputError("this detector cannot be exported to ONNX (its graph fixes the number of clips): use torch.")
    return made.model_proto.SerializeToString()


def onnx_runner(model: bytes, threads: int) -> Run:
    """What runs a graph in ONNX Runtime."""
    _needs("onnxruntime")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda rows: session.run(None, {name: rows})


def openvino_runner(model: bytes, threads: int, precision: str = "f32") -> Run:
    """What runs a graph in OpenVINO."""
    _needs("openvino")
    import openvino

    core = openvino.Core()
    how = {"INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1}
    compiled = core.compile_model(core.read_model(io.BytesIO(model)), "CPU", how)
    return lambda rows: list(compiled(rows).to_tuple())


def openvino_model(model: bytes) -> tuple[bytes, bytes]:
    """A graph as OpenVINO keeps it: the network and its weights, in single precision."""
    _needs("openvino")
    import openvino

    with tempfile.TemporaryDirectory() as folder:
        network = Path(folder) / "detector.xml"
        openvino.save_model(openvino.Core().read_model(io.BytesIO(model)), network, compress_to_fp16=False)
        return network.read_bytes(), network.with_suffix(".bin").read_bytes()


def _needs(*modules: str) -> None:
    import importlib.util

    for module in modules:
        if importlib.util.find_spec(module) is None:
            raise InputError(f"{module} is not installed: pip install 'whalelib[train,export]'.")


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """The exporter tells its users about its own ways of working."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
