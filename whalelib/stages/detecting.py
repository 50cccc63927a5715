"""From scores on: what validation days decide about them, the detections of test days, and how good they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from whalelib import ensembles, experiment
from whalelib.config import Config, section_of
from whalelib.stages.folders import data_folder
from whalelib.stages.products import Split, heard, place, scan

if TYPE_CHECKING:  # torch is loaded by the functions that need it
    from whalelib.metrics import Rule
    from whalelib.post import Decided


def scores_together(config: Config, parts: Split, *folds: str) -> pd.DataFrame:
    """Scores of the recordings of these folds, those of all detectors of the ensemble together, where there is one."""
    from whalelib import predict, train

    own, _ = scan(config, parts, *folds)
    tables, recordings = [own], heard(parts, *folds)
    for other in config.ensemble:
        detector = train.load(data_folder(other)).detector
        folder = place(config, "scores", parts) / "ensemble" / predict.signature(detector)
        how = section_of(config, "scan", without=("test_crops", "test_speeds"))
        with experiment.alone(folder):
            predict.scan(detector, recordings, folder, **how)
        tables.append(predict.read_scores(folder, list(recordings["recording"])))
    if len(tables) == 1:
        return own
    return ensembles.scans_together(tables, config.ensemble_by, power=config.ensemble_power)


def decide(config: Config, parts: Split) -> Decided:
    """Thresholds and calibration from the validation fold alone; it is not scanned where all is given by hand."""
    from whalelib import post

    return post.decide(
        lambda: scores_together(config, parts, "validation"),
        parts.events("validation"),
        parts.calls,
        rule=rule(config),
        exhaustive=parts.survey.exhaustive,
        **section_of(config, "deciding", without=("ensemble", "ensemble_by", "ensemble_power")),
        **section_of(config, "post"),
    )


def detections(config: Config, parts: Split) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, float]]:
    """Detections on the test fold, their scores, and the thresholds, which the validation fold alone has chosen."""
    from whalelib import post

    decided = decide(config, parts)
    scores = decided.calibrated(scores_together(config, parts, "test"))
    bands = post.bands_of(parts.events("train"))
    found = post.detect(scores, decided.thresholds, bands=bands, **section_of(config, "post"))
    return found, scores, decided.thresholds


def rule(config: Config) -> Rule:
    """When a detection has found a call."""
    from whalelib import metrics

    return metrics.rule(**section_of(config, "matching"))


def event_report(config: Config, parts: Split, found: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """Detections on the test fold scored call by call where the truth is known, with intervals over groups."""
    from whalelib import metrics

    groups = parts.survey.recordings.set_index("recording")["group"]
    return metrics.event_report(parts.events("test"), found, **_scored(config, parts, scores), groups=groups)


def detection_curve(config: Config, parts: Split, scores: pd.DataFrame) -> pd.DataFrame:
    """Recall and false alarms an hour on the test fold at many thresholds, each followed by every other step."""
    from whalelib import metrics, post

    found = post.at_thresholds(scores, parts.calls, **section_of(config, "post"))
    return metrics.operating_points(parts.events("test"), found, **_scored(config, parts, scores))


def _scored(config: Config, parts: Split, scores: pd.DataFrame) -> dict[str, Any]:
    from whalelib import metrics

    known: dict[str, Any] = {"classes": parts.calls, "exhaustive": parts.survey.exhaustive}
    return {**known, "hours": metrics.known_hours(scores, parts.events("test"), **known), "rule": rule(config)}
