"""Fill a waveform up to a length."""

from __future__ import annotations

import numpy as np

from whalelib.errors import InputError

PADDINGS = ("zeros", "wrap", "reflect", "edge", "mirror", "zeros_mirror", "centre", "random")


def pad(waveform: np.ndarray, length: int, mode: str = "zeros", rng: np.random.Generator | None = None) -> np.ndarray:
    """Fill a waveform (or a batch, along the last axis) up to `length` samples; a longer one is left as it is.

    - zeros: silence after the end
    - wrap: the waveform again from its first sample, as often as needed
    - reflect: the waveform backwards, then forwards, and so on; the samples at the turns are not repeated
    - mirror: the same, but the samples at the turns are repeated
    - zeros_mirror: silence up to half the length, then all of it backwards; a waveform longer than that as in mirror
    - edge: the last sample, held
    - centre: silence on both sides in equal parts, the odd sample at the end
    - random: silence on both sides in parts drawn from `rng`
    """
    if mode not in PADDINGS:
        raise InputError(f"padding cannot be {mode!r}: it is one of {', '.join(PADDINGS)}.")
    missing = length - waveform.shape[-1]
    if missing <= 0:
        return waveform
    if mode == "zeros_mirror":
        return pad(pad(waveform, (length + 1) // 2, "zeros"), length, "mirror")
    if mode in ("wrap", "reflect", "mirror", "edge") and not waveform.shape[-1]:
        raise InputError(f"an empty waveform cannot be padded by {mode!r}: there is nothing to repeat; use 'zeros'.")
    before = 0
    if mode == "centre":
        before = missing // 2
    elif mode == "random":
        before = int((rng or np.random.default_rng()).integers(0, missing + 1))
    width = [(0, 0)] * (waveform.ndim - 1) + [(before, missing - before)]
    numpy_mode = {"zeros": "constant", "centre": "constant", "random": "constant", "mirror": "symmetric"}
    return np.pad(waveform, width, mode=numpy_mode.get(mode, mode))  # type: ignore[call-overload]
