"""PAMGuard's deep learning module: a zip archive of a TorchScript model and its settings file (.pdtf).

Of such an archive PAMGuard takes the model by its ending .py and sets itself up by the settings: the one transform
`load_audio` brings sound to the model's rate, segments have the length of a clip, and what the model gives is taken as
the probabilities of the classes. The front end is inside the model, so no picture depends on PAMGuard's own.
"""

from __future__ import annotations

import io
import json
import warnings
import zipfile
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from whalelib.errors import InputError
from whalelib.exporting.parts import Clips
from whalelib.models import Detector

_SETTINGS_VERSION = 1.0
_TOLERANCE = 1e-4


class _Segments(Clips):
    """Clips of any length: what is missing is silence, what is more is cut. Decimated segments may be a sample off."""

    def forward(self, waveform: Tensor) -> Tensor:
        length = self.detector.clip_samples
        return super().forward(F.pad(waveform, (0, length))[:, :length])


def archive(detector: Detector) -> bytes:
    """The archive that PAMGuard opens as a zip model."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("detector.py", _script(detector))
        file.writestr("detector.pdtf", json.dumps(settings(detector), indent=2) + "\n")
    return packed.getvalue()


def settings(detector: Detector) -> dict[str, Any]:
    """What the settings file says of a detector."""
    return {
        "version_info": {"version": _SETTINGS_VERSION},
        "description": "Metadata for acoustic deep learning",
        "model_info": {
            "input_shape": [-1, detector.clip_samples],
            "output_shape": [-1, len(detector.classes)],
        },
        "class_info": {"num_class": len(detector.classes), "name_class": detector.classes},
        "seg_size": {"size_ms": 1000 * detector.clip_seconds},
        "transforms": [{"name": "load_audio", "params": {"sr": detector.sample_rate}}],
    }


def _script(detector: Detector) -> bytes:
    """The TorchScript model, held against the detector for another number of clips than it was recorded with."""
    segments = _Segments(detector)
    drawn = 0.1 * torch.randn(5, detector.clip_samples, generator=torch.Generator().manual_seed(0))
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about what a trace cannot see, which the comparison does
            traced = torch.jit.trace(segments, (drawn[:2],), check_trace=False)
            off = float((traced(drawn) - segments(drawn)).abs().max())
    except Exception as error:  # the tracer raises whatever its parts raise
        reason = (str(error).strip().splitlines() or [type(error).__name__])[-1]
        raise InputError(f"this detector cannot be exported to PAMGuard ({reason}): choose another model.") from error
    if not off <= _TOLERANCE:
        raise InputError(f"this detector cannot be exported to PAMGuard: its TorchScript is off by {off:.2g}.")
    written = io.BytesIO()
    torch.jit.save(traced, written)
    return written.getvalue()
