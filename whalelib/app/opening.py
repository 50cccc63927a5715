"""From a name to a detector: a folder written by `save_pretrained`, the folder of a run, or a name on the hub."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from whalelib import config as knobs
from whalelib import experiment, formats, post
from whalelib.app.hearing import Ear
from whalelib.errors import InputError


def opened(model: str) -> Ear:
    """The detector of that name, ready for the page; a run's thresholds, bands and steps come with it."""
    folder = Path(model).expanduser()
    if (folder / "config.yaml").is_file():
        return _of_run(folder)
    return Ear(_pretrained(model, folder).eval(), folder.name if folder.is_dir() else model)


def _of_run(folder: Path) -> Ear:
    """The detector that a run has trained, with what its validation days decided."""
    from whalelib import stages

    chosen = knobs.resolve(knobs.read_yaml(folder / "config.yaml"), where=str(folder / "config.yaml"))
    if chosen.calibration != "none" or chosen.ensemble or chosen.joining != "none":
        raise InputError(
            f"{folder} decides by calibrated or joined scores, and the page shows those of one detector as they are: "
            "name the folder of its detector alone, as `whalelib publish` writes it."
        )
    detector = stages.trained(chosen, stages.split(chosen)).detector.eval()
    return Ear(
        detector,
        name="/".join(folder.resolve().parts[-2:]),
        thresholds=experiment.recorded(folder).get("thresholds") or {},
        bands=_bands(folder / "detections.csv"),
        steps=knobs.section_of(chosen, "post"),
        hop_seconds=chosen.scan_hop_seconds,
    )


def _bands(detections: Path) -> pd.DataFrame | None:
    """The frequencies of each class, from the detections that the run wrote."""
    if not detections.is_file():
        return None
    bands = post.bands_of(formats.read_csv(detections).events)
    return bands if len(bands) else None


def _pretrained(model: str, folder: Path):  # type: ignore[no-untyped-def]  # torch waits until here
    from whalelib.models import Detector

    if folder.is_dir() and not (folder / "config.json").is_file():
        raise InputError(
            f"{model} holds neither a detector (config.json, model.safetensors) nor a run (config.yaml): name one that "
            "does."
        )
    try:
        return Detector.from_pretrained(str(folder) if folder.is_dir() else model)
    except InputError:
        raise
    except Exception as error:  # the hub's client raises dozens of kinds
        reason = str(error).strip().splitlines()[0].rstrip(".") if str(error).strip() else type(error).__name__
        raise InputError(
            f"{model} is no folder here and cannot be had as a detector ({reason}): check the name or path."
        ) from None
