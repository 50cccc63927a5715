"""Stand-ins for detectors, whose right answer is known, and sound for them to hear."""

import numpy as np
import soundfile
import torch
from torch import nn

from whalelib.models import Logits


class Mirror(nn.Module):
    """Scores a frame by the sample it is centred on and, with a `slope`, by its place in the window."""

    def __init__(self, sample_rate=200, slope=0.0):
        super().__init__()
        self.classes, self.clip_seconds = ["call", "other"], 3.0
        self.sample_rate, self.frame_samples = sample_rate, sample_rate // 10
        self.clip_samples, self.frames, self.frame_seconds = 3 * sample_rate, 30, 0.1
        self.options = {"slope": slope}
        self.gain = nn.Parameter(torch.tensor([2.0, -2.0]))
        self.slope = slope

    def forward(self, waveform):
        level = waveform[:, :: self.frame_samples, None] + self.slope * torch.arange(30)[:, None]
        return Logits(None, level * self.gain)

    def probabilities(self, logits):
        return torch.sigmoid(logits)


class Energy(Mirror):
    """Scores a frame by the energy of a second around it; what lies outside the window is not heard."""

    def forward(self, waveform):
        energy = waveform.square().unflatten(1, (30, self.frame_samples)).mean(2)
        around = nn.functional.avg_pool1d(energy[:, None], 11, 1, 5)[:, 0, :, None]
        return Logits(None, 40 * (around - 0.04) * self.gain)


def noise(seconds, rate=200, seed=0):
    return np.random.default_rng(seed).uniform(-0.9, 0.9, round(seconds * rate)).astype(np.float32)


def written(path, samples, rate=200, subtype="FLOAT"):
    soundfile.write(path, samples, rate, subtype=subtype)
    return str(path)
