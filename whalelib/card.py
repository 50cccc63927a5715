"""A detector passed on: its weights with a card that says what it was trained on, what it hears, and how well."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from whalelib.errors import InputError, needs_extra

_FRONT_END = {"window_seconds": "s", "hop_seconds": "s", "n_mels": "bands", "mel_break_hz": "Hz", "normalise": ""}
_NAMES = {"ap": "average precision", "auc": "ROC AUC", "f1": "F1", "event_f1": "F1, call by call"}
_INTRODUCTION = """
A detector of {classes} in recordings at {rate:,} Hz. It takes {clip:g} s of sound and answers for the clip and for
every {frame:.3g} s of it.

## How it is used

    from whalelib.models import Detector

    detector = Detector.from_pretrained("{place}")
    logits = detector(waveform)  # [batch, {samples}] at {rate} Hz, full scale 1; logits.clip, logits.frames
"""


def text(detector: Any, facts: Mapping[str, Any], licence: str, place: str = "this folder") -> str:
    """The card. `facts` are those of `stages.facts`; what a run did not measure is not in them and not in the card."""
    try:
        from huggingface_hub import ModelCardData
    except ImportError:
        raise needs_extra("huggingface-hub", "train") from None
    if not licence:
        raise InputError("a detector is passed on under a licence: name one, as in cc-by-4.0 or mit.")
    about = ModelCardData(
        license=licence, library_name="whalelib", tags=["bioacoustics", "audio-classification", *detector.classes]
    )
    options, title = detector.options, " and ".join(name.replace("_", " ") for name in detector.classes)
    introduction = _INTRODUCTION.format(
        classes=", ".join(name.replace("_", " ") for name in detector.classes),
        rate=detector.sample_rate,
        clip=detector.clip_seconds,
        frame=detector.frame_seconds,
        samples=detector.clip_samples,
        place=place,
    )
    parts = [
        f"---\n{about.to_yaml()}\n---\n\n# {title}\n{introduction}",
        _section("What it was trained on", _data(facts)),
        _section("What it sees", _front_end(facts, options)),
        _section("How well it hears", _figures(facts)),
        _section("Call by call", _calls(facts)),
        _section("How it was trained", _table(("knob", "value"), facts.get("training", {}).items())),
    ]
    return "\n".join(part for part in parts if part)


def save(detector: Any, folder: str | Path, facts: Mapping[str, Any], licence: str, place: str = "") -> Path:
    """Weights, configuration and card, into a folder."""
    folder = Path(folder)
    card = text(detector, facts, licence, place or folder.name)
    detector.save_pretrained(folder)
    (folder / "README.md").write_text(card, encoding="utf-8")
    return folder


def push(detector: Any, repo: str, facts: Mapping[str, Any], licence: str, private: bool = True) -> str:
    """The same to a repository of the Hugging Face hub, in one commit; returns the repository's address."""
    from huggingface_hub import HfApi

    with tempfile.TemporaryDirectory() as folder:
        save(detector, folder, facts, licence, place=repo)
        hub = HfApi()
        try:
            address = hub.create_repo(repo, private=private, exist_ok=True)
            hub.upload_folder(repo_id=repo, folder_path=folder, commit_message="Detector and its card")
        except (OSError, ValueError) as error:  # the hub's own errors are both
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise InputError(f"nothing could be pushed to {repo} ({reason}): check its name and HF_TOKEN.") from None
    return str(address)


def _section(title: str, content: str) -> str:
    return f"## {title}\n\n{content}\n" if content else ""


def _table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    lines = ["| " + " | ".join(_cell(cell) for cell in row) + " |" for row in rows]
    if not lines:
        return ""
    return "\n".join(["| " + " | ".join(head) + " |", "|" + "---|" * len(head), *lines])


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:.3g}" if isinstance(value, float) else str(value).replace("|", "\\|")


def _data(facts: Mapping[str, Any]) -> str:
    rows = [
        (fold, row["recordings"], f"{row['hours']:.2f}", ", ".join(row["groups"]))
        for fold, row in facts["folds"].items()
    ]
    whole = "Every call is annotated." if facts["exhaustive"] else "Not every call is annotated."
    table = _table(("fold", "recordings", "hours", "days or other groups"), rows)
    return f"Source: {facts['source']}. {whole} No group lies in two folds.\n\n{table}"


def _front_end(facts: Mapping[str, Any], options: Mapping[str, Any]) -> str:
    low, high = facts["band"]
    features = {**facts.get("features", {}), **options.get("features", {})}
    rows = [("band", f"{low:g} to {high:g} Hz")]
    rows += [(name, f"{_cell(features[name])} {unit}".strip()) for name, unit in _FRONT_END.items() if name in features]
    return _table(("front end", ""), [*rows, ("network", options.get("model", ""))])


def _figures(facts: Mapping[str, Any]) -> str:
    """Every figure of held-out groups, with its interval where one was measured."""
    values, rows = facts["values"], []
    for name, value in values.items():
        figure = name.removeprefix("test_")
        if figure in _NAMES and isinstance(value, int | float):
            low, high = values.get(f"{name}_low"), values.get(f"{name}_high")
            spread = f"{_cell(low)} to {_cell(high)}" if low is not None and high is not None else "–"
            rows.append((_NAMES[figure], float(value), spread))
    if values.get("false_per_hour") is not None:
        rows.append(("false positives per hour", float(values["false_per_hour"]), "–"))
    return _table(("on the test fold", "value", "95 % interval over groups"), rows)


def _calls(facts: Mapping[str, Any]) -> str:
    values = facts["values"]
    thresholds = values.get("thresholds", {})
    rows = [
        (
            row["class"],
            thresholds.get(row["class"]),
            row["calls"],
            row["precision"],
            row["recall"],
            row["false_per_hour"],
        )
        for row in values.get("events_by_class", [])
    ]
    return _table(("class", "threshold", "calls", "precision", "recall", "false positives per hour"), rows)
