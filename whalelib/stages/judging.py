"""How good the detections of test days are, what other choices would give, and where the mistakes come from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from whalelib import activity, mistakes
from whalelib.config import Config, resolve, section_of
from whalelib.stages.detecting import decide, rule, scores_together
from whalelib.stages.products import Split, band, heard, trained

if TYPE_CHECKING:
    from whalelib.post import Decided

_MOST_CALLS = 400  # among how many calls of the training days the nearest are looked for


def event_report(config: Config, parts: Split, found: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """Detections on the test fold scored call by call where the truth is known, with intervals over groups."""
    from whalelib import metrics

    return metrics.event_report(parts.events("test"), found, **_scored(config, parts, scores), groups=_groups(parts))


def segment_report(config: Config, parts: Split, found: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """The same segment by segment, for truth that is no calls but windows in which one was heard."""
    from whalelib import metrics

    recordings = parts.recordings("test")
    return metrics.segment_report(
        parts.events("test"),
        found,
        recordings[recordings["recording"].isin(scores["recording"])],
        parts.calls,
        segment_seconds=config.segment_seconds,
        exhaustive=parts.survey.exhaustive,
        groups=_groups(parts),
    )


def swept(config: Config, parts: Split, scores: pd.DataFrame) -> dict[float, pd.DataFrame]:
    """The detections at many thresholds, each followed by every other step."""
    from whalelib import post

    return post.at_thresholds(scores, parts.calls, **section_of(config, "post"))


def detection_curve(
    config: Config, parts: Split, scores: pd.DataFrame, found: dict[float, pd.DataFrame] | None = None
) -> pd.DataFrame:
    """Recall and false alarms an hour on the test fold at these thresholds (`swept`, where none are given)."""
    from whalelib import metrics

    found = swept(config, parts, scores) if found is None else found
    return metrics.operating_points(parts.events("test"), found, **_scored(config, parts, scores))


def at_rates(config: Config, parts: Split, scores: pd.DataFrame, found: dict[float, pd.DataFrame]) -> pd.DataFrame:
    """Recall at `aim_rate` and false alarms an hour at `aim_recall` on the test fold, with intervals over groups."""
    from whalelib import metrics

    return metrics.at_rates(
        parts.events("test"),
        found,
        **_scored(config, parts, scores),
        groups=_groups(parts),
        false_per_hour=config.aim_rate,
        recall=config.aim_recall,
    )


def ablation(config: Config, parts: Split) -> pd.DataFrame:
    """What each step of post-processing buys on the test fold: all of them, and each left out.

    For each way the thresholds are chosen anew on the validation fold, so that no step is missed only because the
    thresholds were chosen for it.
    """
    from whalelib import metrics, post

    scores = {fold: scores_together(config, parts, fold) for fold in ("validation", "test")}

    def found(steps: dict[str, Any], knobs: Config) -> pd.DataFrame:
        decided: Decided = decide(knobs, parts, lambda: scores["validation"], steps)
        return decided.detect(scores["test"], **steps)

    ways = {name: found(steps, config) for name, steps in post.without_each(section_of(config, "post")).items()}
    if config.calibration != "none":
        plain = resolve({**config.flat(), "calibration": "none"})
        ways["without calibration"] = found(section_of(config, "post"), plain)
    truth, how = parts.events("test"), _scored(config, parts, scores["test"])
    return metrics.compare(truth, ways, **how, groups=_groups(parts))


def counts(
    config: Config, parts: Split, found: pd.DataFrame, scores: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Detections by the hour (no row where recordings have no date), and how many calls they stand for.

    The correction from detections to calls is measured on the validation fold, with its interval over groups; it holds
    as far as those days are like these, and is a little too kind, since the thresholds were chosen there.
    """
    from whalelib import post

    dated = parts.recordings("test").dropna(subset="start")
    here = found[found["recording"].isin(dated["recording"])], scores[scores["recording"].isin(dated["recording"])]
    by_hour = post.hourly(here[0], dated, here[1], parts.calls)
    decided = decide(config, parts)
    validated = decided.detect(scores_together(config, parts, "validation"), **section_of(config, "post"))
    groups = parts.recordings("validation").set_index("recording")["group"]
    number = found["label"].value_counts().reindex(parts.calls, fill_value=0)
    exhaustive = parts.survey.exhaustive
    estimate = post.true_calls(
        number, parts.events("validation"), validated, groups, exhaustive=exhaustive, rule=rule(config)
    )
    return by_hour, estimate


def noise(parts: Split) -> pd.DataFrame:
    """When what else was heard: as the source knows it, and by labels that are none of the classes."""
    others = parts.survey.events
    others = others[(others["truth"] == "present") & ~others["label"].isin(parts.classes)]
    known = parts.survey.noise
    return pd.concat([known, others[list(known.columns)]], ignore_index=True) if len(others) else known


def false_rates(config: Config, parts: Split, judged: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """False alarms an hour by noise, hour, day and loudness on the test fold."""
    recordings = heard(parts, "test")
    low, high = band(config)
    levels = activity.levels(recordings, sample_rate=config.sample_rate, band_low_hz=low, band_high_hz=high)
    return mistakes.false_rates(
        judged,
        scores,
        parts.events("test"),
        recordings,
        parts.calls,
        exhaustive=parts.survey.exhaustive,
        noise=noise(parts),
        levels=levels,
    )


def look_alikes(config: Config, parts: Split, wrong: pd.DataFrame, most: int = 3) -> pd.DataFrame:
    """The calls of the training fold that lie nearest to each of these events in the detector's own eyes."""
    detector, recordings = trained(config, parts).detector, heard(parts, "train", "validation", "test")
    calls = parts.events("train")
    calls = calls[(calls["truth"] == "present") & calls["label"].isin(parts.calls)]
    calls = calls.sample(min(len(calls), _MOST_CALLS), random_state=0).sort_index().reset_index(drop=True)
    own, theirs = (mistakes.embeddings(detector, recordings, events) for events in (wrong, calls))
    return mistakes.nearest_calls(own, theirs, calls, most)


def activity_trade(config: Config, parts: Split, *folds: str) -> pd.DataFrame:
    """How much of these folds' time, and how many of their calls, would be kept by `whalelib crop`, bar by bar."""
    low, high = band(config)
    how = section_of(config, "activity", without=("activity_db", "activity_score"))
    return activity.trade(
        heard(parts, *folds),
        parts.events(*folds),
        parts.calls,
        sample_rate=config.sample_rate,
        band_low_hz=low,
        band_high_hz=high,
        **how,
    )


def _groups(parts: Split) -> pd.Series:
    return parts.survey.recordings.set_index("recording")["group"]


def _scored(config: Config, parts: Split, scores: pd.DataFrame) -> dict[str, Any]:
    from whalelib import metrics

    known: dict[str, Any] = {"classes": parts.calls, "exhaustive": parts.survey.exhaustive}
    return {**known, "hours": metrics.known_hours(scores, parts.events("test"), **known), "rule": rule(config)}
