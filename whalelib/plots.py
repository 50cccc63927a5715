"""Tables in, axes out. Nothing is computed here that a test would want to check elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

# Okabe and Ito's colours, which colour-blind readers can tell apart; a class keeps its colour in every figure.
PALETTE = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#F0E442", "#000000")
# What is no class beside the classes is grey, and takes no class's colour away.
NEUTRAL = {"noise": "0.6", "nothing": "0.75", "not known": "0.9", "all": "0.3"}
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


def _halfway(shade: str, end: str) -> str:
    red, green, blue = ((a + b) / 2 for a, b in zip(to_rgb(shade), to_rgb(end), strict=True))
    return to_hex((red, green, blue))


def readable(label: str) -> str:
    return label.replace("_", " ")


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
        shade = colour.get(event.label, "0.5")
        box = Rectangle(
            (event.onset, bottom), event.offset - event.onset, top - bottom, fill=False, ec=shade, ls=dotted, lw=1.3
        )
        ax.add_patch(box)
    if legend:
        # Every class where there are few, so that figures can be compared; else those that are in this one.
        shown = [name for name in colour if len(colour) <= len(PALETTE) or name in set(events["label"])]
        handles = [Rectangle((0, 0), 1, 1, fill=False, ec=colour[name], label=readable(name)) for name in shown]
        columns = min(max(len(handles), 1), len(PALETTE))
        ax.legend(handles=handles, ncols=columns, fontsize=8, loc="lower right", bbox_to_anchor=(1.0, 1.0))


def names(ax: Axes, events: pd.DataFrame) -> None:
    """The labels of events, each above its box or, where it spans the axis, at the top of it."""
    low, high = ax.get_ylim()
    for event in events.itertuples():
        at = min(event.high_hz, high) if event.high_hz == event.high_hz else high
        middle = (event.onset + event.offset) / 2
        text = readable(event.label).replace(" ", "\n", 1)
        ax.text(middle, at - 0.015 * (high - low), text, fontsize=6.5, ha="center", va="top", clip_on=True)


def pictures(
    axes: Sequence[Axes],
    images: Sequence[np.ndarray] | np.ndarray,
    titles: Sequence[str],
    seconds: float,
    hz: np.ndarray | None = None,
) -> None:
    """Front-end pictures [bands, frames] side by side; each says its bands where they differ in how many they have.

    With the middle of each band in `hz`, the axis says frequencies.
    """
    alike = len({len(image) for image in images}) == 1
    for ax, image, title in zip(axes, images, titles, strict=False):
        ax.imshow(image, origin="lower", aspect="auto", cmap="magma", extent=(0, seconds, 0, len(image)))
        ax.set(title=title, xlabel="time (s)", ylabel="band")
        if hz is not None:
            rows = np.linspace(0, len(hz) - 1, 4).round().astype(int)
            ax.set_yticks(rows + 0.5, [f"{hz[row]:.0f}" for row in rows])
            ax.set_ylabel("frequency (Hz)")
        if alike:
            ax.label_outer()


def filters(ax: Axes, hz: np.ndarray, weights: np.ndarray) -> None:
    """The bands of a front end, a line each, over frequency."""
    ax.plot(hz, weights, color="0.4", lw=0.6)
    ax.set(xlabel="frequency (Hz)", ylabel="weight", xscale="log", title=f"{weights.shape[1]} bands")


def augmented(axes: Sequence[Axes], images: dict[str, np.ndarray], seconds: float) -> None:
    """The picture [bands, frames] of one clip under each change, all in the shades of the first, which is unchanged."""
    axes, first = list(axes), next(iter(images.values()))
    for ax in axes:
        ax.set_visible(False)
    for ax, (name, image) in zip(axes, images.items(), strict=False):
        pictures([ax], image[None], [readable(name)], seconds)
        ax.images[0].set_clim(*np.percentile(first, (1, 99.5)))
        ax.set_visible(True)


def counts(ax: Axes, table: pd.DataFrame, colour: Mapping[str, str] | None = None) -> None:
    """Stacked bars: rows of the table along the axis, columns stacked."""
    known = colours(list(table.columns)) | dict(colour or {})
    shades = [known[name] for name in table.columns]
    table.rename(columns=readable).plot.barh(stacked=True, ax=ax, color=shades, width=0.8)
    ax.legend(fontsize=7, loc="center left", bbox_to_anchor=(1.0, 0.5))
    ax.invert_yaxis()


def distribution(ax: Axes, values: dict[str, np.ndarray], xlabel: str, colour: Mapping[str, str] | None = None) -> None:
    """One box a class."""
    shades = colours(list(values)) | dict(colour or {})
    look: dict[str, Any] = {"patch_artist": True, "widths": 0.6, "showfliers": False, "medianprops": {"color": "black"}}
    parts = ax.boxplot(list(values.values()), orientation="horizontal", **look)
    for box, name in zip(parts["boxes"], values, strict=True):
        box.set(facecolor=shades[name], alpha=0.7)
    ax.set_yticks(range(1, len(values) + 1), [readable(name) for name in values])
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
        _says(ax, "no call with sound around it")
    else:
        ax.legend(fontsize=7)


def shortcuts(ax: Axes, table: pd.DataFrame) -> None:
    """The best AUC that each thing which is not the call reaches; half is chance."""
    best = table.groupby("by")["auc"].max().sort_values()
    ax.barh(range(len(best)), best, color=PALETTE[0], height=0.7)
    ax.set_yticks(range(len(best)), [readable(name) for name in best.index])
    ax.axvline(0.5, color="0.6", lw=0.8, ls="--")
    ax.set(xlabel="AUC alone", xlim=(0, 1))
    if table.empty:
        _says(ax, "too few recordings with a call, or without")


def _says(ax: Axes, text: str) -> None:
    """Words in the middle of axes that have nothing to show."""
    ax.text(0.5, 0.5, text, ha="center", va="center", fontsize=8, transform=ax.transAxes)


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
            ax.plot(recall, precision, color=colours(classes)[name], label=readable(name))
    ax.set(xlabel="recall", ylabel="precision", xlim=(0, 1.01), ylim=(0, 1.01))
    ax.legend(fontsize=7, loc="lower left")


def confusion(ax: Axes, table: pd.DataFrame) -> None:
    """What is taken for what: the number of clips in each cell, its shade the share of its row."""
    share = table.to_numpy() / np.maximum(table.to_numpy().sum(1, keepdims=True), 1)
    ax.imshow(share, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for (row, column), part in np.ndenumerate(share):
        if part:
            number, dark = table.iat[row, column], part > 0.6
            ax.text(column, row, f"{number}", ha="center", va="center", color="white" if dark else "black", fontsize=7)
    names = [[_short(readable(name), 24) for name in axis] for axis in (table.columns, table.index)]
    ax.set_xticks(range(len(names[0])), names[0], rotation=40, ha="right")
    ax.set_yticks(range(len(names[1])), names[1])
    ax.set(xlabel="taken for", ylabel="is")
    ax.spines[["left", "bottom"]].set_visible(False)
    ax.tick_params(length=0)


def score_curves(ax: Axes, scores: pd.DataFrame, classes: Classes) -> None:
    """Scores over time, a line a class."""
    middle = (scores["onset"] + scores["offset"]) / 2
    for name in classes:
        ax.plot(middle, scores[name], color=colours(classes)[name], label=readable(name), lw=1)
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
        ax.vlines((part["onset"] + part["offset"]) / 2, 1.08, 1.4, color=shades.get(str(name), "0.5"), lw=1.2)
    ax.axvspan(*view, color=PALETTE[0], alpha=0.13, lw=0)
    ax.set(xlim=(0, float(offset[-1])), ylim=(0, 1.45), yticks=[])
    ax.spines["left"].set_visible(False)


def detection_curve(ax: Axes, curve: pd.DataFrame, classes: Classes) -> None:
    """Share of calls found over false alarms an hour, a line a class, each threshold a dot."""
    for name in classes:
        part = curve[curve["class"] == name].sort_values("threshold", ascending=False)
        ax.plot(
            part["false_per_hour"], part["recall"], "o-", ms=2.5, color=colours(classes)[name], label=readable(name)
        )
    # Rates span decades, and none at all must be on the axis, too.
    ax.set_xscale("symlog", linthresh=1.0)
    ax.set(xlabel="false alarms an hour", ylabel="share of calls found", ylim=(0, 1.01))
    ax.set_xlim(left=0)
    if len(curve):
        ax.legend(fontsize=7)
    else:
        _says(ax, "no detection with a score")


def reliability(ax: Axes, tables: dict[str, pd.DataFrame], colour: Mapping[str, str] | None = None) -> None:
    """The share of calls among scores over their mean, a line each; on the diagonal scores are probabilities."""
    ax.plot([0, 1], [0, 1], color="0.6", lw=0.8, ls="--")
    shades = colours(list(tables)) | dict(colour or {})
    for name, table in tables.items():
        shade = shades[name]
        ax.plot(table["score"], table["share"], "o-", ms=3, color=shade, label=readable(name))
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
        names = [_short(f"{v} ({_lasting(h)})") for v, h in zip(part["value"], part["hours"], strict=True)]
        ax.set_yticks(part.index, names)
        ax.set_xlim(left=0)
        ax.set_ylim(max(len(part), 4) - 0.5, -0.5)  # few bars are no thicker than many
        of = int((table["by"] == kind).sum())
        ax.set(title=kind if of <= most else f"{kind} ({most} of {of})", xlabel="false alarms an hour")
        ax.set_visible(True)


def _lasting(hours: float) -> str:
    return f"{hours:.1f} h" if hours >= 1 else f"{60 * hours:.1f} min"


def _short(text: str, most: int = 34) -> str:
    """A name that fits beside an axis: its middle is left out where it is long."""
    return text if len(text) <= most else f"{text[: most // 2 - 1]}…{text[len(text) - most // 2 :]}"


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
        ax.set(title=readable(str(name)), xlabel="score", ylabel="share of time", yscale="log", xlim=(0, 1))
        ax.set_ylim(1e-4, 1.5)
        ax.set_visible(True)
    shown = [kind for kind in lines if (table["kind"] == kind).any()]
    handles = [Line2D([], [], color=lines[kind], ls="--" if kind == "no label" else "-", label=kind) for kind in shown]
    if axes and handles:
        axes[0].figure.legend(handles=handles, ncols=len(handles), fontsize=8, loc="outside upper right")


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
        shade = colour.get(event.label, "0.5")
        for edge in (event.onset, event.offset):
            ax.axvline(edge, color=shade, lw=1.2)
        ax.set_title(f"{event.Index + 1}. {readable(event.label)} {event.score:.2f}", fontsize=8)
        ax.set(xlabel="", ylabel="")
        ax.tick_params(labelsize=7)
        ax.locator_params(axis="x", nbins=4)
    if axes:
        axes[0].figure.supxlabel("time in the recording (s)", fontsize=9)
        axes[0].figure.supylabel("frequency (Hz)", fontsize=9)


def hourly(ax: Axes, table: pd.DataFrame, classes: Classes) -> None:
    """Detections an hour of every hour that was heard, with their intervals; hours without any are there, too."""
    hours = {hour: k for k, hour in enumerate(sorted(table["hour"].unique()))}
    for k, name in enumerate(classes):
        part = table[table["class"] == name]
        at = part["hour"].map(hours) + (k - (len(classes) - 1) / 2) * 0.8 / max(len(classes), 1)
        reach = (part["per_hour"] - part["per_hour_low"], part["per_hour_high"] - part["per_hour"])
        look: dict[str, Any] = {"color": colours(classes)[name], "label": readable(name)}
        ax.errorbar(at, part["per_hour"], yerr=reach, fmt="o", ms=3, lw=0.9, **look)
    step = max(-(-len(hours) // 12), 1)
    shown = [(k, f"{hour:%d %b}\n{hour:%H} h") for hour, k in hours.items() if k % step == 0]
    ax.set_xticks([k for k, _ in shown], [text for _, text in shown], fontsize=7)
    ax.set(ylabel="detections an hour", xlabel="hour (UTC)")
    ax.set_ylim(bottom=0)
    if len(table):
        ax.legend(fontsize=7, loc="center left", bbox_to_anchor=(1.0, 0.5))
    else:
        _says(ax, "no recording has a date")


def activity(ax: Axes, table: pd.DataFrame, classes: Classes) -> None:
    """Calls kept over time kept, when only what stands out is looked at; each dot is a bar in dB."""
    shades = {**colours(classes), "all": NEUTRAL["all"]}
    for name, part in table[table["calls"] > 0].groupby("class", sort=False):
        part = part.sort_values("share")
        width = 2.0 if name == "all" else 1.0
        ax.plot(part["share"], part["recall"], "o-", ms=3, lw=width, color=shades[str(name)], label=readable(str(name)))
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


def save(figure: Any, path: Any) -> None:
    """Keep a figure as a PNG file, making its folder."""
    from pathlib import Path

    Path(path).parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)
