"""The register, told: every network with its size and what it expects."""

from __future__ import annotations

from typing import NamedTuple

import torch

from whalelib.errors import InputError
from whalelib.models.registry import Entry, Picture, entries

# What the knobs' defaults make of a clip; the size of some networks depends on it a little.
_USUAL = Picture(channels=1, bands=64, frames=94, hop=64, sample_rate=2000)
_SOUND = Picture(channels=1, bands=1, frames=6000, hop=1, sample_rate=2000)


class Listed(NamedTuple):
    """A line of `whalelib models`."""

    name: str
    parameters: int | None  # None where a package is missing
    expects: str
    says: str


def listing() -> list[Listed]:
    """Every registered network. They are built without memory, so the largest costs no more than the smallest."""
    return [Listed(entry.name, _size(entry), _expects(entry), entry.says) for entry in entries()]


def _size(entry: Entry) -> int | None:
    try:
        with torch.device("meta"):
            network = entry.builder(_SOUND if entry.expects == "waveform" else _USUAL)
    except (ImportError, InputError):
        return None
    return sum(parameter.numel() for parameter in network.parameters())


def _expects(entry: Entry) -> str:
    rate = f" at {entry.sample_rate / 1000:g} kHz" if entry.sample_rate else ""
    preset = f", pretrained on {entry.front_end}{rate}" if entry.front_end not in ("", entry.expects) else rate
    return entry.expects + preset
