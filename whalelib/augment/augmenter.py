"""A list of augmentations at work on a training: on each batch before, inside and behind the front end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from whalelib.augment.drawing import Dice
from whalelib.augment.entries import parse
from whalelib.augment.labels import Labels
from whalelib.augment.registry import STAGES, Augmentation, Drawn, Surroundings
from whalelib.errors import InputError


@dataclass(frozen=True)
class Chosen:
    """An augmentation with the clips that it changes, and what was drawn for each of them."""

    augmentation: Augmentation
    rows: Tensor
    drawn: Drawn

    def on(self, x: Tensor) -> Tensor:
        new = self.augmentation.change(x, self.rows, self.drawn).to(x.dtype)
        return new if len(self.rows) == len(x) else x.index_copy(0, self.rows, new)

    def on_labels(self, labels: Labels) -> Labels:
        return labels.put(self.rows, self.augmentation.change_labels(labels, self.rows, self.drawn))


class Later:
    """What is still to be done to a batch on its way through the detector, which calls it at every stage."""

    def __init__(self, chosen: Sequence[Chosen], clips: int) -> None:
        self.chosen, self.clips = chosen, clips

    def __call__(self, stage: str, x: Tensor) -> Tensor:
        for one in self.chosen:
            if one.augmentation.at == stage:
                if len(x) != self.clips:
                    raise InputError(
                        f"a batch of {self.clips} clips reached the network in parts, which cannot be augmented behind "
                        "the front end: start one process a device (torchrun), or show one device only."
                    )
                x = one.on(x)
        return x


class Augmenter(nn.Module):
    """Changes training batches as its entries say: waveforms first, then pictures, then embeddings, and each of these
    in the order of the list. In `eval` mode it leaves them alone.

    Everything that is drawn depends on seed, step and the entry's place in the list; nothing else draws or is drawn
    from, so neither a stop nor another random number anywhere changes what a training hears.
    """

    def __init__(
        self,
        entries: Sequence[str],
        *,
        sample_rate: int,
        clip_seconds: float,
        seed: int = 0,
        background: Tensor | None = None,
        empty_class: int | None = None,
    ) -> None:
        super().__init__()
        around = Surroundings(sample_rate, clip_seconds, background, empty_class)
        built = [entry.build(around) for entry in parse(entries)]
        self.augmentations = nn.ModuleList(sorted(built, key=lambda one: STAGES.index(one.at)))
        self.seed = seed
        self._step, self._part = -1, 0

    def forward(self, batch: Mapping[str, Tensor], step: int, rank: int = 0) -> tuple[dict[str, Tensor], Later]:
        """The batch with its waveforms and labels changed, and what is left to do to pictures and embeddings.

        `step` is the optimiser's; a step that takes several batches draws anew for each. `rank` tells processes apart.
        """
        batch = dict(batch)
        if not self.training or not self.augmentations:
            return batch, Later([], len(batch["waveform"]))
        self.to(batch["waveform"].device)
        with torch.no_grad():
            chosen = self.choose(len(batch["waveform"]), batch["waveform"].device, step, rank, self._part_of(step))
            waveform, labels = batch["waveform"], Labels.of(batch)
            for one in chosen:
                if one.augmentation.at == "waveform":
                    waveform = one.on(waveform)
                labels = one.on_labels(labels)
        batch.update(waveform=waveform, targets=labels.targets, frames=labels.frames, weight=labels.weight)
        return batch, Later(chosen, len(waveform))

    def choose(self, clips: int, device: torch.device, step: int, rank: int = 0, part: int = 0) -> list[Chosen]:
        """For each augmentation which clips of a batch it changes, and how."""
        chosen = []
        for place, augmentation in enumerate(self.augmentations):
            assert isinstance(augmentation, Augmentation)
            dice = Dice((self.seed, rank, step, part, place), clips)
            rows = (dice.uniform() < augmentation.number("p")).nonzero()[0]
            if len(rows):
                drawn = augmentation.drawn(dice, rows, device)
                chosen.append(Chosen(augmentation, torch.from_numpy(rows).to(device), drawn))
        return chosen

    def _part_of(self, step: int) -> int:
        """Which batch of a step this is, where several make one step."""
        self._part = self._part + 1 if step == self._step else 0
        self._step = step
        return self._part
