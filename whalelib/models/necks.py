"""Necks: what may stand between a backbone, frozen or not, and the head; embeddings in, embeddings out."""

from __future__ import annotations

from whalelib.errors import InputError
from whalelib.models.attention import AttentionBlock
from whalelib.models.recurrent import ChronoNet
from whalelib.models.registry import Backbone

NECKS = ("none", "attention", "chrononet")


def neck(name: str, dim: int, width: int, dropout: float) -> Backbone | None:
    """A fresh neck by its name."""
    if name not in NECKS:
        raise InputError(f"neck cannot be {name!r}: it is one of {', '.join(NECKS)}.")
    if name == "attention":
        return AttentionBlock(dim, dropout)
    return ChronoNet(dim, width) if name == "chrononet" else None
