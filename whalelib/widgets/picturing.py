"""The front end's knobs over the pictures that it makes of some clips."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np

from whalelib import plots, stages
from whalelib.config import Config, resolve
from whalelib.widgets.panel import Panel, Seen, Span, control, to_keep, turned

if TYPE_CHECKING:
    from torch import Tensor

    from whalelib.clips import Store

_CHOSEN = ("front_end", "compress", "normalise")


def spans(nyquist: float) -> dict[str, Span]:
    """From where to where the front end's numbers can be turned, for sound up to this frequency."""
    hz = max(round(nyquist / 1000), 1)
    return {
        "window_seconds": (0.016, 1.024, 0.008),
        "hop_seconds": (0.004, 0.256, 0.004),
        "n_mels": (8, 256, 4),
        "band_low_hz": (0.0, nyquist / 2, hz),
        "band_high_hz": (2.0 * hz, nyquist, hz),
        "mel_break_hz": (10.0 * hz, nyquist, 10.0 * hz),
    }


def front_end(knobs: Config, store: Store, clips: Tensor, titles: list[str], live: bool = True) -> Panel:
    """Pictures of these clips [clips, samples] and the bands under them, while the front end's knobs are turned."""
    nyquist = knobs.sample_rate * knobs.speed / 2
    known = {name: getattr(knobs, name) for name in (*_CHOSEN, *spans(nyquist))}

    def draw(values: dict[str, Any]) -> Seen:
        figure, costs = drawn(resolve(knobs.flat() | values, "the sliders"), store, clips, titles)
        return Seen(figure, "\n".join([costs, to_keep(values, known)]).strip())

    def make() -> dict[str, Any]:
        return {name: control(name, value, spans(nyquist).get(name)) for name, value in known.items()}

    return turned(draw, known, make, live)


def drawn(config: Config, store: Store, clips: Tensor, titles: list[str]) -> tuple[Any, str]:
    """The pictures that a front end makes, a column a title, with its bands below, and in words what each costs."""
    from whalelib import features

    made = stages.front_end(config, store)
    images = made(clips)[:, 0].detach().numpy()
    hz, weights = features.filters_of(made)
    bands = weights.shape[1]
    rows = -(-len(images) // len(titles))
    figure = plt.figure(figsize=(11, 1.9 * rows + (1.5 if bands else 0)))
    whole = figure.add_gridspec(1 + bool(bands), 1, height_ratios=[rows, 0.7] if bands else [1])
    grid = whole[0].subgridspec(rows, len(titles))
    axes = [figure.add_subplot(grid[k // len(titles), k % len(titles)]) for k in range(len(images))]
    centres = hz[np.argmax(weights, axis=0)] if bands == images.shape[1] else None
    named = [plots.readable(titles[k]) if k < len(titles) else "" for k in range(len(images))]
    plots.pictures(axes, images, named, config.clip_seconds, centres)
    if bands:
        plots.filters(figure.add_subplot(whole[1]), hz, weights)
    kept = features.weigh(made, clips)
    return figure, ", ".join(f"{name} {value}" for name, value in kept.items())
