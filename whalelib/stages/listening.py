"""A trained detector taken to other recordings: from a run, a folder or the hub, with what is known of its scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from whalelib import clips, tables
from whalelib.config import Config, read_yaml, resolve, section_of
from whalelib.errors import InputError
from whalelib.stages.detecting import ABOUT_SCORES, decide
from whalelib.stages.products import answering, scanning, split

if TYPE_CHECKING:  # torch is loaded by the functions that need it
    from whalelib.models import Detector
    from whalelib.post import Decided

_SECTIONS = ("scan", "post", "deciding")  # the knobs of a detector that is trained already


@dataclass(frozen=True)
class Listener:
    """A detector, the way it scans, and how its scores become detections."""

    detector: Detector
    decided: Decided
    how: dict[str, Any]  # the arguments of `predict.scan`
    steps: dict[str, Any]  # those of `post.detect`
    bands: pd.DataFrame | None  # where in frequency its classes call, if that is known


def listener(model: str, given: Mapping[str, Any]) -> Listener:
    """A detector from a run's folder, from a folder that it was saved to, or from the hub.

    A run knows its thresholds, from its validation days; any other detector must be given a `threshold`, as knobs are.
    """
    # The step between windows is held against the model's clip, which is not known yet.
    plain = {name: value for name, value in given.items() if name != "scan_hop_seconds"}
    own = resolve(plain, "the knobs of the scan").flat(_SECTIONS)  # refuses what is no knob
    for name in given:
        if name not in own:
            raise InputError(f"{name} is no knob of a scan: it was decided when the detector was trained.")
    if (Path(model) / "config.yaml").exists():
        return _of_run(Path(model), given)
    detector = _loaded(model)
    return _of_detector(model, detector, resolve({**given, "clip_seconds": detector.clip_seconds}))


def detector_of(model: str) -> Detector:
    """The detector of a run's folder, of a folder that it was saved to, or of the hub, without its thresholds."""
    file = Path(model) / "config.yaml"
    if not file.exists():
        return _loaded(model)
    config = resolve(read_yaml(file), str(file))
    return answering(config, split(config))


def _of_run(folder: Path, given: Mapping[str, Any]) -> Listener:
    from whalelib import post

    file = folder / "config.yaml"
    if "threshold" in given and "class_thresholds" not in given:  # what is given by hand is for all classes
        given = {**given, "class_thresholds": {}}
    config = resolve({**read_yaml(file), **given}, str(file))
    if config.ensemble:
        raise InputError(f"{folder} decides by an ensemble, and one detector scans: add ensemble=[] to let it alone.")
    _refuse_joining(config)
    parts = split(config)
    detector = answering(config, parts)
    return _ready(detector, decide(config, parts), config, post.bands_of(parts.events("train")))


def _refuse_joining(config: Config) -> None:
    """The scores of clips, which such thresholds are for, are those of held-out clips; a scan hears frames."""
    if config.joining != "none":
        raise InputError("the thresholds are for clips joined with frames, and a scan hears frames: add joining=none.")


def _of_detector(model: str, detector: Detector, config: Config) -> Listener:
    from whalelib import post

    def unknown() -> pd.DataFrame:
        if config.threshold is not None:
            raise InputError(f"{model} has no validation days to calibrate by: add calibration=none.")
        raise InputError(
            f"{model} does not know its thresholds: add --threshold 0.5, for example. The scores are kept, so that "
            "another threshold costs no other scan."
        )

    _refuse_joining(config)
    classes = [name for name in detector.classes if name != clips.NOISE]
    knobs = section_of(config, "deciding", without=ABOUT_SCORES)
    decided = post.decide(unknown, tables.empty(tables.EVENTS), classes, exhaustive=False, **knobs)
    return _ready(detector, decided, config, None)


def _loaded(model: str) -> Detector:
    from whalelib.models import Detector

    folder = next((f for f in (Path(model), Path(model) / "detector") if (f / "config.json").exists()), None)
    if folder is None and Path(model).exists():
        raise InputError(f"{model} holds no detector: name a run's folder, or one that a detector was saved to.")
    try:
        return Detector.from_pretrained(str(folder or model)).eval()
    except InputError:
        raise
    except (OSError, ValueError, TypeError, RuntimeError, KeyError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        raise InputError(
            f"{model} cannot be had as a detector ({reason}): name a run's folder, a folder that a detector was saved "
            "to, or a repository of the hub."
        ) from None


def _ready(detector: Detector, decided: Decided, config: Config, bands: pd.DataFrame | None) -> Listener:
    return Listener(detector, decided, scanning(config), section_of(config, "post"), bands)
