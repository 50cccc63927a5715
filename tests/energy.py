"""A detector with a known answer and recordings for it: how much louder than noise a band is, nothing learnt."""

import numpy as np
import soundfile
import torch
from torch import nn

from whalelib.app.listening import Ear
from whalelib.models import Logits

RATE = 2000
LABELS = ["low_call", "high_call"]
_BANDS = {"low_call": (30, 100), "high_call": (300, 500)}


class Energy(nn.Module):
    """Scores a tenth of a second by the level of two bands in half a second around it."""

    def __init__(self):
        super().__init__()
        self.classes, self.options = list(LABELS), {"classes": list(LABELS)}
        self.sample_rate, self.clip_seconds, self.clip_samples = RATE, 3.0, 3 * RATE
        self.frame_samples, self.frames, self.frame_seconds = RATE // 10, 30, 0.1
        self.exclusive = False
        self.gain = nn.Parameter(torch.tensor(0.3))

    def forward(self, waveform):
        size = RATE // 2
        padded = nn.functional.pad(waveform, (size // 2, size // 2))
        power = torch.fft.rfft(padded.unfold(1, size, self.frame_samples)[:, : self.frames]).abs().square()
        hz = torch.fft.rfftfreq(size, 1 / RATE)
        bands = [power[..., (hz >= low) & (hz <= high)].mean(-1) for low, high in _BANDS.values()]
        return Logits(None, self.gain * (10 * torch.log10(torch.stack(bands, -1) + 1e-9) - 2))

    def probabilities(self, logits):
        return torch.sigmoid(logits)


def ear():
    return Ear(Energy(), "energy")


def calls(path, torn=None, seed=0):
    """Forty seconds of noise with a low and a high tone, both twice, the second time fainter."""
    time = np.arange(40 * RATE) / RATE
    samples = np.random.default_rng(seed).normal(0, 0.01, len(time))
    for begin, hz, level in ((5, 60, 0.1), (14, 400, 0.1), (22, 60, 0.04), (31, 400, 0.04)):
        inside = (time >= begin) & (time < begin + 1.5)
        samples += level * np.sin(2 * np.pi * hz * time) * inside
    if torn:
        samples[(time >= torn[0]) & (time < torn[1])] = np.nan
    soundfile.write(path, samples, RATE, subtype="FLOAT")
    return path


def scribe():
    """A transcriber with a known answer: what stands out of its window's noise in two bands of its picture."""
    from whalelib.app.listening import Scribe
    from whalelib.transcribe import Call, Hearing, Transcriber, Vocabulary

    hearing = Hearing(10.0, 8.0, 40)
    words = Vocabulary.small(LABELS, 10.0, 0.1)

    class Loud(Transcriber):
        def heard(self, pictures, beams=1):
            return [self._calls(picture) for picture in pictures]

        def _calls(self, picture):
            found = []
            for label, bands in zip(LABELS, (slice(4, 10), slice(26, 36)), strict=True):
                level = picture[bands].max(axis=0)
                above = np.concatenate([[0], level > np.median(level) + 0.25, [0]])
                edges = np.flatnonzero(np.diff(above)).reshape(-1, 2) * hearing.window_seconds / hearing.frames
                for begin, end in edges[edges[:, 1] - edges[:, 0] > 0.5]:
                    sure = float(level[round(begin * 12.5) : round(end * 12.5)].max() - np.median(level))
                    found.append((Call(float(begin), float(end), label), min(sure, 0.99)))
            found.sort()
            return [call for call, _ in found], [sure for _, sure in found]

    return Scribe(Loud(None, hearing, words), "loud")
