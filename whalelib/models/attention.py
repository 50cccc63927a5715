"""Self-attention over embeddings."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from whalelib.models.registry import Backbone


class SelfAttention(nn.Module):
    """Every step of [B, T, dim] looks at every other."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.project = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        return self.project(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


def heads_for(dim: int) -> int:
    """About 64 dimensions a head, and a number that divides."""
    return next(heads for heads in range(max(dim // 64, 1), 0, -1) if dim % heads == 0)


class AttentionBlock(Backbone):
    """The pre-norm transformer block, as a neck on embeddings."""

    stride = 1
    attention = ("qkv",)

    def __init__(self, dim: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.dim = dim
        self.attend_norm, self.attend = nn.LayerNorm(dim), SelfAttention(dim, heads_for(dim))
        self.feed = feed_forward(dim, dropout)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.dropout(self.attend(self.attend_norm(x)))
        return x + self.feed(x)


def feed_forward(dim: int, dropout: float) -> nn.Sequential:
    """The block's other half: four times as wide in between."""
    return nn.Sequential(
        nn.LayerNorm(dim), nn.Linear(dim, 4 * dim), nn.SiLU(), nn.Linear(4 * dim, dim), nn.Dropout(dropout)
    )
