"""What a training minimises, made for a detector and its clips."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from whalelib.errors import InputError
from whalelib.losses import Objective
from whalelib.models import Detector


def objective(
    detector: Detector, targets: np.ndarray, *, teachers: Sequence[str | Path] = (), **settings: Any
) -> Objective:
    """The objective with these settings, its teachers loaded; refused where it does not suit the detector."""
    heard = [_teacher(folder, detector) for folder in teachers]
    aim = Objective(len(detector.classes), torch.from_numpy(targets), teacher_detectors=heard, **settings)
    if aim.exclusive != detector.exclusive:
        raise InputError(
            "the softmax loss is for detectors whose classes exclude each other, and the other losses are for the "
            f"rest: build the detector with exclusive={aim.exclusive}, or choose another loss."
        )
    return aim


def _teacher(folder: str | Path, pupil: Detector) -> Detector:
    """A trained detector from its folder, or from that of its training; it must answer what the pupil is asked."""
    within = Path(folder) / "detector"
    if not (Path(folder) / "config.json").exists() and not (within / "config.json").exists():
        raise InputError(f"the teacher {folder} is no folder of a trained detector: name one that a training has left.")
    teacher = Detector.from_pretrained(str(within if within.exists() else folder))
    for name in ("classes", "sample_rate", "clip_seconds"):
        mine, others = getattr(pupil, name), getattr(teacher, name)
        if mine != others:
            raise InputError(f"the teacher {folder} has {name} {others}, and the detector {mine}: choose another one.")
    return teacher
