"""What a front end takes from a clip and what it costs, so that front ends can be compared before one is trained on."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch
from torch import Tensor

from whalelib.features.contract import FrontEnd

_REPEATS = 5


def weigh(front_end: FrontEnd, waveform: Tensor) -> dict[str, Any]:
    """The size of its picture, the share of the clips' energy that lies in its band, and milliseconds a clip."""
    with torch.inference_mode():
        picture = front_end(waveform)
        milliseconds = min(_timed(front_end, waveform) for _ in range(_REPEATS)) / len(waveform)
        low, high = band_of(front_end)
        power = torch.fft.rfft(waveform.float()).abs().square()
        hz = torch.arange(power.shape[-1], device=power.device) * (front_end.sample_rate / waveform.shape[-1])
        inside = power[:, (hz >= low) & (hz <= high)].sum() / power.sum().clamp(min=torch.finfo(power.dtype).tiny)
    return {
        "channels": picture.shape[1],
        "rows": picture.shape[2],
        "columns": picture.shape[3],
        "band_hz": f"{low:.0f} to {high:.0f}",
        "energy_in_band": round(float(inside), 3),
        "ms_a_clip": round(milliseconds, 3),
    }


def band_of(front_end: FrontEnd) -> tuple[float, float]:
    """The frequencies from which to which a front end hears, in Hz."""
    spectrum = getattr(front_end, "spectrum", None)
    if spectrum is None:
        return 0.0, front_end.sample_rate / 2
    step = front_end.sample_rate / spectrum.n_fft
    return (spectrum.first_bin - 0.5) * step if spectrum.first_bin else 0.0, (spectrum.last_bin - 0.5) * step


def filters_of(front_end: FrontEnd) -> tuple[np.ndarray, np.ndarray]:
    """Frequencies in Hz and the weight of each in every band, [bins, bands]; empty where there are no bands."""
    spectrum = getattr(front_end, "spectrum", None)
    if spectrum is None:
        return np.empty(0), np.empty((0, 0))
    hz = np.arange(spectrum.first_bin, spectrum.last_bin) * (front_end.sample_rate / spectrum.n_fft)
    return hz, spectrum.filters[::2].cpu().numpy()


def _timed(front_end: FrontEnd, waveform: Tensor) -> float:
    begin = time.perf_counter()
    front_end(waveform)
    if waveform.device.type == "cuda":
        torch.cuda.synchronize()
    return 1000 * (time.perf_counter() - begin)
