"""A model passed on: its weights with a card that says what it was trained on, what it hears, and how well."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from whalelib.errors import InputError, needs_extra

_FRONT_END = {"window_seconds": "s", "hop_seconds": "s", "n_mels": "bands", "mel_break_hz": "Hz", "normalise": ""}
_NAMES = {"ap": "average precision", "auc": "ROC AUC", "f1": "F1", "event_f1": "F1, call by call"}
_OF_TRANSCRIPTS = {
    "unit_error_rate": "unit error rate: wrong, missed and extra calls over all",
    "window_error_rate": "error rate of words or calls, window by window",
    "f1": "F1, call by call",
    "collar_f1": "F1, beginning and end within collars",
    "onset_off_median": "beginnings off by, median (s)",
    "onset_off_90": "beginnings off by, nine in ten (s)",
}
_INTRODUCTION = """
A detector of {classes} in recordings at {rate:,} Hz. It takes {clip:g} s of sound and answers for the clip and for
every {frame:.3g} s of it.

## How it is used

    from whalelib.models import Detector

    detector = Detector.from_pretrained("{place}")
    logits = detector(waveform)  # [batch, {samples}] at {rate} Hz, full scale 1; logits.clip, logits.frames
"""


_OF_TRANSCRIBER = """
A Whisper that writes down calls in recordings at {rate:,} Hz, one after the other with their times: {labels}. It hears
{window:g} s at once, and joins what it hears of a long recording.

## How it is used

    whalelib transcribe {place} ~/recordings --out told

    from whalelib import transcribe

    transcriber = transcribe.load("{place}")
    events, receipt = transcribe.transcribe(transcriber, recordings)  # recordings: recording, path, seconds
"""


_OF_SPEECH = """
A Whisper that writes down speech, in windows of up to {window:g} s at {rate:,} Hz.

## How it is used

    from whalelib import transcribe

    transcriber = transcribe.load("{place}")
    sentences = transcriber.heard(transcriber.hearing.pictures(sounds))  # sounds: [windows, samples]
"""


def text(model: Any, facts: Mapping[str, Any], licence: str, place: str = "this folder") -> str:
    """The card of a detector or a transcriber. `facts` are those of `stages.facts` or `stages.transcriber_facts`; what
    a run did not measure is not in them and not in the card."""
    if not licence:
        raise InputError("a model is passed on under a licence: name one, as in cc-by-4.0 or mit.")
    if _writes(model):
        task, names, parts = "automatic-speech-recognition", _labels(model), _of_transcriber(model, facts, place)
    else:
        task, names, parts = "audio-classification", model.classes, _of_detector(model, facts, place)
    title = " and ".join(map(_said, names))
    knobs = _section("How it was trained", _table(("knob", "value"), facts.get("training", {}).items()))
    return "\n".join(part for part in (_head(licence, task, names), f"\n# {title}", *parts, knobs) if part)


def _writes(model: Any) -> bool:
    """Is it a transcriber?"""
    return hasattr(model, "words")


def _labels(transcriber: Any) -> list[str]:
    return list(getattr(transcriber.words, "labels", ["speech"]))


def _said(name: str) -> str:
    return name.replace("_", " ")


def _head(licence: str, task: str, names: Sequence[str]) -> str:
    try:
        from huggingface_hub import ModelCardData
    except ImportError:
        raise needs_extra("huggingface-hub", "train") from None
    about = ModelCardData(license=licence, library_name="whalelib", tags=["bioacoustics", task, *names])
    return f"---\n{about.to_yaml()}\n---"


def _of_detector(detector: Any, facts: Mapping[str, Any], place: str) -> list[str]:
    introduction = _INTRODUCTION.format(
        classes=", ".join(map(_said, detector.classes)),
        rate=detector.sample_rate,
        clip=detector.clip_seconds,
        frame=detector.frame_seconds,
        samples=detector.clip_samples,
        place=place,
    )
    return [
        introduction,
        _section("What it was trained on", _data(facts)),
        _section("What it sees", _front_end(facts, detector.options)),
        _section("How well it hears", _figures(facts, _NAMES)),
        _section("Call by call", _calls(facts)),
    ]


def _of_transcriber(transcriber: Any, facts: Mapping[str, Any], place: str) -> list[str]:
    hearing, words = transcriber.hearing, transcriber.words
    introduction = (_OF_TRANSCRIBER if words.kind == "calls" else _OF_SPEECH).format(
        rate=hearing.sample_rate,
        labels=", ".join(map(_said, _labels(transcriber))),
        window=hearing.window_seconds,
        place=place,
    )
    rows = [
        ("window", f"{hearing.window_seconds:g} s"),
        ("played faster", f"{hearing.speed:g} times"),
        ("log-mel bands", hearing.bands),
        ("parameters", f"{sum(p.numel() for p in transcriber.model.parameters()):,}"),
        ("begun from", facts.get("whisper") or "nothing"),
    ]
    if words.kind == "calls":
        rows.append(("tokens", f"{len(words.labels)} labels, {words.moments} moments of {words.step_seconds:g} s"))
    return [
        introduction,
        _section("What it was trained on", _data(facts)),
        _section("What it hears and says", _table(("", ""), rows)),
        _section("How well it writes", _figures(facts, _OF_TRANSCRIPTS)),
        _section("A frame-wise detector on the same recordings", _figures(facts, _OF_TRANSCRIPTS, "detector_")),
    ]


def save(model: Any, folder: str | Path, facts: Mapping[str, Any], licence: str, place: str = "") -> Path:
    """Weights, configuration and card, into a folder."""
    folder = Path(folder)
    card = text(model, facts, licence, place or folder.name)
    model.save(folder) if _writes(model) else model.save_pretrained(folder)
    (folder / "README.md").write_text(card, encoding="utf-8")
    return folder


def push(model: Any, repo: str, facts: Mapping[str, Any], licence: str, private: bool = True) -> str:
    """The same to a repository of the Hugging Face hub, in one commit; returns the repository's address."""
    from huggingface_hub import HfApi

    with tempfile.TemporaryDirectory() as folder:
        save(model, folder, facts, licence, place=repo)
        hub = HfApi()
        try:
            address = hub.create_repo(repo, private=private, exist_ok=True)
            hub.upload_folder(repo_id=repo, folder_path=folder, commit_message="Weights and their card")
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
        (
            fold,
            row["recordings"],
            f"{row['hours']:.2f}" if row["hours"] == row["hours"] else "–",
            ", ".join(row["groups"]),
        )
        for fold, row in facts["folds"].items()
        if row["recordings"]
    ]
    whole = {True: "Every call is annotated. ", False: "Not every call is annotated. "}.get(facts["exhaustive"], "")
    table = _table(("fold", "recordings", "hours", "days or other groups"), rows)
    return f"Source: {facts['source']}. {whole}No group lies in two folds.\n\n{table}"


def _front_end(facts: Mapping[str, Any], options: Mapping[str, Any]) -> str:
    low, high = facts["band"]
    features = {**facts.get("features", {}), **options.get("features", {})}
    rows = [("band", f"{low:g} to {high:g} Hz")]
    rows += [(name, f"{_cell(features[name])} {unit}".strip()) for name, unit in _FRONT_END.items() if name in features]
    return _table(("front end", ""), [*rows, ("network", options.get("model", ""))])


def _figures(facts: Mapping[str, Any], names: Mapping[str, str], prefix: str = "test_") -> str:
    """Every figure of held-out groups, with its interval where one was measured."""
    values, rows = facts["values"], []
    for name, value in values.items():
        figure = name.removeprefix(prefix)
        if figure in names and (name != figure or prefix == "test_") and isinstance(value, int | float):
            low, high = values.get(f"{name}_low"), values.get(f"{name}_high")
            spread = f"{_cell(low)} to {_cell(high)}" if low is not None and high is not None else "–"
            rows.append((names[figure], float(value), spread))
    if names is _NAMES and values.get("false_per_hour") is not None:
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
