"""The look of all figures: style, colours, words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb

# Okabe and Ito's colours, which colour-blind readers can tell apart; a class keeps its colour in every figure.
PALETTE = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#F0E442", "#000000")
# What is no class beside the classes is grey, and takes no class's colour away.
NEUTRAL = {"noise": "0.6", "nothing": "0.75", "not known": "0.9", "all": "0.3"}
OTHER = "0.5"  # a label that is no class
Classes = Sequence[str] | Mapping[str, str]  # names, or the colour of each; then those stay as they are
STYLE: dict[str, Any] = {
    "figure.dpi": 90,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "font.size": 9,
    "axes.titlesize": 10,
    "legend.frameon": False,
    "figure.constrained_layout.use": True,
}


def use_style() -> None:
    """The look of all figures; a notebook calls it once. Inside notebooks figures are JPEG: spectrograms are mostly
    noise, which PNG cannot compress, and executed notebooks are kept. Saved figures are PNG."""
    pd.set_option("display.max_colwidth", 300)  # tables of sentences show them whole
    plt.rcParams.update(STYLE)  # type: ignore[arg-type]
    try:
        from matplotlib_inline.backend_inline import set_matplotlib_formats
    except ImportError:
        return  # no notebook here
    set_matplotlib_formats("jpeg", pil_kwargs={"quality": 80})


def colours(classes: Classes) -> dict[str, str]:
    """A colour for each class, the same wherever the classes are the same; more than eight have tints and shades too.

    Given a mapping, its colours are kept. So a figure of some of the classes is given the colours of all.
    """
    if isinstance(classes, Mapping):
        return dict(classes)
    shades = [*PALETTE, *(_halfway(shade, end) for end in ("white", "black") for shade in PALETTE[:-1])]
    names = sorted(set(classes) - set(NEUTRAL))
    given = {name: shades[k % len(shades)] for k, name in enumerate(names)}
    return {name: given.get(name) or NEUTRAL[name] for name in sorted(classes)}


def coloured(names: Iterable[str], colour: Mapping[str, str] | None = None) -> dict[str, str]:
    """A colour for each name: that of `colour`, the classes', or grey where it is none of these; their own without."""
    names = list(names)
    given = dict(NEUTRAL) | dict(colours(names) if colour is None else colour)
    return {name: given.get(name, OTHER) for name in names}


def _halfway(shade: str, end: str) -> str:
    red, green, blue = ((a + b) / 2 for a, b in zip(to_rgb(shade), to_rgb(end), strict=True))
    return to_hex((red, green, blue))


def readable(label: str) -> str:
    return label.replace("_", " ")


def lettering(label: str) -> str:
    """The same in a figure, where a dollar sign would begin a formula."""
    return readable(label).replace("$", r"\$")


def short(text: str, most: int = 34) -> str:
    """A name that fits beside an axis: its middle is left out where it is long."""
    return text if len(text) <= most else f"{text[: most // 2 - 1]}…{text[len(text) - most // 2 :]}"


def says(ax: Axes, text: str) -> None:
    """Words in the middle of axes that have nothing to show."""
    ax.text(0.5, 0.5, text, ha="center", va="center", fontsize=8, transform=ax.transAxes)


def save(figure: Any, path: Any) -> None:
    """Keep a figure as a PNG file, making its folder."""
    from pathlib import Path

    Path(path).parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)
