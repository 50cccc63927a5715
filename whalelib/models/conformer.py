"""The conformer encoder: attention and convolution in turn."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from whalelib.models.attention import SelfAttention, feed_forward, heads_for
from whalelib.models.registry import Backbone, Picture, register


class Convolution(nn.Module):
    """The conformer's convolution: gated, a kernel a channel, so that it also says where in the clip a frame lies."""

    def __init__(self, dim: int, kernel: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.gate = nn.Conv1d(dim, 2 * dim, 1)
        self.slide = nn.Conv1d(dim, dim, kernel, padding=kernel // 2, groups=dim, bias=False)
        self.slide_norm = nn.BatchNorm1d(dim)
        self.mix = nn.Conv1d(dim, dim, 1)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        y = F.glu(self.gate(self.norm(x).transpose(1, 2)), dim=1)
        return self.dropout(self.mix(F.silu(self.slide_norm(self.slide(y)))).transpose(1, 2))


class ConformerBlock(nn.Module):
    """Half a feed-forward, attention, convolution, half a feed-forward."""

    def __init__(self, dim: int, kernel: int = 15, dropout: float = 0.1) -> None:
        super().__init__()
        self.first, self.last = feed_forward(dim, dropout), feed_forward(dim, dropout)
        self.attend_norm, self.attend = nn.LayerNorm(dim), SelfAttention(dim, heads_for(dim))
        self.convolve = Convolution(dim, kernel, dropout)
        self.dropout = nn.Dropout(dropout)
        self.norm = nn.LayerNorm(dim)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.first(x) / 2
        x = x + self.dropout(self.attend(self.attend_norm(x)))
        x = x + self.convolve(x)
        return self.norm(x + self.last(x) / 2)


class Conformer(Backbone):
    """Two strided convolutions, and conformer blocks over what they leave."""

    stride = 4
    attention = ("qkv",)

    def __init__(self, channels: int, n_bands: int, width: int, layers: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(channels, width, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, stride=2, padding=1),
            nn.ReLU(),
        )
        self.dim = 4 * width
        self.project = nn.Linear(width * ((n_bands + 3) // 4), self.dim)
        self.blocks = nn.Sequential(*(ConformerBlock(self.dim) for _ in range(layers)))

    def forward(self, picture: Tensor) -> Tensor:
        return self.blocks(self.project(self.stem(picture).permute(0, 3, 1, 2).flatten(2)))


@register
def conformer(picture: Picture, width: int = 32, depth: int = 0) -> Backbone:
    """Conformer encoder: attention for what is far apart, convolutions for what is near."""
    return Conformer(picture.channels, picture.bands, width, depth or 4)
