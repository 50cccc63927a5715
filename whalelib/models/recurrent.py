"""Networks with a memory: a plain RNN, a CRNN, and ChronoNet, alone or as a neck on another network's embeddings."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from whalelib.models.alignment import answers
from whalelib.models.cnn import SmallCNN
from whalelib.models.registry import Backbone, Picture, register


class Recurrent(Backbone):
    """Bidirectional gated recurrent layers over embeddings [B, T, inputs]."""

    stride = 1

    def __init__(self, inputs: int, hidden: int, layers: int) -> None:
        super().__init__()
        self.dim = 2 * hidden
        self.memory = nn.GRU(inputs, hidden, layers, batch_first=True, bidirectional=True)

    def forward(self, sequence: Tensor) -> Tensor:
        return self.memory(sequence)[0]


class RNN(Backbone):
    """All bands of a frame to one embedding, and a memory over the frames."""

    stride = 1

    def __init__(self, inputs: int, width: int, layers: int) -> None:
        super().__init__()
        self.project = nn.Linear(inputs, 4 * width)
        self.memory = Recurrent(4 * width, 2 * width, layers)
        self.dim = self.memory.dim

    def forward(self, picture: Tensor) -> Tensor:
        return self.memory(F.relu(self.project(picture.flatten(1, 2).transpose(1, 2))))


class CRNN(Backbone):
    """The small CNN, and a memory over its embeddings."""

    def __init__(self, channels: int, n_bands: int, width: int, layers: int) -> None:
        super().__init__()
        self.cnn = SmallCNN(channels, n_bands, width)
        self.memory = Recurrent(self.cnn.dim, 2 * width, layers)
        self.dim, self.stride = self.memory.dim, self.cnn.stride

    def forward(self, picture: Tensor) -> Tensor:
        return self.memory(self.cnn(picture))


class MultiScale(nn.Module):
    """Convolutions of 2, 4 and 8 steps beside each other, each a step in two.

    An even kernel has no middle. `early` says on which side of its own step it is centred, so that layers in a row
    can cancel what they shift.
    """

    def __init__(self, inputs: int, width: int, early: bool) -> None:
        super().__init__()
        self.kernels = (2, 4, 8)
        self.scales = nn.ModuleList(nn.Conv1d(inputs, width, kernel, stride=2) for kernel in self.kernels)
        self.norm = nn.BatchNorm1d(3 * width)
        self.early = early

    def forward(self, x: Tensor) -> Tensor:
        steps = answers(x.shape[-1], 2)
        seen = []
        for kernel, scale in zip(self.kernels, self.scales, strict=True):
            left = kernel // 2 - (not self.early)
            seen.append(scale(F.pad(x, (left, 2 * (steps - 1) + kernel - left - x.shape[-1]))))
        return F.relu(self.norm(torch.cat(seen, dim=1)))


class ChronoNet(Backbone):
    """Three multi-scale convolutions, then recurrent layers that all see the outputs of those before them."""

    stride = 8

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            MultiScale(inputs, width, early=False),
            MultiScale(3 * width, width, early=False),
            MultiScale(3 * width, width, early=True),  # +1/2 and +1 step of before, -2 of this: an eighth of its own
        )
        self.memories = nn.ModuleList(Recurrent(k, width, 1) for k in (3 * width, 2 * width, 4 * width, 6 * width))
        self.dim = 2 * width

    def forward(self, sequence: Tensor) -> Tensor:
        x = self.convolutions(sequence.transpose(1, 2)).transpose(1, 2)
        seen: list[Tensor] = []
        for memory in self.memories:
            seen.append(memory(torch.cat(seen, dim=2) if seen else x))
        return seen[-1]


class ChronoNetOnBands(Backbone):
    """ChronoNet with the bands of a picture as its channels."""

    stride = ChronoNet.stride

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.chrononet = ChronoNet(inputs, width)
        self.dim = self.chrononet.dim

    def forward(self, picture: Tensor) -> Tensor:
        return self.chrononet(picture.flatten(1, 2).transpose(1, 2))


@register
def rnn(picture: Picture, width: int = 32, depth: int = 0) -> Backbone:
    """Bidirectional recurrent network on the bands of each frame."""
    return RNN(picture.channels * picture.bands, width, depth or 2)


@register
def crnn(picture: Picture, width: int = 32, depth: int = 0) -> Backbone:
    """The small CNN with bidirectional recurrent layers behind it."""
    return CRNN(picture.channels, picture.bands, width, depth or 1)


@register
def chrononet(picture: Picture, width: int = 32) -> Backbone:
    """ChronoNet: convolutions at three time scales, then densely connected recurrent layers."""
    return ChronoNetOnBands(picture.channels * picture.bands, width)
