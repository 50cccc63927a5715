"""Transcription by knobs: the feature store, the transcriber, and how it does beside a detector; each made once."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from whalelib import audio, experiment, provenance
from whalelib.config import Config, decisive, read_yaml, resolve, section_of
from whalelib.errors import InputError
from whalelib.stages.detecting import detections, rule
from whalelib.stages.products import Split, heard, place, split

if TYPE_CHECKING:  # torch is loaded by the functions that need it
    from whalelib.transcribe import Hearing, Taught, Transcriber, Transcripts


@dataclass(frozen=True)
class _Plan:
    """A feature store before it is made: its windows with their sentences, and how they are heard and said."""

    folder: Path
    windows: pd.DataFrame
    hearing: Hearing
    words: Any
    tables: tuple[pd.DataFrame, pd.DataFrame]
    left_out: list[str]


def transcripts(config: Config, parts: Split | None = None) -> Transcripts:
    """The feature store: windows of calls, or with `speech_path` sentences, as pictures and tokens.

    The one that `store_path` names needs no recordings; else it is made of them where it is missing.
    """
    from whalelib import transcribe

    if config.store_path:
        return transcribe.open_transcripts(_given_folder(config))
    plan = _planned(config, parts)
    return transcribe.build(
        plan.folder,
        plan.windows,
        plan.hearing,
        plan.words,
        plan.tables,
        made_from=decisive(config, "transcripts"),
        left_out=plan.left_out,
    )


def _given_folder(config: Config) -> Path:
    return Path(os.path.expandvars(config.store_path)).expanduser()


def _planned(config: Config, parts: Split | None) -> _Plan:
    if config.speech_path:
        return _of_speech(config)
    try:
        parts = parts or split(config)
    except InputError as error:
        reason = str(error).rstrip(".")
        raise InputError(
            f"there is no feature store here, nor the recordings that it would be made of ({reason}): build it where "
            "they are (`whalelib store build --transcripts`), or fetch it (`whalelib store fetch`), and name it in "
            "store_path."
        ) from None
    return _of_calls(config, parts)


def _of_speech(config: Config) -> _Plan:
    from whalelib import transcribe

    if not config.whisper:
        raise InputError("speech needs Whisper weights to begin with: set whisper to a folder that holds them.")
    hearing, words = transcribe.text_of(config.whisper, config.speech_language)
    spoken, problems = transcribe.common_voice(os.path.expandvars(config.speech_path))
    rows = spoken.assign(recording=spoken["path"].map(os.path.basename), onset=0.0, channel=1)
    rows, too_long = _short_enough(rows, hearing.window_seconds)
    rows["seconds"] = hearing.window_seconds
    rows["tokens"] = [words.encode(sentence) for sentence in rows["sentence"]]
    where = os.path.realpath(os.path.expandvars(config.speech_path))
    folder = experiment.cache(config, "transcripts", data=where)
    tables = rows[["recording", "path", "group"]], spoken
    return _Plan(folder, rows, hearing, words, tables, problems + too_long)


def _short_enough(rows: pd.DataFrame, most_seconds: float) -> tuple[pd.DataFrame, list[str]]:
    """The files that are heard as a whole, and a sentence for each that is not; one that cannot be read is kept for
    the store to name."""
    kept, problems = [], []
    for path in rows["path"]:
        try:
            seconds = audio.probe(path).seconds
        except InputError:
            seconds = 0.0
        kept.append(seconds <= most_seconds)
        if not kept[-1]:
            problems.append(f"{path} lasts {seconds:.0f} s, of which {most_seconds:g} s are heard, and was left out.")
    return rows[kept].reset_index(drop=True), problems


def _of_calls(config: Config, parts: Split) -> _Plan:
    from whalelib import transcribe

    if not parts.survey.exhaustive:
        raise InputError(
            "a transcript tells every call, and here not every call is annotated: set exhaustive to true if they are, "
            "or train a detector (notebook 03), which can learn from stretches that are not known."
        )
    seconds = config.transcript_seconds
    if config.whisper:
        hearing, words = transcribe.vocabulary_of(config.whisper, parts.calls, seconds, config.speed)
    else:
        hearing = transcribe.Hearing(seconds, config.speed, config.transcript_bands)
        words = transcribe.Vocabulary.small(parts.calls, seconds, config.moment_seconds)
    rows = _windows(config, parts, words)
    tables = parts.survey.recordings, parts.survey.events
    left_out = [*parts.survey.problems, *_unsayable(parts)]
    return _Plan(place(config, "transcripts", parts), rows, hearing, words, tables, left_out)


def _unsayable(parts: Split) -> list[str]:
    """A sentence for each label that no token stands for: its calls are in no transcript and count in no error rate."""
    events = parts.survey.events
    counts = events.loc[(events["truth"] != "absent") & ~events["label"].isin(parts.calls), "label"].value_counts()
    return [
        f"{count} calls of {label} are not written down, because no token stands for them: name it in classes, and "
        "have it on a training day."
        for label, count in counts.sort_index().items()
    ]


def _windows(config: Config, parts: Split, words: Any) -> pd.DataFrame:
    """The windows to learn from, which overlap, and those to be judged by, which do not, with their sentences."""
    from whalelib import transcribe

    window, rows = config.transcript_seconds, []
    hop = config.transcript_hop_seconds or window / 4
    for fold in ("train", "validation", "test"):
        events = parts.events(fold)
        told = events[(events["truth"] != "absent") & events["label"].isin(parts.calls)]
        of = dict(iter(told.groupby("recording")))
        for rec in heard(parts, fold).itertuples():
            here = of.get(rec.recording, told.iloc[:0])
            for onset in transcribe.onsets(rec.seconds, window, hop if fold == "train" else window):
                calls = transcribe.calls_in(here, onset, window)
                tokens = words.encode(calls)
                if not words.reads_back(calls, tokens):
                    raise InputError(
                        f"{rec.recording}: the calls from {onset:g} s on are not what their tokens say: set "
                        "moment_seconds lower."
                    )
                rows.append((rec.recording, rec.path, onset, window, int(rec.listen_channel), fold, rec.group, tokens))
    columns = ["recording", "path", "onset", "seconds", "channel", "fold", "group", "tokens"]
    return pd.DataFrame(rows, columns=columns)


def beginning(config: Config, store: Transcripts) -> Transcriber:
    """The transcriber of a feature store before it has learnt: small and new, or of published weights."""
    from whalelib import transcribe

    if store.words.kind == "text":
        return transcribe.speaking(config.whisper, config.speech_language)
    hearing, words = store.hearing, store.words
    if config.whisper:
        return transcribe.published(config.whisper, words.labels, hearing.window_seconds, hearing.speed)
    return transcribe.fresh(
        words.labels,
        hearing,
        moment_seconds=words.step_seconds,
        width=config.transcriber_width,
        layers=config.transcriber_layers,
        dropout=config.transcriber_dropout,
        seed=config.seed,
    )


def teach(config: Config, store: Transcripts, progress: bool = True) -> Taught:
    """The trained transcriber; trained where it is missing, or trained on where it was interrupted."""
    from whalelib import transcribe

    begun = beginning(config, store)
    if config.lora_rank:
        begun = transcribe.with_lora(begun, config.lora_rank, config.lora_alpha, config.lora_dropout, config.seed)
        learnt = sum(p.numel() for p in begun.model.parameters() if p.requires_grad)
        print(f"{learnt:,} of {sum(p.numel() for p in begun.model.parameters()):,} parameters learn")
    folder = _taught_at(config, store.about["fingerprint"])
    knobs = section_of(config, "train", without=("members",))  # those are the detector's
    knobs |= section_of(config, "tracking", without=("tensorboard", "profile_batches"))
    with experiment.alone(folder):
        return transcribe.teach(begun, store, folder, beams=config.beams, progress=progress, **knobs)


def taught(config: Config, parts: Split | None = None) -> Taught:
    """The trained transcriber, if there is one; no feature store is made to find it."""
    from whalelib import transcribe

    if config.store_path:
        told = transcribe.open_transcripts(_given_folder(config)).about["fingerprint"]
    else:
        plan = _planned(config, parts)
        told = transcribe.fingerprint(plan.windows, plan.hearing, plan.words)
    return transcribe.load_taught(_taught_at(config, told))


def _taught_at(config: Config, features: str) -> Path:
    folder = experiment.cache(config, "transcriber", features=features)
    provenance.stamp(folder, "transcripts")
    return folder


def transcriber_of(model: str) -> Transcriber:
    """The transcriber of a run's folder, of a folder that it was saved to, or of the hub."""
    from whalelib import transcribe

    file = Path(model) / "config.yaml"
    if not file.exists():
        return transcribe.load(model)
    return taught(resolve(read_yaml(file), str(file))).transcriber


def transcribed(config: Config, parts: Split, fitted: Taught, *folds: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What the transcriber tells of the recordings of these folds, and the receipt."""
    from whalelib import transcribe

    return transcribe.transcribe(
        fitted.transcriber,
        heard(parts, *folds),
        overlap_seconds=config.transcript_overlap_seconds,
        beams=config.beams,
    )


def side_by_side(config: Config, parts: Split, told: pd.DataFrame) -> pd.DataFrame:
    """The transcriber and, where one is trained with these knobs, the frame-wise detector on the test recordings.

    Units in their order; calls one to one, by the knobs' rule and by collars; and by how much beginnings are off.
    """
    systems = {"transcriber": told}
    try:
        systems["detector"], _, _ = detections(config, parts)
    except InputError as error:
        print(f"no detector to stand beside it: {error}")
    truth, recordings = parts.events("test"), parts.recordings("test").set_index("recording", drop=False)
    found = {name: table[table["label"].isin(parts.calls)] for name, table in systems.items()}
    return pd.DataFrame({name: _judged(config, parts.calls, truth, of, recordings) for name, of in found.items()}).T


def _judged(
    config: Config, calls: list[str], truth: pd.DataFrame, found: pd.DataFrame, recordings: pd.DataFrame
) -> dict[str, Any]:
    from whalelib import metrics, transcribe

    found = found.reset_index(drop=True)
    values: dict[str, Any] = {}
    values |= transcribe.unit_report(truth, found, recordings).iloc[0].to_dict()
    hours = pd.DataFrame(dict.fromkeys(calls, recordings["seconds"] / 3600))
    collar = metrics.Collar(config.collar_seconds, config.collar_share, config.collar_edges)
    for prefix, matched in (("", rule(config)), ("collar_", collar)):
        report = metrics.event_report(truth, found, hours, calls, rule=matched, groups=recordings["group"])
        of_all = report.set_index("class").loc["all", ["precision", "recall", "f1", "f1_low", "f1_high"]]
        values |= of_all.add_prefix(prefix).to_dict()
    late = transcribe.onset_errors(truth, found, rule(config))["late"].abs()
    values["onset_off_median"] = float(late.median()) if len(late) else np.nan
    values["onset_off_90"] = float(late.quantile(0.9)) if len(late) else np.nan
    return values


def sentences(config: Config, store: Transcripts, fitted: Taught, fold: str = "validation") -> pd.DataFrame:
    """The units of each window (or file) of a fold, those that were told of it alone, and the errors."""
    from whalelib import transcribe

    words, rows = store.words, []
    held = store.folds[fold]
    for first in range(0, len(held), 16):
        block = held[first : min(first + 16, len(held))]
        pictures = np.stack(block["input_features"]).reshape(-1, store.hearing.bands, store.hearing.frames)
        told = fitted.transcriber.heard(pictures.astype(np.float32), config.beams)
        for labels, (saying, _) in zip(block["labels"], told, strict=True):
            truth, said = words.units(list(map(int, labels))), words.said(saying)
            rows.append((" ".join(truth), " ".join(said), *transcribe.edits(truth, said)))
    return pd.DataFrame(rows, columns=["sentence", "told", *transcribe.Edits._fields])


def transcriber_facts(config: Config, store: Transcripts, run_folder: str | Path) -> dict[str, Any]:
    """What a card says of a transcriber: its data, what it hears, its training, and what its run measured."""
    recordings, folds = store.tables()[0].set_index("recording"), {}
    for fold in store.folds:
        held = store.table(fold)
        names = held["recording"].unique()
        hours = float(recordings.loc[names, "seconds"].sum()) / 3600 if "seconds" in recordings else np.nan
        groups = sorted(held["group"].unique())
        folds[fold] = {"recordings": len(names), "windows": len(held), "hours": hours, "groups": groups}
    return {
        "source": os.path.basename(config.speech_path) if config.speech_path else config.source,
        "exhaustive": None if config.speech_path else True,  # or it could not have been taught
        "folds": folds,
        "whisper": config.whisper,
        "training": section_of(config, "train", without=("keep_at", "workers", "members")),
        "values": experiment.recorded(Path(run_folder), ["transcripts", "transcribe"]),
    }
