"""Front ends of published models, equal to those that the models were trained with, and the one that is none."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from whalelib import filters
from whalelib.errors import InputError
from whalelib.features.contract import FrontEnd, SpectralFrontEnd, checked
from whalelib.features.spectrum import FLOOR, BandPower

_SPEECH_RATE = 16000
# Mean and spread of AudioSet, which the published AST expects to be taken out.
_AST_MEAN, _AST_SPREAD = -4.2677393, 4.5689974
_KALDI_FLOOR = float(np.finfo(np.float32).eps)


class AstFilterBank(SpectralFrontEnd):
    """Kaldi's log filter bank as AST wants it, [B, N] to [B, 1, 128, frames]; frame t begins on sample t * hop."""

    channels = 1

    def __init__(self, sample_rate: int = _SPEECH_RATE, bands: int = 128) -> None:
        super().__init__()
        _only_at(sample_rate, "ast")
        self.sample_rate, self.bands, self.hop = sample_rate, bands, 160
        length = 400
        window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / (length - 1))
        weights = filters.triangles(
            sample_rate, 512, bands, 20.0, sample_rate / 2, scale="htk", straight_in="scale", may_be_empty=True
        )
        self.spectrum = BandPower(window, self.hop, 512, weights, centred=False, prepare=_kaldi_frames)

    def frames(self, samples: int) -> int:
        return self.spectrum.frames(samples)

    def levelled(self, power: Tensor) -> Tensor:
        return power.clamp_(min=_KALDI_FLOOR).log_()

    def drawn(self, levels: Tensor) -> Tensor:
        return ((levels - _AST_MEAN) / (2 * _AST_SPREAD))[:, None]


class WhisperLogMel(SpectralFrontEnd):
    """The log-mel picture of Whisper, [B, N] to [B, 1, bands, frames]; the clip is not filled up to thirty seconds."""

    channels = 1

    def __init__(self, sample_rate: int = _SPEECH_RATE, bands: int = 80) -> None:
        super().__init__()
        _only_at(sample_rate, "whisper")
        self.sample_rate, self.bands, self.hop = sample_rate, bands, 160
        window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
        weights = filters.triangles(
            sample_rate, 400, bands, 0.0, sample_rate / 2, scale="slaney", height="area", may_be_empty=True
        )
        self.spectrum = BandPower(window, self.hop, 400, weights)

    def frames(self, samples: int) -> int:
        return self.spectrum.frames(samples) - 1

    def levelled(self, power: Tensor) -> Tensor:
        return power.clamp_(min=FLOOR).log10_()

    def drawn(self, levels: Tensor) -> Tensor:
        heard = levels[..., :-1]
        heard = torch.maximum(heard, heard.amax((1, 2), keepdim=True) - 8.0)
        return ((heard + 4.0) / 4.0)[:, None]


class Waveform(FrontEnd):
    """No picture: the samples themselves with zero mean and unit variance, [B, N] to [B, 1, 1, N]."""

    channels, bands, hop = 1, 1, 1

    def __init__(self, sample_rate: int) -> None:
        super().__init__()
        self.sample_rate = sample_rate

    def frames(self, samples: int) -> int:
        return samples

    def forward(self, waveform: Tensor) -> Tensor:
        waveform = checked(waveform)
        centred = waveform - waveform.mean(-1, keepdim=True)
        spread = (centred.square().mean(-1, keepdim=True) + 1e-7).sqrt()
        return (centred / spread)[:, None, None]


def _kaldi_frames(frames: Tensor) -> Tensor:
    """Each frame without its offset and with its highs raised, as Kaldi does before it windows."""
    frames = frames - frames.mean(-1, keepdim=True)
    return frames - 0.97 * F.pad(frames, (1, 0), mode="replicate")[..., :-1]


def _only_at(sample_rate: int, name: str) -> None:
    if sample_rate != _SPEECH_RATE:
        raise InputError(
            f"front_end {name} is made for {_SPEECH_RATE} Hz and was given {sample_rate} Hz: set sample_rate to "
            f"{_SPEECH_RATE}, or play the sound faster with speed."
        )
