"""What an augmentation is, and the register of them. A decorated class is known; everything that lists them loops."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from whalelib.augment.drawing import Dice
from whalelib.augment.labels import Labels
from whalelib.augment.ranges import Number, Range, Setting, Word

STAGES = ("waveform", "picture", "embedding")
Drawn = dict[str, Tensor]


@dataclass(frozen=True)
class Surroundings:
    """What an augmentation may need to know beside its own settings."""

    sample_rate: int
    clip_seconds: float
    background: Tensor | None = None  # clips of noise [M, N], in 16-bit numbers
    empty_class: int | None = None  # the class that says that no call is there

    @property
    def samples(self) -> int:
        return round(self.sample_rate * self.clip_seconds)


class Augmentation(nn.Module):
    """One kind of change. `draw` decides, `altered` does it: the same numbers give the same sound, alone or in a batch.

    It sees only the clips that were drawn, each with probability `p`.
    """

    name: ClassVar[str]
    stage: ClassVar[str]
    settings: ClassVar[dict[str, Setting]]

    def __init__(self, around: Surroundings, **given: Setting) -> None:
        super().__init__()
        self.around = around
        self.set = {**self.settings, **given}

    @property
    def at(self) -> str:
        """What it changes: the waveform, the picture, or the embeddings of the last layer."""
        where = self.set.get("at")
        return where.value if isinstance(where, Word) else self.stage

    def number(self, name: str) -> float:
        setting = self.set[name]
        assert isinstance(setting, Number)
        return setting.value

    def drawn(self, dice: Dice, rows: np.ndarray, device: torch.device) -> Drawn:
        """What these clips of the batch get, as tensors."""
        values = {name: torch.from_numpy(numbers[rows]) for name, numbers in self.draw(dice).items()}
        return {name: v.to(device, torch.float32 if v.is_floating_point() else v.dtype) for name, v in values.items()}

    def draw(self, dice: Dice) -> dict[str, np.ndarray]:
        """What each clip of the batch would get: a number from each of its ranges."""
        return {name: setting.draw(dice) for name, setting in self.set.items() if isinstance(setting, Range)}

    def altered(self, x: Tensor, drawn: Drawn) -> Tensor:
        """The changed waveforms [B, N], pictures [B, C, bands, frames] or embeddings [B, T, D]."""
        raise NotImplementedError

    def relabelled(self, labels: Labels, drawn: Drawn) -> Labels:
        """Their labels; the same ones unless sound was moved in time."""
        return labels

    def change(self, batch: Tensor, rows: Tensor, drawn: Drawn) -> Tensor:
        """The new rows of a whole batch; those that mix look at other rows as well."""
        return self.altered(batch.index_select(0, rows), drawn)

    def change_labels(self, labels: Labels, rows: Tensor, drawn: Drawn) -> Labels:
        return self.relabelled(labels.take(rows), drawn)


AUGMENTATIONS: dict[str, type[Augmentation]] = {}


def register(name: str, stage: str = "waveform", p: float = 0.5, **settings: Setting) -> Callable[[Any], Any]:
    """Make a class known under a name, with its settings and their defaults; its docstring describes it."""

    def known(cls: type[Augmentation]) -> type[Augmentation]:
        if name in AUGMENTATIONS:
            raise ValueError(f"two augmentations are named {name!r}")
        cls.name, cls.stage, cls.settings = name, stage, {"p": Number(p), **settings}
        AUGMENTATIONS[name] = cls
        return cls

    return known


def names() -> dict[str, str]:
    """Every augmentation as an entry with its defaults, and the first line of its description."""
    listed = {}
    for name, cls in AUGMENTATIONS.items():
        entry = " ".join([name, *(f"{setting}={value}" for setting, value in cls.settings.items())])
        listed[entry] = (cls.__doc__ or "").strip().splitlines()[0]
    return listed
