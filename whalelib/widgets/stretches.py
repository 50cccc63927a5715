"""Leafing through recordings: sound, events and scores of a stretch, seen and heard."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from whalelib import playing, plots
from whalelib.errors import InputError
from whalelib.widgets.listening import heard
from whalelib.widgets.panel import Panel, Seen, slider, turned

WIDTH_SECONDS = 30.0


@dataclass(frozen=True)
class Stretch:
    """A part of a recording, and its sound."""

    recording: str
    onset: float
    offset: float
    sound: np.ndarray


def busiest(
    recordings: pd.DataFrame, events: pd.DataFrame, sample_rate: int, seconds: float = WIDTH_SECONDS
) -> Stretch:
    """The stretch of this length in which most events begin; without any event, the beginning of the first."""
    if recordings.empty:
        raise InputError("there is no recording to look at: see what was said of those that were left out.")
    calls = events[(events["truth"] != "absent") & events["recording"].isin(recordings["recording"])]
    if calls.empty:
        return cut(recordings, recordings["recording"].iloc[0], 0.0, sample_rate, seconds)
    name, part = calls.groupby(["recording", (calls["onset"] // seconds).rename("part")]).size().idxmax()
    return cut(recordings, name, float(part) * seconds, sample_rate, seconds)


def cut(
    recordings: pd.DataFrame, recording: str, onset: float, sample_rate: int, seconds: float = WIDTH_SECONDS
) -> Stretch:
    """A stretch that begins at `onset`, or so early that it lies inside the recording, in the channel that is heard."""
    row = recordings.set_index("recording").loc[recording]
    onset = max(min(onset, row["seconds"] - seconds), 0.0)
    seconds = min(seconds, row["seconds"] - onset)
    sound = playing.window(row["path"], onset, seconds, sample_rate, int(row.get("listen_channel", 1)))
    return Stretch(recording, onset, onset + seconds, sound)


def within(table: pd.DataFrame, view: Stretch) -> pd.DataFrame:
    """The rows of events or scores that reach into a stretch."""
    here = table["recording"] == view.recording
    return table[here & (table["offset"] > view.onset) & (table["onset"] < view.offset)]


def in_words(events: pd.DataFrame) -> str:
    """Events in their order, as one says them."""
    said = [f"{row.onset:.1f} s {plots.readable(row.label)}" for row in events.sort_values("onset").itertuples()]
    return ", ".join(said) or "nothing"


def leafing(
    recordings: pd.DataFrame,
    events: pd.DataFrame,
    scores: pd.DataFrame | None = None,
    *,
    told: pd.DataFrame | None = None,
    colour: Mapping[str, str],
    sample_rate: int,
    band: tuple[float, float],
    keep: bool = True,
    live: bool = True,
) -> Panel:
    """Half a minute of a recording with its events, over its scores or what was `told` of it, and to be heard.

    It begins where most is to be seen; a list of the recordings (those with most events first) and a slider lead on.
    """
    first = busiest(recordings, events, sample_rate)
    counts = events["recording"].value_counts().reindex(recordings["recording"], fill_value=0)
    names = list(counts.sort_values(ascending=False, kind="stable").index)
    longest = float(recordings["seconds"].max())

    def draw(values: dict[str, Any]) -> Seen:
        view = cut(recordings, values["recording"], values["from_seconds"], sample_rate)
        figure = drawn(view, events, scores, told, colour, sample_rate, band)
        seen = heard(view.sound, sample_rate, band, keep, onset=view.onset)
        if told is not None:
            seen["words"] += f"\ntold: {in_words(within(told, view))}"
        return Seen(figure, **seen)

    def make() -> dict[str, Any]:
        import ipywidgets

        look = {"description": "recording", "style": {"description_width": "10em"}}
        return {
            "recording": ipywidgets.Dropdown(options=names, value=first.recording, **look),
            "from_seconds": slider(
                first.onset, (0.0, max(longest - WIDTH_SECONDS, 0.0), 5.0), description="from_seconds"
            ),
        }

    return turned(draw, {"recording": first.recording, "from_seconds": first.onset}, make, live)


def drawn(
    view: Stretch,
    events: pd.DataFrame,
    scores: pd.DataFrame | None,
    told: pd.DataFrame | None,
    colour: Mapping[str, str],
    sample_rate: int,
    band: tuple[float, float],
) -> Any:
    """The spectrogram with its events, and what there is to be seen under it."""
    below = 1 if scores is not None or told is not None else 0
    size: Any = {"figsize": (11, 3.4 + 1.6 * below), "height_ratios": [2, 1][: 1 + below]}
    figure, axes = plt.subplots(1 + below, 1, sharex=True, squeeze=False, **size)
    top, bottom = axes[0, 0], axes[-1, 0]
    plots.spectrogram(top, view.sound, sample_rate, view.onset, band[1])
    near = within(events, view)
    plots.boxes(top, near[near["truth"] != "absent"], colour)
    top.set_title(view.recording, loc="left")
    if below:
        top.set_xlabel("")
    if scores is not None:
        plots.score_curves(bottom, within(scores, view), {n: shade for n, shade in colour.items() if n in scores})
    elif told is not None:
        plots.lanes(bottom, within(told, view), colour)
    bottom.set_xlim(view.onset, view.offset)
    return figure
