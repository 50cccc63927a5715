"""From scores on: what validation days decide about them, the detections of test days, and how good they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pandas as pd

from whalelib import ensembles, experiment
from whalelib.config import Config, section_of
from whalelib.stages.folders import data_folder
from whalelib.stages.products import Split, heard, held_out, place, scan, scanning

ABOUT_SCORES = ("ensemble", "ensemble_by", "ensemble_power", "joining", "refine")

if TYPE_CHECKING:  # torch is loaded by the functions that need it
    from whalelib.metrics import Rule
    from whalelib.post import Decided


def scores_together(config: Config, parts: Split, *folds: str) -> pd.DataFrame:
    """Scores of the recordings of these folds, those of the ensemble together and those of clips joined, if wanted."""
    own = frame_scores(config, parts, *folds)
    if config.joining == "none":
        return own
    from whalelib import post

    return post.join(own, pd.concat([clip_scores(config, parts, fold) for fold in folds]), config.joining)


def clip_scores(config: Config, parts: Split, fold: str) -> pd.DataFrame:
    """What the detector says of each clip of a held-out fold as a whole, as a scores table."""
    held = held_out(config, parts, fold)
    names = ensembles.classes_of(held)
    said = pd.DataFrame(ensembles.scores_of(held).astype("float32"), columns=names)
    if parts.answers:
        said = pd.DataFrame({answer: said[joined].max(axis=1) for answer, joined in parts.answers.items()})
    return pd.concat([held[["recording", "onset"]], (held["onset"] + held["seconds"]).rename("offset"), said], axis=1)


def frame_scores(config: Config, parts: Split, *folds: str) -> pd.DataFrame:
    """The scores of frames alone, as scans have them, those of all detectors of the ensemble together."""
    from whalelib import predict, train

    own, _ = scan(config, parts, *folds)
    tables, recordings = [own], heard(parts, *folds)
    for other in config.ensemble:
        detector = train.load(data_folder(other)).detector
        detector.answer(config.merged_classes or None)
        folder = place(config, "scores", parts) / "ensemble" / predict.signature(detector)
        with experiment.alone(folder):
            predict.scan(detector, recordings, folder, **scanning(config))
        tables.append(predict.read_scores(folder, list(recordings["recording"])))
    if len(tables) == 1:
        return own
    return ensembles.scans_together(tables, config.ensemble_by, power=config.ensemble_power)


def decide(
    config: Config,
    parts: Split,
    validation: Callable[[], pd.DataFrame] | None = None,
    steps: dict[str, Any] | None = None,
) -> Decided:
    """Thresholds and calibration from the validation fold alone; it is not scanned where all is given by hand.

    Scores of that fold that are there already may be given, and other steps than the knobs'.
    """
    from whalelib import post

    return post.decide(
        validation or (lambda: scores_together(config, parts, "validation")),
        parts.events("validation"),
        parts.calls,
        rule=rule(config),
        exhaustive=parts.survey.exhaustive,
        **section_of(config, "deciding", without=ABOUT_SCORES),
        **(section_of(config, "post") if steps is None else steps),
    )


def detections(config: Config, parts: Split) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, float]]:
    """Detections on the test fold, their scores, and the thresholds, which the validation fold alone has chosen."""
    from whalelib import post

    decided = decide(config, parts)
    scores = decided.calibrated(scores_together(config, parts, "test"))
    bands = post.bands_of(parts.events("train"))
    found = post.detect(scores, decided.thresholds, bands=bands, **section_of(config, "post"))
    if config.refine and config.joining != "none":
        found = post.refine(found, decided.calibrated(frame_scores(config, parts, "test")), decided.thresholds)
    return found, scores, decided.thresholds


def rule(config: Config) -> Rule:
    """When a detection has found a call."""
    from whalelib import metrics

    return metrics.rule(**section_of(config, "matching"))
