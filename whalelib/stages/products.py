"""The products of a configuration up to its scores: survey, split, clip store, detector; each made once and kept.

Products lie in the cache under their signature.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from whalelib import clips, doctor, ensembles, experiment, filters, likeness, provenance, sources
from whalelib.config import Config, decisive, resolve, section_of
from whalelib.errors import InputError
from whalelib.stages.folders import source_folder
from whalelib.stages.parts import Split, checked

if TYPE_CHECKING:  # torch is loaded by the functions that need it
    from whalelib.augment import Augmenter
    from whalelib.clips import Store
    from whalelib.doctor import Case, Finding
    from whalelib.features import FrontEnd
    from whalelib.models import Detector
    from whalelib.sources import Survey
    from whalelib.train import Fitted


# The knobs of the front end that decide which sounds it can hold at all.
_SEEN_BY_DOCTOR = (
    "front_end", "window_seconds", "hop_seconds", "n_mels", "band_low_hz", "band_high_hz", "mel_scale", "mel_break_hz",
)  # fmt: skip


def survey(config: Config) -> Survey:
    """The annotated recordings that the knobs name; the synthetic ocean is made where it is missing.

    With a store_path they are the tables that the store holds; the sound of whole recordings is not in it.
    """
    if config.store_path:
        return _survey_of(_given_store(config))
    folder, notes = source_folder(config)
    # What is left empty is the source's own to choose: an NOAA log has its label in another column than a Raven table.
    given = {name: value for name, value in config.flat(["ocean", "reading", "data"]).items() if value not in ("", [])}
    with experiment.alone(Path(folder)) if config.source == "synthetic" else contextlib.nullcontext():
        found = sources.load(config.source, folder, **given)
    recordings = found.recordings
    if config.split_by == "recording":
        recordings = recordings.assign(group=recordings["recording"])
    return dataclasses.replace(found, recordings=recordings, problems=[*notes, *found.problems])


def examine(config: Config, found: Survey) -> list[Finding]:
    """Is this survey fit to train on, with this front end and these clips?"""
    return doctor.diagnose(case(config, found))


def case(config: Config, found: Survey) -> Case:
    """The survey as the doctor sees it, with this front end and these clips."""
    return doctor.admit(
        found.recordings,
        found.events,
        exhaustive=found.exhaustive,
        problems=found.problems,
        classes=config.classes,
        sample_rate=config.sample_rate,
        clip_seconds=config.clip_seconds,
        validation_share=config.validation_share,
        test_share=config.test_share,
        listen_seconds=config.listen_seconds,
        copy_seconds=config.copy_seconds,
        known_copies=copies(config, found),
        **_as_recorded(config),
    )


def copies(config: Config, found: Survey) -> likeness.Copies:
    """Recordings of different groups that hold the same sound; looked for once."""
    channels = likeness.usual_channels(found.recordings, found.events).to_numpy()
    folder = experiment.cache_root() / "copies"
    with experiment.alone(folder):
        return likeness.near_equal(
            found.recordings.assign(listen_channel=channels),
            sample_rate=config.sample_rate,
            copy_seconds=config.copy_seconds,
            folder=folder,
        )


def _as_recorded(config: Config) -> dict[str, Any]:
    """The front end's knobs in the recording's own seconds and Hz; a speed has the network hear others."""
    slower, lower = ("window_seconds", "hop_seconds"), ("band_low_hz", "band_high_hz", "mel_break_hz")
    factor = dict.fromkeys(slower, config.speed) | dict.fromkeys(lower, 1 / config.speed)
    values = {name: getattr(config, name) for name in _SEEN_BY_DOCTOR} | filters.PRESETS.get(config.front_end, {})
    return {name: value * factor[name] if name in factor else value for name, value in values.items()}


def split(config: Config, found: Survey | None = None) -> Split:
    """Classes, folds and clips of a survey, or of the store that the knobs name. Copies are never on both sides."""
    if config.store_path:
        return _split_of(config, _given_store(config))
    original = found or survey(config)
    joined, notes = _joined(config, original)
    if config.n_folds:
        how = (config.n_folds, config.validation_fold, config.test_share, config.split_seed)
        folds, warnings = clips.cross_validation(joined, original.events, config.classes, *how)
    else:
        shares = config.validation_share, config.test_share
        folds, warnings = clips.split_by_class(joined, original.events, config.classes, *shares, config.split_seed)
    found = dataclasses.replace(original, recordings=joined, problems=[*original.problems, *notes, *warnings])
    training = found.events[folds[found.events["recording"]].to_numpy() == "train"]
    classes = clips.class_list(training, config.classes)
    table = clips.cut(
        found.recordings,
        found.events,
        classes,
        folds,
        exhaustive=found.exhaustive,
        clip_seconds=config.clip_seconds,
        clip_from=config.clip_from,
        min_overlap=config.min_overlap,
        clips_per_call=config.clips_per_call,
        negatives=config.negatives,
        placing=config.placing,
        truncation=config.truncation,
        dense=config.dense,
        clip_hop_seconds=config.clip_hop_seconds,
        scores=_first_scores(config, original) if config.hard_share else None,
        hard_share=config.hard_share,
        noise_class=config.noise_class,
        seed=config.split_seed,
    )
    if config.majority_ratio:
        table = clips.balance(table, config.majority_ratio, config.split_seed)
    clips.check_leakage(table)  # copies are one group by now, and groups are what it looks at
    found.problems.extend(clips.one_sided(table))
    if config.join_copies == "none":
        found.problems.extend(clips.parted_files(table, found.recordings))
    classes = clips.classes_of(table)
    return Split(found, classes, folds, table, checked(config.merged_classes, classes))


def _joined(config: Config, found: Survey) -> tuple[pd.DataFrame, list[str]]:
    """The recordings with the groups of copies joined, and a sentence for what was not compared."""
    recordings, notes = found.recordings, []
    if config.join_copies != "none":
        recordings = clips.merge_groups(recordings, likeness.byte_equal(recordings))
    if config.join_copies == "alike":
        alike = copies(config, found)
        recordings, notes = clips.merge_groups(recordings, alike.names()), alike.notes
    return recordings, notes


def _first_scores(config: Config, found: Survey) -> pd.DataFrame:
    """What a detector of these knobs, that has seen no hard negatives, hears on the training recordings."""
    first = resolve({**config.flat(), "hard_share": 0.0})
    parts = split(first, found)
    fit(first, parts)
    scores, _ = scan(first, parts, "train")
    return scores


def store(config: Config, parts: Split) -> Store:
    """The clip store, cut where it is missing, or the one that the knobs name."""
    if config.store_path:
        return _given_store(config)
    return clips.build_store(
        place(config, "clips", parts),
        parts.survey.recordings,
        parts.survey.events,
        parts.clips,
        exhaustive=parts.survey.exhaustive,
        sample_rate=config.sample_rate,
        clip_seconds=config.clip_seconds,
        padding=config.padding,
        clip_from=config.clip_from,
        seed=config.split_seed,
        made_from=decisive(config, "clips"),
        left_out=parts.survey.problems,
    )


def _given_store(config: Config) -> Store:
    """The store at store_path. Its knobs were held against these when the configuration was resolved."""
    folder = Path(os.path.expandvars(config.store_path)).expanduser()
    return clips.open_store(folder, sample_rate=config.sample_rate, clip_seconds=config.clip_seconds)


def _survey_of(held: Store) -> Survey:
    recordings, events = held.tables()
    return sources.Survey(recordings, events, held.about["exhaustive"], held.about["left_out"])


def _split_of(config: Config, held: Store) -> Split:
    """The split that a store was cut from."""
    table = pd.concat([held.table(fold) for fold in held.folds], ignore_index=True)
    found = _survey_of(held)
    # Held-out recordings always have clips; one without any is a training recording that had nothing to teach.
    folds = table.groupby("recording")["fold"].first().reindex(found.recordings["recording"]).fillna("train")
    return Split(found, held.classes, folds, table, checked(config.merged_classes, held.classes))


def front_end(config: Config, prepared: Store) -> FrontEnd:
    """The front end that the knobs describe, knowing what it needs to know of the training clips."""
    from whalelib import features, train

    heard = round(config.sample_rate * config.speed), config.clip_seconds / config.speed
    made = features.build(*heard, **section_of(config, "features"))
    made.fit(train.sample_of(prepared))
    return made


def front_ends(
    config: Config, prepared: Store, changes: Sequence[dict[str, Any]]
) -> tuple[dict[str, FrontEnd], list[str]]:
    """The front ends under these changes of knobs, by name, and a sentence for each change that cannot be made here."""
    made, refused = {}, []
    for change in changes:
        name = ", ".join(f"{knob}={value}" for knob, value in change.items()) or "as given"
        try:
            made[name] = front_end(resolve(config.flat() | change, name), prepared)
        except InputError as error:
            refused.append(f"{name}: {error}")
    return made, refused


def fresh_detector(config: Config, classes: list[str]) -> Detector:
    """An untrained detector with the front end and the network that the knobs describe."""
    from whalelib.models import build

    return build(
        seed=config.seed,
        classes=classes,
        sample_rate=config.sample_rate,
        clip_seconds=config.clip_seconds,
        features=section_of(config, "features"),
        exclusive=config.loss == "softmax",
        **section_of(config, "model"),
    )


def fit(config: Config, parts: Split, **also: Any) -> Fitted:
    """The trained detector; trained where it is missing, or trained on where it was interrupted.

    Its members are detectors in their own right, each kept under the signature of its own seed.
    """
    from whalelib import pseudo, train
    from whalelib.models import trainable_share

    if config.members > 1:
        return train.join((fit(one, parts, **also) for one in members(config)), place(config, "detector", parts))

    def fresh() -> Detector:
        detector = fresh_detector(config, parts.classes)
        if config.freeze or config.lora_rank:
            print(trainable_share(detector))
        return detector

    folder, ranks = place(config, "detector", parts), train.processes()
    with ranks.main_process_first():
        cut = store(config, parts)
    also = {"augmenter": augmenter(config, parts, cut), **also}
    # Processes that train one detector together must not wait for each other here.
    with experiment.alone(folder) if ranks.num_processes == 1 else contextlib.nullcontext():
        return pseudo.fit_in_rounds(
            fresh,
            cut,
            folder,
            objective=section_of(config, "objective"),
            sampling=section_of(config, "sampling"),
            **section_of(config, "pseudo"),
            **section_of(config, "train", without=("members",)),
            **section_of(config, "tracking", without=("profile_batches",)),
            **also,
        )


def members(config: Config) -> list[Config]:
    """The knobs of each member alone. Runs of other seeds share none of them, and one member is the plain detector."""
    first = config.seed * config.members
    return [resolve({**config.flat(), "members": 1, "seed": first + k}) for k in range(config.members)]


def augmenter(config: Config, parts: Split, cut: Store) -> Augmenter | None:
    """What changes training batches of these clips as the knobs say; None if they say nothing."""
    if not config.augmentations:
        return None
    import torch

    from whalelib.augment import Augmenter, parse

    sounds = None
    if any(entry.cls.name == "background" for entry in parse(config.augmentations)):
        noise, problems = clips.background(cut, os.path.expandvars(config.background_path))
        sounds = torch.from_numpy(noise)
        parts.survey.problems.extend(problem for problem in problems if problem not in parts.survey.problems)
    noise_class = clips.has_noise_class(parts.classes, parts.survey.events)
    return Augmenter(
        config.augmentations,
        sample_rate=config.sample_rate,
        clip_seconds=config.clip_seconds,
        seed=config.seed,
        background=sounds,
        empty_class=parts.classes.index(clips.NOISE) if noise_class else None,
    )


def trained(config: Config, parts: Split) -> Fitted:
    """The trained detector, if there is one."""
    from whalelib import train

    try:
        return train.load(place(config, "detector", parts))
    except InputError:
        raise InputError(
            "there is no detector trained with these knobs yet: run notebook 03 with them, or `whalelib run train`."
        ) from None


def answering(config: Config, parts: Split) -> Detector:
    """The trained detector, saying what is asked: its classes, or what they are joined to."""
    detector = trained(config, parts).detector
    detector.answer(config.merged_classes or None)
    return detector


def scanning(config: Config) -> dict[str, Any]:
    """The arguments of `predict.scan`."""
    return section_of(config, "scan", without=("merged_classes", "test_crops", "test_speeds"))


def held_out(config: Config, parts: Split, fold: str = "test") -> pd.DataFrame:
    """The clips of a fold with what the trained detector says of them, for `ensembles` to gather over runs."""
    from whalelib import train

    cut = store(config, parts)
    scores = train.predict_clips(trained(config, parts).detector, cut, fold)
    return ensembles.held_out(cut.table(fold), scores, cut.classes)


def band(config: Config) -> tuple[float, float]:
    """From where to where the front end hears, in the recording's own Hz."""
    if config.front_end in ("ast", "whisper", "waveform"):
        return 0.0, config.sample_rate / 2
    known = _as_recorded(config)
    return known["band_low_hz"], known["band_high_hz"]


def facts(config: Config, parts: Split, run_folder: str | Path) -> dict[str, Any]:
    """What a card says of a detector: its data, its front end, its training, and what its run measured."""
    folds = {}
    for fold in ("train", "validation", "test"):
        recordings = parts.recordings(fold)
        groups = sorted(recordings["group"].unique())
        folds[fold] = {"recordings": len(recordings), "hours": parts.hours(fold), "groups": groups}
    return {
        "source": config.source,
        "exhaustive": parts.survey.exhaustive,
        "folds": folds,
        "band": band(config),
        "features": section_of(config, "features"),
        "training": section_of(config, "train", without=("keep_at", "workers")),
        "values": experiment.recorded(Path(run_folder)),
    }


def scan(config: Config, parts: Split, *folds: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Scores of the recordings of these folds, and the receipt of what was and was not analysed."""
    from whalelib import predict

    if config.store_path:
        raise InputError(
            "a clip store holds no whole recordings, so there is nothing to scan: leave store_path empty and name the "
            "recordings by source and data_path; the detector that was trained is found again."
        )
    recordings = heard(parts, *folds)
    folder = place(config, "scores", parts)
    detector = answering(config, parts)
    with experiment.alone(folder):
        receipt = predict.scan(detector, recordings, folder, **scanning(config))
    return predict.read_scores(folder, list(recordings["recording"])), receipt


def heard(parts: Split, *folds: str) -> pd.DataFrame:
    """The recordings of these folds, each with the channel that its annotations speak of."""
    recordings = parts.recordings(*folds)
    return recordings.assign(listen_channel=likeness.usual_channels(recordings, parts.survey.events).to_numpy())


def output(config: Config, run_folder: str = "") -> Path:
    """Where a notebook leaves tables and figures: its run's folder, or the cache when it is used by hand."""
    folder = Path(run_folder) if run_folder else experiment.cache(config, "detections")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def place(config: Config, product: str, parts: Split) -> Path:
    """Two folders of recordings with the same knobs are two data sets, so their tables count too.

    By which code a product was begun is noted here, before it is made or taken.
    """
    folder = experiment.cache(config, product, data=parts.survey.fingerprint())
    provenance.stamp(folder, next(stage for stage, (_, made) in experiment.STAGES.items() if made == product))
    return folder
