"""Where to cut clips: around calls and where none is in training folds, everywhere in those held out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from whalelib import tables
from whalelib.clips.choosing import hard_negatives
from whalelib.clips.labels import NOISE, label, on_own_channels
from whalelib.errors import InputError

PLACINGS = ("jittered", "centred")
TRUNCATIONS = ("start", "centre", "random")
_BARELY_LONGER = 1e-3  # seconds by which rounding may make a recording longer than the clip it is


def cut(
    recordings: pd.DataFrame,
    events: pd.DataFrame,
    classes: Sequence[str],
    folds: pd.Series,
    *,
    exhaustive: bool,
    clip_seconds: float = 3.0,
    clip_from: str = "window",
    min_overlap: float = 0.5,
    clips_per_call: int = 8,
    negatives: float = 1.0,
    placing: str = "jittered",
    truncation: str = "random",
    dense: bool = False,
    clip_hop_seconds: float | None = None,
    scores: pd.DataFrame | None = None,
    hard_share: float = 0.0,
    noise_class: bool = False,
    seed: int = 0,
) -> pd.DataFrame:
    """The clips table, with the channel of each clip as its last column.

    Training folds get windows around every call, `clips_per_call` of them shifted differently (`placing="jittered"`) or
    one with the call in its middle ("centred"), and `negatives` windows for each of them from stretches known to be
    empty. With `scores` of an earlier detector, `hard_share` of these are the ones that it took most for calls. With
    `dense` they get every window instead, as held-out folds do: windows `clip_hop_seconds` apart (by default half a
    clip), calls or not, because that is what a detector will meet.

    A recording no longer than a clip is one clip, once, in every fold; in training folds only if anything is known of
    it, and without a call only if `negatives` is not 0.

    With `clip_from="call"` a clip is the call alone, to be padded, in all folds; negatives then have the lengths of
    calls, so that the padding itself tells nothing. Of a call longer than a clip the part that `truncation` names is
    taken: its start, its centre, or any.

    `noise_class` adds the class "noise": 1 where no call of any label is. A column `weight` of the recordings becomes
    the weight of their clips.
    """
    _check(events, classes, placing, truncation, clip_hop_seconds, hard_share, noise_class)
    if scores is not None and (dense or clip_from == "call"):
        raise InputError("scores choose among windows: give them without dense, and with clip_from='window'.")
    events = on_own_channels(events, recordings)
    drawing = _Drawing(
        clip_seconds,
        clip_from,
        min_overlap,
        clips_per_call,
        negatives,
        placing,
        truncation,
        dense,
        clip_hop_seconds,
        exhaustive,
    )
    share = 1.0 - hard_share if scores is not None else 1.0
    fold = folds.reindex(recordings["recording"]).to_numpy(dtype=object)
    windows = _all_windows(recordings, events, classes, fold, drawing, share, seed)
    all_classes = [*classes, NOISE] if noise_class else list(classes)

    def labelled(windows: pd.DataFrame) -> pd.DataFrame:
        return label(windows, events, all_classes, min_overlap=min_overlap, exhaustive=exhaustive)

    targets = labelled(windows)
    useful = targets.notna().any(axis=1) if negatives else (targets[list(classes)] == 1).any(axis=1)
    keep = useful.to_numpy() | ~windows["once"].to_numpy()
    windows, targets = windows[keep], targets[keep]
    if scores is not None:
        training = recordings[(fold == "train") & (recordings["seconds"] > clip_seconds + _BARELY_LONGER)]
        calls = (targets[list(classes)] == 1).any(axis=1) & windows["recording"].isin(training["recording"])
        hard = hard_negatives(
            training,
            events,
            scores,
            classes,
            how_many=round(hard_share * negatives * int(calls.sum())),
            clip_seconds=clip_seconds,
            exhaustive=exhaustive,
        )
        more = labelled(hard)
        known = more.notna().any(axis=1).to_numpy()
        windows = pd.concat([windows, hard[known]], ignore_index=True)
        targets = pd.concat([targets, more[known]], ignore_index=True)
    of = pd.Index(recordings["recording"]).get_indexer(windows["recording"])
    clips = windows[["recording", "onset", "seconds"]].assign(
        weight=_weights(recordings)[of], group=recordings["group"].to_numpy()[of], fold=fold[of]
    )
    table = pd.concat([clips, targets], axis=1).assign(channel=windows["channel"].astype("int64"))
    return tables.check_clips(table, all_classes)


@dataclass(frozen=True)
class _Drawing:
    """How windows are drawn, as the arguments of `cut` have it."""

    length: float
    clip_from: str
    min_overlap: float
    clips_per_call: int
    negatives: float
    placing: str
    truncation: str
    dense: bool
    hop: float | None
    exhaustive: bool


@dataclass(frozen=True)
class _Heard:
    """The events of one recording as arrays."""

    onset: np.ndarray
    offset: np.ndarray
    channel: np.ndarray
    call: np.ndarray  # present, and of a class that is looked for
    absent: np.ndarray


def _check(
    events: pd.DataFrame,
    classes: Sequence[str],
    placing: str,
    truncation: str,
    hop: float | None,
    hard_share: float,
    noise_class: bool,
) -> None:
    if placing not in PLACINGS:
        raise InputError(f"placing cannot be {placing!r}: it is one of {', '.join(PLACINGS)}.")
    if truncation not in TRUNCATIONS:
        raise InputError(f"truncation cannot be {truncation!r}: it is one of {', '.join(TRUNCATIONS)}.")
    if hop is not None and not hop > 0:
        raise InputError(f"clip_hop_seconds cannot be {hop!r}: windows must go forward; give seconds above 0.")
    if not 0 <= hard_share <= 1:
        raise InputError(f"hard_share cannot be {hard_share!r}: it is a share, from 0 to 1.")
    if noise_class and (NOISE in classes or (events["label"] == NOISE).any()):
        raise InputError("a label is called 'noise' already: rename it, or do without noise_class.")


def _weights(recordings: pd.DataFrame) -> np.ndarray:
    if "weight" not in recordings:
        return np.ones(len(recordings))
    weight = pd.to_numeric(recordings["weight"], errors="coerce").to_numpy(dtype=float)
    wrong = np.flatnonzero(~(np.isfinite(weight) & (weight >= 0)))
    if len(wrong):
        name = recordings["recording"].iloc[wrong[0]]
        raise InputError(f"the recording {name!r} has no weight that counts: give it a number of 0 or more.")
    return weight


def _all_windows(
    recordings: pd.DataFrame,
    events: pd.DataFrame,
    classes: Sequence[str],
    fold: np.ndarray,
    how: _Drawing,
    share: float,
    seed: int,
) -> pd.DataFrame:
    """recording, onset, seconds and channel of every window, and `once`: is it a whole short training recording?"""
    seconds = recordings["seconds"].to_numpy(dtype=float)
    number = pd.Index(recordings["recording"]).get_indexer(events["recording"])
    order = np.argsort(number, kind="stable")
    edges = np.searchsorted(number[order], np.arange(len(recordings) + 1))
    call = ((events["truth"] == "present") & events["label"].isin(list(classes))).to_numpy()
    columns = (
        events["onset"].to_numpy(dtype=float),
        events["offset"].to_numpy(dtype=float),
        events["channel"].to_numpy(dtype=int),
        call,
        (events["truth"] == "absent").to_numpy(),
    )
    columns = tuple(column[order] for column in columns)
    usual = int(events["channel"].mode().iloc[0]) if len(events) else 1
    most = recordings["channels"].to_numpy(dtype=int)
    counts, parts = np.zeros(len(recordings), dtype=int), []
    train = fold == "train"
    short = seconds <= how.length + _BARELY_LONGER
    whole = short if how.clip_from == "window" else np.zeros_like(short)
    lasts = (columns[1] - columns[0])[columns[3]].clip(max=how.length)
    for row in range(len(recordings)):
        here = slice(edges[row], edges[row + 1])
        channels = np.unique(columns[2][here]).tolist() if most[row] > 1 else [1]
        channels = channels or [min(usual, most[row])]
        if whole[row]:
            found = [(0.0, how.length, channel) for channel in channels]
        else:
            heard = _Heard(*(column[here] for column in columns))
            rng = np.random.default_rng([seed, row])
            found = _windows(heard, float(seconds[row]), channels, bool(train[row]), how, share, rng)
            if not found and short[row] and not heard.call.any() and how.negatives and len(lasts):
                like = [(0.0, float(rng.choice(lasts)), channels[0])]  # a clip of noise among clips that are calls
                found = _empty_windows(float(seconds[row]), heard, like, 1, channels, how.exhaustive, rng)
        counts[row] = len(found)
        parts += found
    table = np.array(parts, dtype=float).reshape(-1, 3)
    of = np.repeat(np.arange(len(recordings)), counts)
    return pd.DataFrame(
        {
            "recording": recordings["recording"].to_numpy()[of],
            "onset": table[:, 0],
            # A recording may be shorter than a clip.
            "seconds": np.minimum(table[:, 1], seconds[of] - table[:, 0]),
            "channel": table[:, 2].astype(int),
            "once": (whole & train)[of],
        }
    )


Window = tuple[float, float, int]  # onset, seconds, channel


def _windows(
    heard: _Heard,
    seconds: float,
    channels: list[int],
    train: bool,
    how: _Drawing,
    share: float,
    rng: np.random.Generator,
) -> list[Window]:
    """The windows of one recording."""
    if how.clip_from == "call":
        windows = _call_windows(heard, how.length, how.truncation, rng)
        like, wanted = windows, len(windows) * how.negatives
    elif train and not how.dense:
        windows = _around_calls(heard, seconds, how, rng)
        like = windows or [(0.0, how.length, channels[0])]
        wanted = len(windows) * how.negatives or 2 * how.negatives  # a recording without a call still teaches noise
    else:
        return [(t, how.length, channel) for channel in channels for t in tiled(seconds, how.length, how.hop)]
    return windows + _empty_windows(seconds, heard, like, wanted * share, channels, how.exhaustive, rng)


def tiled(seconds: float, length: float, hop: float | None = None) -> list[float]:
    """Onsets of windows a hop (by default half a window) apart; where they do not come out even, one more that ends
    with the recording."""
    last = max(seconds - length, 0.0)
    onsets = np.arange(0.0, last + 1e-6, hop or length / 2)
    if last - onsets[-1] > 1e-6:
        onsets = np.append(onsets, last)
    return onsets.tolist()


def _around_calls(heard: _Heard, seconds: float, how: _Drawing, rng: np.random.Generator) -> list[Window]:
    windows: list[Window] = []
    latest = max(seconds - how.length, 0.0)
    for k in np.flatnonzero(heard.call).tolist():
        onset, offset = heard.onset[k], heard.offset[k]
        if how.placing == "centred":
            onsets = np.array([(onset + offset - how.length) / 2])
        else:
            inside = how.min_overlap * min(offset - onset, how.length)
            first, last = onset - how.length + inside, offset - inside
            # Rounding may put last before first.
            onsets = first + rng.uniform(0, max(last - first, 0.0), how.clips_per_call)
        windows += [(t, how.length, int(heard.channel[k])) for t in np.clip(onsets, 0.0, latest).tolist()]
    return windows


def _call_windows(heard: _Heard, longest: float, truncation: str, rng: np.random.Generator) -> list[Window]:
    windows: list[Window] = []
    for k in np.flatnonzero(heard.call).tolist():
        onset, lasts = heard.onset[k], heard.offset[k] - heard.onset[k]
        length = min(lasts, longest)
        left = lasts - length
        first = {"start": 0.0, "centre": left / 2}.get(truncation)
        begin = onset + (rng.uniform(0, left) if first is None else first)
        windows.append((float(begin), float(length), int(heard.channel[k])))
    return windows


def _empty_windows(
    seconds: float,
    heard: _Heard,
    like: list[Window],
    wanted: float,
    channels: list[int],
    exhaustive: bool,
    rng: np.random.Generator,
) -> list[Window]:
    """Windows known to hold no call, as long as those of `like`, anywhere such a window fits."""
    windows: list[Window] = []
    if exhaustive:
        stretches = tables.uncovered(0.0, seconds, heard.onset, heard.offset)
    else:
        ends = np.minimum(heard.offset[heard.absent], seconds)
        stretches = list(zip(heard.onset[heard.absent].tolist(), ends.tolist(), strict=True))
    for k in range(int(wanted) + int(rng.random() < wanted % 1)):
        length = min(like[k % len(like)][1], seconds)
        fitting = [(a, b - a - length) for a, b in stretches if b - a >= length]
        if not fitting:
            continue
        # A stretch exactly as long as the window has no room to shift it, and still holds it.
        room = np.array([more for _, more in fitting])
        chosen = int(rng.choice(len(room), p=room / room.sum() if room.sum() > 0 else None))
        onset = float(fitting[chosen][0] + rng.uniform(0, room[chosen]))
        windows.append((onset, float(length), channels[k % len(channels)]))
    return windows
