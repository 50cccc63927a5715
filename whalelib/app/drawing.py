"""The picture of a visit: the whole recording as a strip, the part in view, its detections, and the score under it."""

from __future__ import annotations

import io
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from whalelib import playing, plots
from whalelib.app.hearing import Visit, listed

WIDTHS = (10, 30, 60, 120)  # seconds in view; two minutes at 48 kHz are what a picture can hold
_NARROW = 700  # pixels of a screen, below which the picture is drawn for a phone
_NAMED_SECONDS = 30.0  # in a longer view there is no room for the names of calls
_LOOK: Any = {**plots.STYLE, "figure.constrained_layout.use": False, "font.size": 9}
_one_at_a_time = threading.Lock()  # the look is a setting of the whole process


@dataclass(frozen=True)
class View:
    """The part of a recording that is shown, on a screen so many pixels wide, and up to which frequency."""

    onset: float = 0.0
    width: float = 30.0
    high_hz: float = 1000.0
    screen: int = 1200

    @property
    def offset(self) -> float:
        return self.onset + self.width


@dataclass(frozen=True)
class Panel:
    """Where in the picture (shares of its width and height, from the lower left) which time and frequency lies."""

    name: str
    box: tuple[float, float, float, float]
    seconds: tuple[float, float]
    hz: tuple[float, float] = (0.0, 1.0)

    def at(self, x: float, y: float) -> tuple[float, float] | None:
        """The time and frequency at a place of the picture, y from above; None if it lies outside."""
        left, bottom, width, height = self.box
        across, up = (x - left) / width, (1 - y - bottom) / height
        if not (0 <= across <= 1 and 0 <= up <= 1):
            return None
        begin, end = self.seconds
        low, high = self.hz
        return begin + across * (end - begin), low + up * (high - low)


def fitted(view: View, seconds: float, around: float | None = None) -> View:
    """A view that lies inside the recording; `around` a moment, if that is not well in view already."""
    width = min(view.width, seconds)
    onset = view.onset
    if around is not None and not onset + 0.1 * width <= around <= onset + 0.9 * width:
        onset = around - width / 2
    return replace(view, onset=min(max(onset, 0.0), seconds - width), width=width)


def panels(visit: Visit, view: View) -> list[Panel]:
    """The parts of the picture, from above."""
    narrow = view.screen < _NARROW
    left, width = (0.13, 0.85) if narrow else (0.055, 0.935)
    shown = (view.onset, view.offset)
    spectrum = Panel("spectrogram", (left, 0.38, width, 0.48), shown, (0.0, view.high_hz))
    score = Panel("score", (left, 0.1, width, 0.22), shown)
    return [Panel("overview", (left, 0.89, width, 0.1), (0.0, visit.seconds)), spectrum, score]


def drawn(visit: Visit, view: View, thresholds: Mapping[str, float], classes: list[str], sample_rate: int) -> bytes:
    """The picture, as WebP. Detections said to be noise are grey, doubtful ones dotted, the chosen one is lit."""
    narrow = view.screen < _NARROW
    waveform = playing.window(visit.path, view.onset, view.width, sample_rate, visit.channel)
    with _one_at_a_time, mpl.rc_context(_LOOK):
        figure = Figure(figsize=(4.4, 5.0) if narrow else (11.6, 5.4), dpi=160 if narrow else 140)
        axes: dict[str, Axes] = {p.name: figure.add_axes(p.box) for p in panels(visit, view)}
        plots.overview(axes["overview"], visit.scores, visit.detections, classes, (view.onset, view.offset))
        axes["overview"].tick_params(labelbottom=False, length=0)
        plots.spectrogram(axes["spectrogram"], waveform, sample_rate, view.onset, view.high_hz)
        axes["spectrogram"].set(xlabel="", xlim=(view.onset, view.offset))
        axes["spectrogram"].tick_params(labelbottom=False)
        shown = _shown(visit, view)
        plots.boxes(axes["spectrogram"], shown, plots.colours(classes), legend=False)
        if visit.calls is not None and view.width <= _NAMED_SECONDS:
            plots.names(axes["spectrogram"], shown)
        near = visit.scores[(visit.scores["offset"] > view.onset) & (visit.scores["onset"] < view.offset)]
        plots.score_curves(axes["score"], near, classes)
        plots.levels(axes["score"], thresholds, classes)
        axes["score"].set(xlim=(view.onset, view.offset))
        chosen = visit.detection(visit.chosen)
        if chosen is not None:
            for name in ("spectrogram", "score"):
                axes[name].axvspan(chosen.onset, chosen.offset, color=plots.PALETTE[6], alpha=0.3, lw=0)
        file = io.BytesIO()
        figure.savefig(file, format="webp", pil_kwargs={"quality": 82})
    return file.getvalue()


def _shown(visit: Visit, view: View) -> pd.DataFrame:
    """The detections in view as they are boxed: under the label that was given them; noise under none."""
    table = listed(visit)
    table = table[(table["offset"] > view.onset) & (table["onset"] < view.offset)]
    noise, doubtful = table["verdict"] == "noise", table["verdict"] == "not sure"
    label = table["said"].where(~noise, "")
    return table.assign(label=label, truth=table["truth"].where(~doubtful, "possible"))
