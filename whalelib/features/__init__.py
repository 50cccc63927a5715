"""The front end: waveform in, picture out, batched and on the device of its buffers.

It is a module that the checkpoint carries, so the picture at inference cannot differ from the one in training. `build`
makes the one that the knobs describe; each says its `channels`, its `bands`, its `hop` (samples from frame to frame)
and how many `frames` a waveform gives.
"""

from whalelib.features.building import FRONT_ENDS, build
from whalelib.features.contract import FrontEnd, SpectralFrontEnd
from whalelib.features.pcen import PCEN
from whalelib.features.published import AstFilterBank, Waveform, WhisperLogMel
from whalelib.features.spectrogram import Spectrogram
from whalelib.features.weighing import band_of, filters_of, weigh

__all__ = [
    "FRONT_ENDS",
    "PCEN",
    "AstFilterBank",
    "FrontEnd",
    "SpectralFrontEnd",
    "Spectrogram",
    "Waveform",
    "WhisperLogMel",
    "band_of",
    "build",
    "filters_of",
    "weigh",
]
