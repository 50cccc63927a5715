"""Detections: how many, how sure, and where the mistakes are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from whalelib.plots.style import NEUTRAL, PALETTE, Classes, coloured, colours, lettering, says, short


def detection_curve(ax: Axes, curve: pd.DataFrame, classes: Classes) -> None:
    """Share of calls found over false alarms an hour, a line a class, each threshold a dot."""
    for name in classes:
        part = curve[curve["class"] == name].sort_values("threshold", ascending=False)
        ax.plot(
            part["false_per_hour"], part["recall"], "o-", ms=2.5, color=colours(classes)[name], label=lettering(name)
        )
    # Rates span decades, and none at all must be on the axis, too.
    ax.set_xscale("symlog", linthresh=1.0)
    ax.set(xlabel="false alarms an hour", ylabel="share of calls found", ylim=(0, 1.01))
    ax.set_xlim(left=0)
    if len(curve):
        ax.legend(fontsize=7)
    else:
        says(ax, "no detection with a score")


def reliability(ax: Axes, tables: dict[str, pd.DataFrame], colour: Mapping[str, str] | None = None) -> None:
    """The share of calls among scores over their mean, a line each; on the diagonal scores are probabilities."""
    ax.plot([0, 1], [0, 1], color="0.6", lw=0.8, ls="--")
    known = coloured(tables, colour)
    for name, table in tables.items():
        shade = known[name]
        ax.plot(table["score"], table["share"], "o-", ms=3, color=shade, label=lettering(name))
        if "share_low" in table:
            ax.fill_between(table["score"], table["share_low"], table["share_high"], color=shade, alpha=0.08, lw=0)
    ax.set(xlabel="score", ylabel="share of calls", xlim=(0, 1.01), ylim=(0, 1.01))
    if tables:
        ax.legend(fontsize=7)


def rates(axes: Sequence[Axes], table: pd.DataFrame, most: int = 8) -> None:
    """False alarms an hour by each circumstance, axes a kind of it: the highest rates, with their intervals."""
    axes = list(axes)
    for ax in axes:
        ax.set_visible(False)
    kinds = [kind for kind in ("noise", "loudness", "hour", "group") if (table["by"] == kind).any()]
    for ax, kind in zip(axes, kinds, strict=False):
        part = table[table["by"] == kind].nlargest(most, "per_hour", keep="first").reset_index(drop=True)
        reach = (part["per_hour"] - part["per_hour_low"], part["per_hour_high"] - part["per_hour"])
        ax.barh(part.index, part["per_hour"], color=PALETTE[0], height=0.7)
        ax.errorbar(part["per_hour"], part.index, xerr=reach, fmt="none", ecolor="0.35", lw=1, capsize=2)
        names = [short(f"{v} ({_lasting(h)})") for v, h in zip(part["value"], part["hours"], strict=True)]
        ax.set_yticks(part.index, names)
        ax.set_xlim(left=0)
        ax.set_ylim(max(len(part), 4) - 0.5, -0.5)  # few bars are no thicker than many
        of = int((table["by"] == kind).sum())
        ax.set(title=kind if of <= most else f"{kind} ({most} of {of})", xlabel="false alarms an hour")
        ax.set_visible(True)


def _lasting(hours: float) -> str:
    return f"{hours:.1f} h" if hours >= 1 else f"{60 * hours:.1f} min"


def scores_by_kind(axes: Sequence[Axes], table: pd.DataFrame) -> None:
    """How sure a class is in stretches of each kind, as shares of the kind's time; axes a class, one legend above."""
    lines = {"call": PALETTE[0], "possible call": PALETTE[5], "no call": PALETTE[3], "no label": PALETTE[7]}
    axes = list(axes)
    for ax in axes:
        ax.set_visible(False)
    for ax, (name, part) in zip(axes, table.groupby("class", sort=False), strict=False):
        for kind, shade in lines.items():
            here = part[part["kind"] == kind]
            if len(here):
                edges = [*here["low"], here["high"].iloc[-1]]
                ax.stairs(here["share"], edges, color=shade, ls="--" if kind == "no label" else "-")
        ax.set(title=lettering(str(name)), xlabel="score", ylabel="share of time", yscale="log", xlim=(0, 1))
        ax.set_ylim(1e-4, 1.5)
        ax.set_visible(True)
    shown = [kind for kind in lines if (table["kind"] == kind).any()]
    handles = [Line2D([], [], color=lines[kind], ls="--" if kind == "no label" else "-", label=kind) for kind in shown]
    if axes and handles:
        axes[0].figure.legend(handles=handles, ncols=len(handles), fontsize=8, loc="outside upper right")


def hourly(ax: Axes, table: pd.DataFrame, classes: Classes) -> None:
    """Detections an hour of every hour that was heard, with their intervals; hours without any are there, too."""
    hours = {hour: k for k, hour in enumerate(sorted(table["hour"].unique()))}
    for k, name in enumerate(classes):
        part = table[table["class"] == name]
        at = part["hour"].map(hours) + (k - (len(classes) - 1) / 2) * 0.8 / max(len(classes), 1)
        reach = (part["per_hour"] - part["per_hour_low"], part["per_hour_high"] - part["per_hour"])
        look: dict[str, Any] = {"color": colours(classes)[name], "label": lettering(name)}
        ax.errorbar(at, part["per_hour"], yerr=reach, fmt="o", ms=3, lw=0.9, **look)
    step = max(-(-len(hours) // 12), 1)
    shown = [(k, f"{hour:%d %b}\n{hour:%H} h") for hour, k in hours.items() if k % step == 0]
    ax.set_xticks([k for k, _ in shown], [text for _, text in shown], fontsize=7)
    ax.set(ylabel="detections an hour", xlabel="hour (UTC)")
    ax.set_ylim(bottom=0)
    if len(table):
        ax.legend(fontsize=7, loc="center left", bbox_to_anchor=(1.0, 0.5))
    else:
        says(ax, "no recording has a date")


def activity(ax: Axes, table: pd.DataFrame, classes: Classes) -> None:
    """Calls kept over time kept, when only what stands out is looked at; each dot is a bar in dB."""
    shades = {**colours(classes), "all": NEUTRAL["all"]}
    for name, part in table[table["calls"] > 0].groupby("class", sort=False):
        part = part.sort_values("share")
        width = 2.0 if name == "all" else 1.0
        ax.plot(
            part["share"], part["recall"], "o-", ms=3, lw=width, color=shades[str(name)], label=lettering(str(name))
        )
    last = np.inf
    for row in table[table["class"] == "all"].sort_values("share", ascending=False).itertuples():
        if last - row.share > 0.08:  # further apart than a name is long
            beside: dict[str, Any] = {"xytext": (5, -10), "textcoords": "offset points", "fontsize": 7}
            ax.annotate(f"{row.activity_db:g} dB", (row.share, row.recall), **beside)
            last = row.share
    ax.set(xlabel="share of the time that is kept", ylabel="share of calls kept", xlim=(0, 1.06), ylim=(0, 1.02))
    if ax.lines:
        ax.legend(fontsize=7, loc="lower right")


def recall_by(ax: Axes, table: pd.DataFrame, x: str, xlabel: str) -> None:
    """Share of calls found, by bins of something, with the number of calls in each bin."""
    ax.bar(range(len(table)), table["recall"], color=PALETTE[0], width=0.8)
    ax.set_xticks(range(len(table)), [str(v) for v in table[x]])
    for k, n in enumerate(table["calls"]):
        ax.annotate(f"n={n}", (k, 0.02), ha="center", fontsize=7, color="white")
    ax.set(xlabel=xlabel, ylabel="share of calls found", ylim=(0, 1))
