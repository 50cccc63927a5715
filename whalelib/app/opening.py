"""From a name to who listens: the folder of a run, of a detector or of a transcriber, or a name on the hub."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from whalelib import config as knobs
from whalelib import stages
from whalelib.app.listening import Ear, Scribe
from whalelib.errors import InputError

UNDECIDED = 0.5  # where nobody knows a better threshold


def opened(model: str, detector: bool = False) -> Ear | Scribe:
    """Who listens under that name, ready for the page; of a run that has trained both, the transcriber unless told."""
    folder = Path(model).expanduser()
    where = str(folder) if folder.exists() else model
    run = (folder / "config.yaml").is_file()
    name = "/".join(folder.resolve().parts[-2:]) if run else folder.name if folder.is_dir() else model
    if not detector and _writes(folder, model):
        return _scribe(where, name)
    given, notes = _alone(folder) if run else ({"threshold": UNDECIDED}, [])
    found = stages.listener(where, given)
    return Ear(
        found.detector.eval(),
        name,
        thresholds=found.decided.thresholds,
        bands=found.bands,
        steps=found.steps,
        hop_seconds=found.how["scan_hop_seconds"],
        calibrated=found.decided.calibrated,
        notes=tuple(notes),
    )


def _writes(folder: Path, model: str) -> bool:
    """Is it a transcriber?"""
    if folder.exists():
        return any((folder / sign).is_file() for sign in _SIGNS)
    from huggingface_hub import hf_hub_download

    try:
        hf_hub_download(model, _SIGNS[0])
    except Exception:  # the hub's client raises dozens of kinds; whoever loads it says what is wrong
        return False
    return True


_SIGNS = ("transcriber.json", "transcriber/transcriber.json", "transcribe.json")


def _scribe(where: str, name: str) -> Scribe:
    transcriber = stages.transcriber_of(where)
    if transcriber.words.kind != "calls":
        raise InputError(f"{name} writes down speech, and the page shows calls: name a transcriber of calls.")
    return Scribe(transcriber, name)


def _alone(folder: Path) -> tuple[dict[str, Any], list[str]]:
    """The knobs under which a run's detector listens by itself to a visitor's recording, and what must be said."""
    chosen = knobs.resolve(knobs.read_yaml(folder / "config.yaml"), where=str(folder / "config.yaml"))
    given: dict[str, Any] = {}
    notes = []
    if chosen.ensemble:
        given["ensemble"] = []
        notes.append("It listens without the other detectors of its ensemble, by thresholds of its own.")
    if chosen.joining != "none":
        given["joining"] = "none"
        notes.append("Clips as a whole are not judged here; thresholds are those of its frames.")
    if chosen.store_path:  # there are no validation days to choose thresholds on
        given |= {"threshold": UNDECIDED, "calibration": "none"}
        notes.append(f"Its run knows no thresholds: they begin at {UNDECIDED:g}.")
    return given, notes
