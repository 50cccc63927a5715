"""The products of a configuration: survey, clip store, detector, scores, detections; each made once and kept.

This is the one place where knobs are unpacked into the library's plain arguments, so that the notebooks that share a
product ask for it by one line and get the same one. Products lie in the cache under their signature.
"""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from whalelib import clips, doctor, experiment, sources, synth
from whalelib.config import Config, section_of
from whalelib.errors import InputError

if TYPE_CHECKING:  # torch is loaded by the functions that need it
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


@dataclass(frozen=True)
class Split:
    """A survey with its classes, the fold of each recording, and the clips to cut."""

    survey: Survey
    classes: list[str]
    folds: pd.Series
    clips: pd.DataFrame

    def recordings(self, *folds: str) -> pd.DataFrame:
        """The recordings of these folds."""
        chosen = self.folds[self.survey.recordings["recording"]].isin(folds).to_numpy()
        return self.survey.recordings[chosen].reset_index(drop=True)

    def events(self, *folds: str) -> pd.DataFrame:
        """The events of the classes to detect, in these folds."""
        events = self.survey.events
        here = events["recording"].isin(self.recordings(*folds)["recording"]) & events["label"].isin(self.classes)
        return events[here].reset_index(drop=True)

    def hours(self, *folds: str) -> float:
        return float(self.recordings(*folds)["seconds"].sum()) / 3600


def survey(config: Config) -> Survey:
    """The annotated recordings that the knobs name; the synthetic ocean is made where it is missing."""
    if config.source == "synthetic":
        folder: str | Path = experiment.cache(config, "ocean", generator=synth.GENERATOR)
    elif config.data_path:
        folder = data_folder(config.data_path)
    else:
        raise InputError(f"the source {config.source!r} needs data_path: the folder that holds the recordings.")
    # What is left empty is the source's own to choose: an NOAA log has its label in another column than a Raven table.
    given = {name: value for name, value in config.flat(["ocean", "reading", "data"]).items() if value not in ("", [])}
    return sources.load(config.source, folder, **given)


def data_folder(data_path: str) -> str:
    """A path or a cloud uri with its variables filled in, as in $WHALELIB_DATA/right_whale."""
    folder = os.path.expandvars(data_path)
    if "$" in folder:
        variable = folder[folder.index("$") :].split("/")[0]
        raise InputError(
            f"data_path {data_path} names {variable}, which is not set: set it to the folder of your data."
        )
    return folder


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
        **{name: getattr(config, name) for name in _SEEN_BY_DOCTOR},
    )


def split(config: Config, found: Survey | None = None) -> Split:
    """Classes, folds and clips of a survey. Files that are byte for byte the same are never on both sides."""
    found = found or survey(config)
    joined = clips.merge_groups(found.recordings, clips.byte_equal(found.recordings))
    shares = config.validation_share, config.test_share
    folds, warnings = clips.split_by_class(joined, found.events, config.classes, *shares, config.split_seed)
    found = dataclasses.replace(found, recordings=joined, problems=[*found.problems, *warnings])
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
        dense=config.dense,
        seed=config.split_seed,
    )
    clips.check_leakage(table)  # equal files are one group by now, and groups are what it looks at
    return Split(found, classes, folds, table)


def store(config: Config, parts: Split) -> Store:
    """The clip store, cut where it is missing."""
    return clips.build_store(
        _place(config, "clips", parts),
        parts.survey.recordings,
        parts.survey.events,
        parts.clips,
        exhaustive=parts.survey.exhaustive,
        sample_rate=config.sample_rate,
        clip_seconds=config.clip_seconds,
        padding=config.padding,
        clip_from=config.clip_from,
        seed=config.split_seed,
        made_from=config.flat(["ocean", "reading", "data"]),
    )


def front_end(config: Config, prepared: Store) -> FrontEnd:
    """The front end that the knobs describe, knowing what it needs to know of the training clips."""
    from whalelib import features, train

    made = features.build(config.sample_rate, config.clip_seconds, **section_of(config, "features"))
    made.fit(train.sample_of(prepared))
    return made


def fresh_detector(config: Config, classes: list[str]) -> Detector:
    """An untrained detector with the front end and the network that the knobs describe."""
    from whalelib.models import build

    return build(
        seed=config.seed,
        classes=classes,
        sample_rate=config.sample_rate,
        clip_seconds=config.clip_seconds,
        features=section_of(config, "features"),
        **section_of(config, "model"),
    )


def fit(config: Config, parts: Split, **also: Any) -> Fitted:
    """The trained detector; trained where it is missing, or trained on where it was interrupted."""
    from whalelib import train

    detector = fresh_detector(config, parts.classes)
    folder = _place(config, "detector", parts)
    return train.fit(detector, store(config, parts), folder, **section_of(config, "train"), **also)


def trained(config: Config, parts: Split) -> Fitted:
    """The trained detector, if there is one."""
    from whalelib import train

    try:
        return train.load(_place(config, "detector", parts))
    except InputError:
        raise InputError(
            "there is no detector trained with these knobs yet: run notebook 03 with them, or `whalelib run train`."
        ) from None


def scan(config: Config, parts: Split, *folds: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Scores of the recordings of these folds, and the receipt of what was and was not analysed."""
    from whalelib import predict

    recordings = parts.recordings(*folds)
    folder = _place(config, "scores", parts)
    receipt = predict.scan(trained(config, parts).detector, recordings, folder, **section_of(config, "scan"))
    return predict.read_scores(folder, list(recordings["recording"])), receipt


def detections(config: Config, parts: Split) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, float]]:
    """Detections on the test fold, their scores, and the thresholds, which the validation fold alone has chosen."""
    from whalelib import post

    steps = section_of(config, "post", without=("threshold", "match_iou"))
    if config.threshold is None:
        scores, _ = scan(config, parts, "validation")
        truth = parts.events("validation")
        thresholds = post.choose_thresholds(scores, truth, parts.classes, match_iou=config.match_iou, **steps)
    else:
        thresholds = dict.fromkeys(parts.classes, config.threshold)
    scores, _ = scan(config, parts, "test")
    bands = post.bands_of(parts.events("train"))
    return post.detect(scores, thresholds, bands=bands, **steps), scores, thresholds


def output(config: Config, run_folder: str = "") -> Path:
    """Where a notebook leaves tables and figures: its run's folder, or the cache when it is used by hand."""
    folder = Path(run_folder) if run_folder else experiment.cache(config, "detections")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _place(config: Config, product: str, parts: Split) -> Path:
    """Two folders of recordings with the same knobs are two data sets, so their tables count too."""
    return experiment.cache(config, product, data=parts.survey.fingerprint())
