"""What a detector says of whole recordings, how good that is, and how long it takes to hear them."""

from __future__ import annotations

import pandas as pd

from whalelib.config import Config
from whalelib.stages.products import Split, answering, heard


def recording_scores(config: Config, parts: Split, *folds: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """One row of scores for each recording of these folds, and the receipt."""
    from whalelib import predict

    detector, recordings = answering(config, parts), heard(parts, *folds)
    crops = {"test_crops": config.test_crops, "test_speeds": config.test_speeds}
    return predict.score_recordings(detector, recordings, padding=config.padding, **crops)


def recording_report(config: Config, parts: Split, answers: pd.DataFrame) -> pd.DataFrame:
    """One answer a recording held against what the annotations say of the recording, with intervals over groups."""
    from whalelib import metrics

    names, about = list(answers["recording"]), parts.survey.recordings.set_index("recording")
    truth = metrics.recording_truth(
        names, parts.called(parts.survey.events), parts.calls, exhaustive=parts.survey.exhaustive
    )
    return metrics.clip_report(truth, answers[parts.calls].to_numpy(), parts.calls, groups=about.loc[names, "group"])


def pace(config: Config, parts: Split, *folds: str) -> float:
    """Seconds of this machine for an hour of the recordings of these folds, scanned as the knobs say."""
    from whalelib import predict

    how = {"scan_hop_seconds": config.scan_hop_seconds, "scan_batch": config.scan_batch}
    return predict.pace(answering(config, parts), heard(parts, *folds), **how)
