"""Stretches of recordings: spectrograms with their events, and scores over time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from whalelib.plots.style import OTHER, PALETTE, Classes, colours, lettering


def spectrogram(
    ax: Axes, waveform: np.ndarray, sample_rate: int, onset: float = 0.0, high_hz: float | None = None
) -> None:
    """Decibels over time and frequency, each frequency relative to its own median so that calls stand out."""
    n_fft = max(int(0.25 * sample_rate), 32)
    power, hz, _, image = ax.specgram(
        waveform + 1e-9, NFFT=n_fft, Fs=sample_rate, noverlap=n_fft - max(n_fft // 10, 1), scale="dB"
    )
    image.remove()
    level = 10 * np.log10(power + 1e-12)
    level -= np.median(level, axis=1, keepdims=True)
    extent = (onset, onset + len(waveform) / sample_rate, hz[0], hz[-1])
    ax.imshow(level, origin="lower", aspect="auto", extent=extent, cmap="gray_r", vmin=0, vmax=22)
    ax.set(xlabel="time (s)", ylabel="frequency (Hz)", xlim=extent[:2], ylim=(0, high_hz or sample_rate / 2))


def boxes(ax: Axes, events: pd.DataFrame, colour: Mapping[str, str], legend: bool = True) -> None:
    """Events as rectangles, with a legend above; one without frequencies spans the axis. Possible calls are dotted."""
    low, high = ax.get_ylim()
    for event in events.itertuples():
        bottom = low if np.isnan(event.low_hz) else event.low_hz
        top = high if np.isnan(event.high_hz) else event.high_hz
        dotted = ":" if event.truth == "possible" else "-"
        shade = colour.get(event.label, OTHER)
        box = Rectangle(
            (event.onset, bottom), event.offset - event.onset, top - bottom, fill=False, ec=shade, ls=dotted, lw=1.3
        )
        ax.add_patch(box)
    if legend:
        # Every class where there are few, so that figures can be compared; else those that are in this one.
        shown = [name for name in colour if len(colour) <= len(PALETTE) or name in set(events["label"])]
        handles = [Rectangle((0, 0), 1, 1, fill=False, ec=colour[name], label=lettering(name)) for name in shown]
        columns = min(max(len(handles), 1), len(PALETTE))
        ax.legend(handles=handles, ncols=columns, fontsize=8, loc="lower right", bbox_to_anchor=(1.0, 1.0))


def names(ax: Axes, events: pd.DataFrame) -> None:
    """The labels of events, each above its box or, where it spans the axis, at the top of it."""
    low, high = ax.get_ylim()
    for event in events.itertuples():
        at = min(event.high_hz, high) if event.high_hz == event.high_hz else high
        middle = (event.onset + event.offset) / 2
        text = lettering(event.label).replace(" ", "\n", 1)
        ax.text(middle, at - 0.015 * (high - low), text, fontsize=6.5, ha="center", va="top", clip_on=True)


def lanes(ax: Axes, events: pd.DataFrame, classes: Classes) -> None:
    """When each class calls, a lane a class."""
    shades = colours(classes)
    for row, (name, shade) in enumerate(shades.items()):
        here = events[events["label"] == name]
        ax.broken_barh(
            list(zip(here["onset"], here["offset"] - here["onset"], strict=True)), (row - 0.4, 0.8), color=shade
        )
    ax.set_yticks(range(len(shades)), [lettering(name) for name in shades])
    ax.set(xlabel="time (s)", ylim=(len(shades) - 0.4, -0.6))
    ax.tick_params(axis="y", length=0)


def gallery(
    axes: Sequence[Axes],
    sounds: Iterable[tuple[float, np.ndarray]],
    table: pd.DataFrame,
    sample_rate: int,
    colour: dict[str, str],
    high_hz: float | None = None,
) -> None:
    """A spectrogram for each row of a table of events, the event between two lines; axes that are left stay empty."""
    axes = list(axes)
    for ax in axes:
        ax.set_visible(False)
    events = table.reset_index(drop=True).itertuples()
    for ax, event, (onset, sound) in zip(axes, events, sounds, strict=False):
        ax.set_visible(True)
        spectrogram(ax, sound, sample_rate, onset, high_hz)
        shade = colour.get(event.label, OTHER)
        for edge in (event.onset, event.offset):
            ax.axvline(edge, color=shade, lw=1.2)
        ax.set_title(f"{event.Index + 1}. {lettering(event.label)} {event.score:.2f}", fontsize=8)
        ax.set(xlabel="", ylabel="")
        ax.tick_params(labelsize=7)
        ax.locator_params(axis="x", nbins=4)
    if axes:
        axes[0].figure.supxlabel("time in the recording (s)", fontsize=9)
        axes[0].figure.supylabel("frequency (Hz)", fontsize=9)


def score_curves(ax: Axes, scores: pd.DataFrame, classes: Classes) -> None:
    """Scores over time, a line a class."""
    middle = (scores["onset"] + scores["offset"]) / 2
    for name in classes:
        ax.plot(middle, scores[name], color=colours(classes)[name], label=lettering(name), lw=1)
    ax.set(xlabel="time (s)", ylabel="score", ylim=(0, 1.02))


def levels(ax: Axes, thresholds: Mapping[str, float], classes: Classes) -> None:
    """The threshold of each class as a line across; where all are one, one line."""
    one = len(set(thresholds.values())) == 1
    for name, at in list(thresholds.items())[: 1 if one else None]:
        ax.axhline(at, color="0.5" if one else colours(classes)[name], lw=0.8, ls="--")


def overview(ax: Axes, scores: pd.DataFrame, events: pd.DataFrame, classes: Classes, view: tuple[float, float]) -> None:
    """The highest score over a whole recording, a tick for each event above it, and the part that is in view."""
    onset, offset = scores["onset"].to_numpy(), scores["offset"].to_numpy()
    highest = scores[list(classes)].max(axis=1).fillna(0).to_numpy()
    each = max(len(highest) // 1500, 1)  # more than a picture has columns
    firsts = np.arange(0, len(highest), each)
    ax.fill_between(onset[firsts], np.maximum.reduceat(highest, firsts), color="0.82", lw=0, step="post")
    shades = colours(classes)
    for name, part in events.groupby("label"):
        ax.vlines((part["onset"] + part["offset"]) / 2, 1.08, 1.4, color=shades.get(str(name), OTHER), lw=1.2)
    ax.axvspan(*view, color=PALETTE[0], alpha=0.13, lw=0)
    ax.set(xlim=(0, float(offset[-1])), ylim=(0, 1.45), yticks=[])
    ax.spines["left"].set_visible(False)
