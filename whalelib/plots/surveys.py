"""What is in a data set, and what the doctor measured of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from whalelib.plots.style import PALETTE, coloured, lettering, says


def counts(ax: Axes, table: pd.DataFrame, colour: Mapping[str, str] | None = None) -> None:
    """Stacked bars: rows of the table along the axis, columns stacked."""
    known = coloured(table.columns, colour)
    table.rename(columns=lettering).plot.barh(stacked=True, ax=ax, color=list(known.values()), width=0.8)
    ax.legend(fontsize=7, loc="center left", bbox_to_anchor=(1.0, 0.5))
    ax.invert_yaxis()


def distribution(ax: Axes, values: dict[str, np.ndarray], xlabel: str, colour: Mapping[str, str] | None = None) -> None:
    """One box a class."""
    known = coloured(values, colour)
    look: dict[str, Any] = {"patch_artist": True, "widths": 0.6, "showfliers": False, "medianprops": {"color": "black"}}
    parts = ax.boxplot(list(values.values()), orientation="horizontal", **look)
    for box, name in zip(parts["boxes"], values, strict=True):
        box.set(facecolor=known[name], alpha=0.7)
    ax.set_yticks(range(1, len(values) + 1), [lettering(name) for name in values])
    ax.set_xlabel(xlabel)


def clock(ax: Axes, table: pd.DataFrame) -> None:
    """How far annotated boxes stand out, by how far they were moved in time; as they are is the line."""
    moved = table["offset_seconds"].abs()
    for near, unit, seconds, shade in ((moved < 3600, "s", 1, PALETTE[0]), (moved >= 3600, "h", 3600, PALETTE[1])):
        if near.any():
            part = table[near | (moved == 0)].sort_values("offset_seconds")
            ax.plot(part["offset_seconds"] / seconds, part["contrast_db"], "o-", ms=3, color=shade, label=f"in {unit}")
    ax.axvline(0, color="0.6", lw=0.8, ls="--")
    ax.set(xlabel="annotations moved by", ylabel="boxes over surroundings (dB)")
    if table.empty:
        says(ax, "no call with sound around it")
    else:
        ax.legend(fontsize=7)


def shortcuts(ax: Axes, table: pd.DataFrame) -> None:
    """The best AUC that each thing which is not the call reaches; half is chance."""
    best = table.groupby("by")["auc"].max().sort_values()
    ax.barh(range(len(best)), best, color=PALETTE[0], height=0.7)
    ax.set_yticks(range(len(best)), [lettering(name) for name in best.index])
    ax.axvline(0.5, color="0.6", lw=0.8, ls="--")
    ax.set(xlabel="AUC alone", xlim=(0, 1))
    if table.empty:
        says(ax, "too few recordings with a call, or without")
