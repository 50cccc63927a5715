"""Search a whole set for sound that is there twice: fingerprints find candidates, cross-correlation confirms them."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from whalelib import audio
from whalelib.audio.systems import is_uri, local_path
from whalelib.errors import InputError
from whalelib.likeness.fingerprints import FRAME_SECONDS, Anchors, fingerprint
from whalelib.likeness.pairing import candidates
from whalelib.likeness.same_files import size_of
from whalelib.likeness.same_sound import LEAST_SAMPLES, SAME, correlation

VERSION = 2  # of what this search finds; what an older one kept is looked for again
STRETCHES = 3  # beginning, middle and end of a long recording
PIECE_SECONDS = 20.0  # what is read and pictured at once
CONFIRM_SECONDS = 4.0  # what is correlated around the moment that two recordings have in common
MOST_ANCHORS, MOST_EACH = 40_000, 48  # fingerprints of the whole set, whose comparison grows with the square; of one
_THREADS, _REMOTE_THREADS = 2, 16
COLUMNS = ("recording", "other", "at", "other_at", "correlation")


@dataclass(frozen=True)
class Copies:
    """Pairs of recordings of different groups that hold the same sound, with the seconds at which they share a moment
    and how well they agree there; the surest first. Groups that earlier pairs have joined are not looked at again, so
    the pairs are enough to join all copies, and not all that could be named. `notes` says what was not compared."""

    pairs: pd.DataFrame
    notes: list[str] = field(default_factory=list)

    def names(self) -> list[tuple[str, str]]:
        return list(zip(self.pairs["recording"], self.pairs["other"], strict=True))


def near_equal(
    recordings: pd.DataFrame,
    *,
    sample_rate: int = 2000,
    copy_seconds: float = 120.0,
    folder: str | Path | None = None,
    progress: bool = True,
) -> Copies:
    """Recordings of different groups that hold the same sound: shifted, louder, inverted, encoded or resampled anew.

    A recording up to `copy_seconds` long is heard whole, of a longer one its beginning, middle and end, together so
    much; two recordings are found if what was heard of them shares a second. A column `listen_channel` says which
    channel is heard, by default the first. What cannot be read is compared with nothing and named in the notes.

    With a `folder`, what was found is kept there and found again while recordings, groups and files stay as they are.
    """
    kept = Path(folder) / f"copies-{_key(recordings, sample_rate, copy_seconds)}.json" if folder is not None else None
    if kept is not None and kept.exists():
        content = json.loads(kept.read_text(encoding="utf-8"))
        return Copies(pd.DataFrame(content["pairs"], columns=list(COLUMNS)), content["notes"])
    anchors, notes = _fingerprints(recordings, sample_rate, copy_seconds, progress)
    found = _confirmed(recordings, anchors, sample_rate, notes, progress)
    copies = Copies(found, notes)
    if kept is not None:
        content = {**asdict(copies), "pairs": found.to_dict(orient="list")}
        kept.parent.mkdir(parents=True, exist_ok=True)
        part = kept.with_suffix(f".{os.getpid()}.part")
        part.write_text(json.dumps(content), encoding="utf-8")
        part.replace(kept)
    return copies


def stretches(seconds: float, copy_seconds: float) -> list[tuple[float, float]]:
    """(onset, seconds) of the pieces that are heard of a recording."""
    if seconds <= copy_seconds:
        spans = [(0.0, seconds)]
    else:
        length = copy_seconds / STRETCHES
        spans = [(float(onset), length) for onset in np.linspace(0, seconds - length, STRETCHES)]
    pieces = []
    for onset, length in spans:
        count = max(int(np.ceil(length / PIECE_SECONDS)), 1)
        pieces += [(onset + k * length / count, length / count) for k in range(count)]
    return pieces


def _fingerprints(
    recordings: pd.DataFrame, sample_rate: int, copy_seconds: float, progress: bool
) -> tuple[Anchors, list[str]]:
    each = int(np.clip(MOST_ANCHORS // max(len(recordings), 1), 1, MOST_EACH))
    every = -(-len(recordings) // (3 * MOST_ANCHORS))
    notes = []
    if every > 1:
        notes.append(f"the recordings are so many that only every {every}. was compared with others for likeness.")
    least = max(FRAME_SECONDS, LEAST_SAMPLES / sample_rate)
    if short := int((recordings["seconds"] < least).sum()):
        notes.append(f"recordings too short to be compared by their sound (below {least:.3g} s): {short:,}.")
    table = recordings.iloc[::every]
    channel = table["listen_channel"] if "listen_channel" in table else pd.Series(1, index=table.index)
    rows = list(zip(range(0, len(recordings), every), table["path"], table["seconds"], channel, strict=True))

    def hear(part: Sequence[tuple[int, str, float, int]]) -> list[tuple[Anchors, str]]:
        heard = []
        for number, path, seconds, listen_channel in part:
            found, trouble = [], ""
            for onset, length in stretches(float(seconds), copy_seconds):
                try:
                    sound = audio.read(path, onset, length, None, int(listen_channel))
                    rate = max(round(len(sound) / length), 1)
                except InputError as error:
                    trouble = str(error)
                    continue
                found.append(fingerprint(sound, rate, onset, sample_rate / 2, each))
            heard.append((Anchors.join(found).strongest(each).of(number), trouble))
        return heard

    remote = any(map(is_uri, table["path"]))
    at_once = 1 if remote else 32
    parts = [rows[k : k + at_once] for k in range(0, len(rows), at_once)]
    kept: list[Anchors] = []
    unheard: list[str] = []
    with (
        ThreadPoolExecutor(_REMOTE_THREADS if remote else _THREADS) as pool,
        tqdm(total=len(rows), desc="looking for copies", leave=False, disable=None if progress else True) as bar,
    ):
        for heard in pool.map(hear, parts):
            kept += [anchors for anchors, _ in heard]
            unheard += [trouble for _, trouble in heard if trouble]
            bar.update(len(heard))
    if unheard:
        more = f" (and {len(unheard) - 1} more)" if len(unheard) > 1 else ""
        notes.append(f"not compared with other recordings{more}: {unheard[0]}")
    return Anchors.join(kept), notes


def _confirmed(
    recordings: pd.DataFrame, anchors: Anchors, sample_rate: int, notes: list[str], progress: bool
) -> pd.DataFrame:
    group = pd.factorize(recordings["group"])[0]
    pairs, total = candidates(anchors, group)
    if total > len(pairs):
        notes.append(
            f"{total:,} pairs of recordings have a moment in common, and the {len(pairs):,} most alike were compared."
        )
    joined = _Joined(int(group.max(initial=-1)) + 1)
    names, paths = recordings["recording"].to_numpy(), recordings["path"].to_numpy()
    seconds = recordings["seconds"].to_numpy(dtype=float)
    channel = recordings["listen_channel"].to_numpy() if "listen_channel" in recordings else np.ones(len(names), int)
    rows = []
    for pair in tqdm(pairs.itertuples(), "comparing", len(pairs), leave=False, disable=None if progress else True):
        a, b = int(pair.a), int(pair.b)
        if joined.one(group[a]) == joined.one(group[b]):
            continue
        # As much before and after the moment as both recordings have.
        before = min(pair.at_a, pair.at_b, CONFIRM_SECONDS / 2)
        after = min(seconds[a] - pair.at_a, seconds[b] - pair.at_b, CONFIRM_SECONDS / 2)
        try:
            one, other = (
                audio.read(paths[k], max(at - before, 0.0), before + after, sample_rate, int(channel[k]))
                for k, at in ((a, pair.at_a), (b, pair.at_b))
            )
        except InputError:
            continue  # it was heard a moment ago, and whoever reads it next will say what is wrong
        same = correlation(one, other, sample_rate)
        if same > SAME:
            joined.join(group[a], group[b])
            rows.append((names[a], names[b], float(pair.at_a), float(pair.at_b), same))
    found = pd.DataFrame(rows, columns=list(COLUMNS))
    return found.sort_values("correlation", ascending=False, kind="stable", ignore_index=True)


def usual_channels(recordings: pd.DataFrame, events: pd.DataFrame) -> pd.Series:
    """The channel to listen to in each recording, by its id: the one with most events, or the first."""
    counts = events.groupby(["recording", "channel"]).size().sort_values(kind="stable")
    most = counts.reset_index().drop_duplicates("recording", keep="last").set_index("recording")["channel"]
    wanted = recordings["recording"].map(most).astype("float64").fillna(1).astype(int)
    legal = wanted.between(1, recordings["channels"])
    return pd.Series(np.where(legal, wanted, 1), index=recordings["recording"])


class _Joined:
    """Which groups are one by now."""

    def __init__(self, count: int) -> None:
        self.parent = list(range(count))

    def one(self, group: int) -> int:
        while self.parent[group] != group:
            self.parent[group] = self.parent[self.parent[group]]
            group = self.parent[group]
        return group

    def join(self, one: int, other: int) -> None:
        self.parent[self.one(other)] = self.one(one)


def _key(recordings: pd.DataFrame, sample_rate: int, copy_seconds: float) -> str:
    """A hash of all that decides what is found. Of a file its name, size and time count: reading it is the work."""
    text = [f"{VERSION} {sample_rate} {copy_seconds}"]
    channel = recordings["listen_channel"] if "listen_channel" in recordings else [1] * len(recordings)
    columns = recordings["recording"], recordings["group"], recordings["path"], recordings["seconds"], channel
    for name, group, path, seconds, number in zip(*columns, strict=True):
        changed = 0 if is_uri(path) or not os.path.exists(local_path(path)) else os.stat(local_path(path)).st_mtime_ns
        text.append(f"{name}\0{group}\0{path}\0{seconds:.4f}\0{number}\0{size_of(path)}\0{changed}")
    return hashlib.sha256("\n".join(text).encode()).hexdigest()[:16]
