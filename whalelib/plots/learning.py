"""How a training went, and how its clips are ranked."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from whalelib.plots.style import PALETTE, Classes, colours, lettering, short

_MOST_INSIDE = 6  # classes whose legend leaves room for their curves


def history(ax: Axes, table: pd.DataFrame, best_epoch: int) -> None:
    """Losses and validation AP, epoch by epoch."""
    marked: dict[str, Any] = {"marker": "o", "ms": 3}  # a single epoch is seen, too
    ax.plot(table["epoch"], table["train_loss"], color=PALETTE[5], label="training loss", **marked)
    ax.plot(table["epoch"], table["validation_loss"], color=PALETTE[0], label="validation loss", **marked)
    ax.set(xlabel="epoch", ylabel="loss")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    right = ax.twinx()
    right.plot(table["epoch"], table["validation_ap"], color=PALETTE[3], label="validation AP", **marked)
    right.axvline(best_epoch, color="0.6", lw=0.8, ls="--")
    right.set(ylabel="average precision", ylim=(0, 1))
    lines = [*ax.get_lines(), *right.get_lines()[:1]]
    names = [str(line.get_label()) for line in lines]
    ax.legend(lines, names, ncols=len(lines), fontsize=7, loc="lower right", bbox_to_anchor=(1.0, 1.0))


def precision_recall(ax: Axes, targets: np.ndarray, scores: np.ndarray, classes: Classes) -> None:
    """Precision over recall for every class, clips with an unknown target left out."""
    from sklearn.metrics import precision_recall_curve

    for k, name in enumerate(classes):
        known = np.isfinite(targets[:, k])
        if 0 < targets[known, k].sum() < known.sum():
            precision, recall, _ = precision_recall_curve(targets[known, k], scores[known, k])
            ax.plot(recall, precision, color=colours(classes)[name], label=lettering(name))
    ax.set(xlabel="recall", ylabel="precision", xlim=(0, 1.01), ylim=(0, 1.01))
    where: dict[str, Any] = {"loc": "lower left"}
    if len(classes) > _MOST_INSIDE:
        where = {"loc": "upper left", "bbox_to_anchor": (1.0, 1.0)}
    ax.legend(fontsize=7, **where)


def confusion(ax: Axes, table: pd.DataFrame) -> None:
    """What is taken for what: the number of clips in each cell, its shade the share of its row."""
    share = table.to_numpy() / np.maximum(table.to_numpy().sum(1, keepdims=True), 1)
    ax.imshow(share, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for (row, column), part in np.ndenumerate(share):
        if part:
            number, dark = table.iat[row, column], part > 0.6
            ax.text(column, row, f"{number}", ha="center", va="center", color="white" if dark else "black", fontsize=7)
    names = [[short(lettering(name), 24) for name in axis] for axis in (table.columns, table.index)]
    ax.set_xticks(range(len(names[0])), names[0], rotation=40, ha="right")
    ax.set_yticks(range(len(names[1])), names[1])
    ax.set(xlabel="taken for", ylabel="is")
    ax.spines[["left", "bottom"]].set_visible(False)
    ax.tick_params(length=0)
