"""Small convolutional networks for small pictures."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from whalelib.models.registry import Backbone, Picture, register


class Pointwise(nn.Conv2d):
    """A 1 x 1 convolution that steps over bands and frames before it computes, not while.

    The gradient of a strided one with fewer than 16 channels, channels last, was seen to write beyond its memory on a
    processor (torch 2.14).
    """

    def __init__(self, inputs: int, outputs: int, step: tuple[int, int]) -> None:
        super().__init__(inputs, outputs, 1, bias=False)
        self.step = step

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x[..., :: self.step[0], :: self.step[1]])


class Residual(nn.Module):
    """Two 3 x 3 convolutions with a shortcut; the first may step over bands and frames."""

    def __init__(self, inputs: int, outputs: int, stride: tuple[int, int]) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.first_norm = nn.BatchNorm2d(outputs)
        self.second = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.second_norm = nn.BatchNorm2d(outputs)
        same = inputs == outputs and stride == (1, 1)
        self.shortcut = nn.Identity() if same else Pointwise(inputs, outputs, stride)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.first_norm(self.first(x)))
        return F.relu(self.second_norm(self.second(y)) + self.shortcut(x))


class SmallCNN(Backbone):
    """Three residual blocks. Bands are flattened, not averaged: a call's pitch is half of what it is."""

    stride = 4

    def __init__(self, channels: int, n_bands: int, width: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(channels, width, 5, stride=2, padding=2, bias=False)
        self.stem_norm = nn.BatchNorm2d(width)
        self.blocks = nn.Sequential(
            Residual(width, width, (2, 1)), Residual(width, 2 * width, (2, 2)), Residual(2 * width, 2 * width, (2, 1))
        )
        rows = n_bands
        for _ in range(4):
            rows = (rows + 1) // 2
        self.dim = 4 * width
        self.project = nn.Linear(2 * width * rows, self.dim)

    def forward(self, picture: Tensor) -> Tensor:
        x = picture.contiguous(memory_format=torch.channels_last)
        x = self.blocks(F.relu(self.stem_norm(self.stem(x))))
        return F.relu(self.project(x.permute(0, 3, 1, 2).flatten(2)))


@register
def small_cnn(picture: Picture, width: int = 32) -> Backbone:
    """Residual CNN on a log-mel picture; seconds to train on a CPU, the default."""
    network = SmallCNN(picture.channels, picture.bands, width)
    return network.to(memory_format=torch.channels_last)  # half the time of the default layout
