"""Thresholds and the steps after them over half a minute of sound, and over the figures of all test days."""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import pandas as pd

from whalelib import plots, post, stages
from whalelib.config import Config, resolve, section_of
from whalelib.stages import Split
from whalelib.widgets.panel import Panel, Seen, Span, control, slider, to_keep, turned
from whalelib.widgets.stretches import Stretch, within

SPANS: dict[str, Span] = {
    "smooth_seconds": (0.0, 3.0, 0.05),
    "hysteresis": (0.0, 0.5, 0.01),
    "merge_seconds": (0.0, 5.0, 0.05),
    "min_seconds": (0.0, 3.0, 0.05),
}
_CUT: Span = (0.0, 1.0, 0.01)
_MOST = 8  # classes with a slider of their own; of more, those that are in the picture
_FIGURES = ["class", "calls", "hits", "missed", "false", "precision", "recall", "f1", "false_per_hour"]


def deciding(
    knobs: Config,
    parts: Split,
    scores: pd.DataFrame,
    thresholds: dict[str, float],
    view: Stretch,
    live: bool = True,
) -> Panel:
    """Truth, detections and scores of a stretch of the test days, while thresholds and steps are turned.

    The scores are there, so nothing is scanned again. The table below has the whole of the test days.
    """
    steps = {name: getattr(knobs, name) for name in SPANS}
    truth, bands = parts.events("test"), post.bands_of(parts.events("train"))
    shown = list(thresholds)
    if len(shown) > _MOST:
        found = post.detect(within(scores, view), thresholds, **section_of(knobs, "post"))
        here = {*within(truth, view)["label"], *found["label"]}
        shown = [name for name in shown if name in here] or shown[:_MOST]
    known = {**steps, **{name: thresholds[name] for name in shown}}

    def draw(values: dict[str, Any]) -> Seen:
        levels = {**thresholds, **{name: values[name] for name in shown}}
        config = resolve(knobs.flat() | {name: values[name] for name in steps}, "the sliders")
        found = post.detect(scores, levels, bands=bands, **section_of(config, "post"))
        figure = drawn(config, parts, truth, found, scores, levels, view)
        report = stages.event_report(config, parts, found, scores)[_FIGURES]
        now = {**{name: values[name] for name in steps}, "class_thresholds": levels}
        words = to_keep(now, {**steps, "class_thresholds": thresholds})
        return Seen(figure, words, report.style.format(precision=3, na_rep="–").hide(axis="index"))

    def make() -> dict[str, Any]:
        turning = {name: control(name, value, SPANS[name]) for name, value in steps.items()}
        says = "of class_thresholds: the score that opens a detection of this class"
        for name in shown:
            turning[name] = slider(thresholds[name], _CUT, description=plots.readable(name), tooltip=says)
        return turning

    return turned(draw, known, make, live)


def drawn(
    config: Config,
    parts: Split,
    truth: pd.DataFrame,
    found: pd.DataFrame,
    scores: pd.DataFrame,
    levels: dict[str, float],
    view: Stretch,
) -> Any:
    """What was annotated above, what was detected below it, and the scores that decided."""
    figure, axes = plt.subplots(3, 1, figsize=(11, 6.8), sharex=True, height_ratios=[1, 1, 0.55])
    colour = plots.colours(parts.calls)
    for ax, events, title in zip(axes, (truth, found), ("annotated (dotted: possible)", "detected"), strict=False):
        plots.spectrogram(ax, view.sound, config.sample_rate, view.onset, stages.band(config)[1])
        near = within(events, view)
        plots.boxes(ax, near[near["truth"] != "absent"], colour, legend=ax is axes[0])
        ax.set_title(title, loc="left")
        ax.set_xlabel("")
    plots.score_curves(axes[2], within(scores, view), {name: colour[name] for name in levels})
    plots.levels(axes[2], levels, {name: colour[name] for name in levels})
    axes[2].set_xlim(view.onset, view.onset + len(view.sound) / config.sample_rate)
    return figure
