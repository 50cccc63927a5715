"""The whole of what a training minimises: clips, frames, centres and teachers, each with its weight."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from whalelib.errors import InputError
from whalelib.losses.centres import Centres
from whalelib.losses.elements import LOSSES, Weighing, class_weights, mean

_FILE = "objective.safetensors"


class Objective(nn.Module):
    """The loss of a batch:

    clips, + `frame_weight` × frames, + `loudest_weight` × clips judged by their loudest frame,
    + `center_weight` × distances from the centres of classes.

    With teachers the first becomes (1 - `distill_weight`) × clips + `distill_weight` × how far the detector's answers
    for clips are from the teachers' (averaged), both softened by `temperature`. Centres and teachers count in training
    only, so that validation losses compare. What it holds belongs to the training, and never to the detector.
    """

    class_weight: Tensor | None

    def __init__(
        self,
        classes: int,
        train_targets: Tensor | None = None,
        *,
        teacher_detectors: Sequence[nn.Module] = (),
        loss: str = "bce",
        focal_gamma: float = 2.0,
        positive_weight: float = 1.0,
        class_weight_power: float = 0.0,
        label_smoothing: float = 0.0,
        frame_weight: float = 1.0,
        loudest_weight: float = 0.0,
        center_weight: float = 0.0,
        center_step: float = 0.5,
        distill_weight: float = 0.5,
        temperature: float = 2.0,
    ) -> None:
        super().__init__()
        if loss not in LOSSES:
            raise InputError(f"loss cannot be {loss!r}: it is one of {', '.join(LOSSES)}.")
        weights = None
        if class_weight_power:
            if train_targets is None:
                raise InputError("class_weight_power needs the targets of the training clips: give train_targets.")
            weights = class_weights(train_targets, class_weight_power)
        self.register_buffer("class_weight", weights, persistent=False)
        self.positive_weight, self.label_smoothing, self.focal_gamma = positive_weight, label_smoothing, focal_gamma
        self.loss, self.exclusive = LOSSES[loss], loss == "softmax"
        self.frame_weight, self.loudest_weight, self.center_weight = frame_weight, loudest_weight, center_weight
        self.distill_weight, self.temperature = distill_weight, temperature
        self.centres = Centres(classes, center_step) if center_weight else None
        self.teachers = nn.ModuleList(teacher_detectors).requires_grad_(False)
        self.train()

    def train(self, mode: bool = True) -> Objective:
        super().train(mode)
        self.teachers.eval()
        return self

    @property
    def weighing(self) -> Weighing:
        return Weighing(self.class_weight, self.positive_weight, self.label_smoothing, self.focal_gamma)

    def counts(self, targets: Tensor, frame_targets: Tensor, weight: Tensor | None = None) -> Tensor:
        """What the losses of a batch are divided by, for clips, frames, teachers and centres.

        Those of the parts of a larger batch may be added up, and given to `forward` for each part.
        """

        def known(of: Tensor, weighing: Weighing) -> Tensor:
            counted = self.loss(torch.zeros_like(of, dtype=torch.float), of, weighing).counts
            return (counted if weight is None else counted * weight.reshape(-1, *[1] * (of.dim() - 1))).sum()

        taught, held = known(torch.zeros_like(targets), Weighing()), torch.nan_to_num(targets, nan=0.0).sum()
        return torch.stack([known(targets, self.weighing), known(frame_targets, self.weighing), taught, held.float()])

    def forward(
        self,
        clip: Tensor,
        frames: Tensor,
        targets: Tensor,
        frame_targets: Tensor,
        weight: Tensor | None = None,
        *,
        embeddings: Tensor | None = None,
        waveform: Tensor | None = None,
        counts: Tensor | None = None,
    ) -> Tensor:
        """The loss of clip logits [B, K] and frame logits [B, T, K].

        `embeddings` [B, D] are needed by centres and `waveform` by teachers; `counts` are those of the larger batch
        that this one is a part of.
        """
        of_clips, of_frames, taught, held = (None,) * 4 if counts is None else counts.clamp(min=1e-6).float()

        def cost(logits: Tensor, truth: Tensor, divisor: Tensor | None) -> Tensor:
            return mean(self.loss(logits, truth, self.weighing), weight, divisor)

        total = cost(clip, targets, of_clips)
        if self.training and len(self.teachers):
            distance = self._distance(clip, waveform, weight, taught)
            total = (1 - self.distill_weight) * total + self.distill_weight * distance
        if self.frame_weight:
            total = total + self.frame_weight * cost(frames, frame_targets, of_frames)
        if self.loudest_weight:
            total = total + self.loudest_weight * cost(frames.amax(1), targets, of_clips)
        if self.training and self.centres is not None:
            if embeddings is None:
                raise InputError("center_weight needs embeddings, and this detector gave none: set it to 0.")
            total = total + self.center_weight * self.centres(embeddings, targets, held)
        return total

    def _distance(self, clip: Tensor, waveform: Tensor | None, weight: Tensor | None, divisor: Tensor | None) -> Tensor:
        """Cross-entropy with the teachers' answers; times temperature squared, so that its gradient keeps its size."""
        if waveform is None:
            raise InputError("teachers must hear what the detector hears: give the waveform.")
        distance = LOSSES["softmax" if self.exclusive else "bce"]
        soft = self.soft_labels(waveform)
        return self.temperature**2 * mean(distance(clip / self.temperature, soft), weight, divisor)

    @torch.no_grad()
    def soft_labels(self, waveform: Tensor) -> Tensor:
        """The teachers' probabilities for clips [B, K], softened and averaged."""
        teachers: Iterable[Any] = self.teachers
        return torch.stack([t.probabilities(t(waveform).clip.float() / self.temperature) for t in teachers]).mean(0)

    def save(self, folder: str | Path) -> None:
        """Leave in a checkpoint what a training must find again; nothing where there is nothing of the kind."""
        from safetensors.torch import save_file

        if self.centres is not None:
            save_file(self.centres.state_dict(), Path(folder) / _FILE)

    def restore(self, folder: str | Path) -> None:
        """Take up what `save` left in a checkpoint."""
        from safetensors.torch import load_file

        if self.centres is not None and (Path(folder) / _FILE).exists():
            for name, kept in load_file(Path(folder) / _FILE).items():
                setattr(self.centres, name, kept.to(self.centres.seen.device))
