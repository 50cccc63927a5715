"""Transcription by knobs: the feature store, the transcriber, and how it does beside a detector; each made once."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from whalelib import audio, experiment, provenance
from whalelib.config import Config, section_of
from whalelib.errors import InputError
from whalelib.stages.detecting import detections, rule
from whalelib.stages.products import Split, heard, place, split

if TYPE_CHECKING:  # torch is loaded by the functions that need it
    from whalelib.transcribe import Taught, Transcriber, Transcripts


def transcripts(config: Config, parts: Split | None = None) -> Transcripts:
    """The feature store: windows of calls, or with `speech_path` sentences, as pictures and tokens."""
    from whalelib import transcribe

    begun = beginning(config, parts)
    if config.speech_path:
        spoken, problems = transcribe.common_voice(os.path.expandvars(config.speech_path))
        rows = spoken.assign(recording=spoken["path"].map(os.path.basename), onset=0.0, channel=1)
        rows, too_long = _short_enough(rows, begun.hearing.window_seconds)
        problems += too_long
        rows["seconds"] = begun.hearing.window_seconds
        rows["tokens"] = [begun.words.encode(sentence) for sentence in rows["sentence"]]
        tables = (rows[["recording", "path", "group"]], spoken)
        place_of = os.path.realpath(os.path.expandvars(config.speech_path))
        store = transcribe.build(
            experiment.cache(config, "transcripts", data=place_of), rows, begun.hearing, begun.words, tables
        )
        store.problems.extend(problems)
        return store
    parts = parts or split(config)
    folder = place(config, "transcripts", parts)
    rows = _windows(config, parts, begun)
    return transcribe.build(folder, rows, begun.hearing, begun.words, (parts.survey.recordings, parts.survey.events))


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


def beginning(config: Config, parts: Split | None = None) -> Transcriber:
    """The transcriber before it has learnt: small and new, or of published weights."""
    from whalelib import transcribe

    if config.speech_path:
        if not config.whisper:
            raise InputError("speech needs Whisper weights to begin with: set whisper to a folder that holds them.")
        return transcribe.speaking(config.whisper, config.speech_language)
    parts = parts or split(config)
    if not parts.survey.exhaustive:
        raise InputError(
            "a transcript tells every call, and here not every call is annotated: set exhaustive to true if they are, "
            "or train a detector (notebook 03), which can learn from stretches that are not known."
        )
    seconds = config.transcript_seconds
    if config.whisper:
        return transcribe.published(config.whisper, parts.calls, seconds, config.speed)
    return transcribe.fresh(
        parts.calls,
        transcribe.Hearing(seconds, config.speed, config.transcript_bands),
        moment_seconds=config.moment_seconds,
        width=config.transcriber_width,
        layers=config.transcriber_layers,
        dropout=config.transcriber_dropout,
        seed=config.seed,
    )


def _windows(config: Config, parts: Split, begun: Transcriber) -> pd.DataFrame:
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
                tokens = begun.words.encode(transcribe.calls_in(here, onset, window))
                rows.append((rec.recording, rec.path, onset, window, int(rec.listen_channel), fold, rec.group, tokens))
    columns = ["recording", "path", "onset", "seconds", "channel", "fold", "group", "tokens"]
    return pd.DataFrame(rows, columns=columns)


def teach(config: Config, store: Transcripts, parts: Split | None = None, progress: bool = True) -> Taught:
    """The trained transcriber; trained where it is missing, or trained on where it was interrupted."""
    from whalelib import transcribe

    begun = beginning(config, parts)
    if config.lora_rank:
        begun = transcribe.with_lora(begun, config.lora_rank, config.lora_alpha, config.lora_dropout, config.seed)
        learnt = sum(p.numel() for p in begun.model.parameters() if p.requires_grad)
        print(f"{learnt:,} of {sum(p.numel() for p in begun.model.parameters()):,} parameters learn")
    folder = experiment.cache(config, "transcriber", features=store.about["fingerprint"])
    knobs = section_of(config, "train", without=("members",))  # those are the detector's
    knobs |= section_of(config, "tracking", without=("tensorboard", "profile_batches"))
    provenance.stamp(folder, "transcripts")
    with experiment.alone(folder):
        return transcribe.teach(begun, store, folder, beams=config.beams, progress=progress, **knobs)


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

    Units in their order, calls one to one, and by how much their beginnings are off.
    """
    from whalelib import metrics, transcribe

    systems = {"transcriber": told}
    try:
        systems["detector"], _, _ = detections(config, parts)
    except InputError as error:
        print(f"no detector to stand beside it: {error}")
    truth, recordings = parts.events("test"), parts.recordings("test").set_index("recording", drop=False)
    hours = pd.DataFrame(dict.fromkeys(parts.calls, recordings["seconds"] / 3600))
    rows = {}
    for name, found in systems.items():
        found = found[found["label"].isin(parts.calls)].reset_index(drop=True)
        units = transcribe.unit_report(truth, found, recordings).iloc[0]
        events = metrics.event_report(
            truth, found, hours, parts.calls, rule=rule(config), groups=recordings["group"]
        ).set_index("class")
        late = transcribe.onset_errors(truth, found, rule(config))["late"].abs()
        rows[name] = {
            **units.to_dict(),
            **events.loc["all", ["precision", "recall", "f1", "f1_low", "f1_high"]].to_dict(),
            "onset_off_median": float(late.median()) if len(late) else np.nan,
        }
    return pd.DataFrame(rows).T


def word_errors(config: Config, store: Transcripts, fitted: Taught, fold: str = "validation") -> pd.DataFrame:
    """Speech: each sentence of a fold, what was told, and its errors."""
    from whalelib import transcribe

    words, rows = store.words, []
    spoken = store.folds[fold]
    for first in range(0, len(spoken), 16):
        block = spoken[first : min(first + 16, len(spoken))]
        pictures = np.stack(block["input_features"]).reshape(-1, store.hearing.bands, store.hearing.frames)
        told = fitted.transcriber.heard(pictures.astype(np.float32), config.beams)
        for labels, (texts, _) in zip(block["labels"], told, strict=True):
            truth, said = words.units(list(map(int, labels))), words.units(words.encode(texts[0]))
            rows.append((" ".join(truth), texts[0], *transcribe.edits(truth, said)))
    return pd.DataFrame(rows, columns=["sentence", "told", *transcribe.Edits._fields])
