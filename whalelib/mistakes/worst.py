"""The most confident mistakes, each with what was around it, to be looked at and listened to."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from whalelib import audio
from whalelib.errors import InputError
from whalelib.mistakes.circumstances import NONE, circumstances

WORST = ["recording", "time", "onset", "offset", "label", "score", "annotated", "away_seconds", "heard", "channel"]


def worst(
    judged: pd.DataFrame,
    truth: pd.DataFrame,
    recordings: pd.DataFrame,
    *,
    most: int = 20,
    noise: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """The false alarms with the highest scores, the highest first, and their context.

    `time` is when they begin (UTC; NaT where the recording has no date); `annotated` is the nearest annotation of any
    label and truth, `away_seconds` how far off it lies (0: they touch); `heard` are the noises around, where the source
    knows them. The index is that of `judged`.
    """
    wrong = judged[judged["verdict"] == "false"].sort_values("score", ascending=False, kind="stable").head(most)
    start = wrong["recording"].map(recordings.set_index("recording")["start"])
    near, away = _nearest(wrong, truth)
    table = wrong.assign(
        time=(start + pd.to_timedelta(wrong["onset"], unit="s")).dt.round("s"),
        annotated=near,
        away_seconds=away,
        heard=_heard(wrong, recordings, noise),
    )
    return table[WORST]


def sounds(
    table: pd.DataFrame, recordings: pd.DataFrame, sample_rate: int, around_seconds: float = 1.5
) -> Iterator[tuple[float, np.ndarray]]:
    """The sound of each row of a table of events, with its surroundings: when it begins, and its samples.

    One that cannot be read is a second of silence, so that a page of them has its other rows.
    """
    about = recordings.set_index("recording")
    for event in table.itertuples():
        row = about.loc[event.recording]
        begin = max(event.onset - around_seconds, 0.0)
        lasts = min(event.offset + around_seconds, row["seconds"]) - begin
        channel = int(row.get("listen_channel", getattr(event, "channel", 1)))
        try:
            yield begin, audio.read(row["path"], begin, lasts, sample_rate, channel)
        except InputError:
            yield begin, np.zeros(sample_rate, dtype=np.float32)


def _nearest(wrong: pd.DataFrame, truth: pd.DataFrame) -> tuple[list[str], list[float]]:
    """The annotation nearest to each false alarm, as "label (truth)", and how far off it is."""
    of = dict(iter(truth.groupby("recording", sort=False)))
    names, gaps = [], []
    for event in wrong.itertuples():
        here = of.get(event.recording)
        if here is None:
            names.append("")
            gaps.append(np.nan)
            continue
        gap = np.maximum(np.maximum(here["onset"] - event.offset, event.onset - here["offset"]), 0.0).to_numpy()
        row = here.iloc[int(gap.argmin())]
        names.append(row["label"] if row["truth"] == "present" else f"{row['label']} ({row['truth']})")
        gaps.append(float(gap.min()))
    return names, gaps


def _heard(wrong: pd.DataFrame, recordings: pd.DataFrame, noise: pd.DataFrame | None) -> list[str]:
    if noise is None or noise.empty:
        return [""] * len(wrong)
    middle = pd.DataFrame({"recording": wrong["recording"], "at": (wrong["onset"] + wrong["offset"]) / 2})
    found = circumstances(middle, recordings, noise=noise)
    found = found[(found["by"] == "noise") & (found["value"] != NONE)]
    by_row = found.groupby("row")["value"].agg(", ".join)
    return [by_row.get(row, "") for row in range(len(wrong))]
