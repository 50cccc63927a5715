"""One recording to scores: overlapping windows, stitched without seams, in memory that does not grow with length."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from whalelib import audio
from whalelib.models import Detector
from whalelib.predict.engines import Engine, TorchEngine, takes_pictures
from whalelib.predict.frames import Pictures
from whalelib.predict.neighbours import first_samples, last_samples
from whalelib.predict.reading import ahead

_BLOCK_SECONDS = 60.0


def score(
    detector: Detector,
    path: str,
    seconds: float,
    hop_seconds: float = 1.5,
    batch: int = 64,
    channel: audio.Channel = 1,
    *,
    before: str = "",
    after: str = "",
    watch: Callable[[np.ndarray, int], None] | None = None,
    engine: Engine | None = None,
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Consecutive stretches of a recording's scores: onsets, offsets, probabilities [cells, classes].

    The time axis is a grid of cells, one frame of the detector long. Windows lie `hop_seconds` apart (rounded down to
    whole cells) and a cell's score is the mean over the windows that see it, those in whose middle it lies counting
    most: a call on the edge of one window is in the middle of another. Before its beginning and after its end lies the
    sound of the recordings `before` and `after` it, where they are given; else it is mirrored, so the first and the
    last call are not cut off either. Cells that touch samples which are no numbers have no score (NaN). `watch` is
    shown the samples of the file, as `audio.stream` has it. An `engine` started for this detector takes torch's place.
    """
    step, lead = detector.frame_samples, detector.frames // 2
    hop = min(max(int(int(hop_seconds * detector.sample_rate) // step), 1), detector.frames)
    bad: list[tuple[float, float]] = []
    beyond = round(lead * step), before, after
    sound = _sound(detector, path, beyond, channel, bad, watch)
    stretches = _stretches(sound, detector, hop * step, batch)
    front = detector.front_end if takes_pictures(detector) else nn.Identity()
    pictures = Pictures(front, detector.clip_samples, hop * step)
    answers = engine or TorchEngine(detector)
    device = next(detector.parameters()).device
    stitch = Stitch(detector.frames, hop, len(detector.classes))
    given = -lead  # the cell that comes next; cell 0 is centred on the recording's first sample
    more = True
    while more:
        samples, starts = next(stretches, (None, []))
        more = samples is not None
        if more:
            with torch.inference_mode():
                cells = stitch.add(answers(pictures(torch.from_numpy(samples).to(device), starts)))
        else:
            cells = stitch.rest()
        centre = (given + np.arange(len(cells))) * detector.frame_seconds
        given += len(cells)
        onset = np.maximum(centre - detector.frame_seconds / 2, 0.0)
        offset = np.minimum(centre + detector.frame_seconds / 2, seconds)
        inside = offset - onset > 1e-9
        onset, offset, cells = onset[inside], offset[inside], cells[inside]
        for begin, end in bad:
            cells[(onset < end) & (offset > begin)] = np.nan
        if len(cells):
            bad[:] = [stretch for stretch in bad if stretch[1] > offset[-1]]
            yield onset, offset, cells


class _End(NamedTuple):
    """What lies beyond a recording's end; the windows must reach over the first `due` samples of it."""

    samples: np.ndarray
    due: int


def _sound(
    detector: Detector,
    path: str,
    beyond: tuple[int, str, str],
    channel: audio.Channel,
    bad: list[tuple[float, float]],
    watch: Callable[[np.ndarray, int], None] | None,
) -> Iterator[np.ndarray | _End]:
    """The blocks of a recording, read ahead, and what lies beyond its ends; collects `bad` stretches.

    Beyond are so many samples before it, those of one recording before and of one after it, or the recording mirrored.
    """
    lead, before, after = beyond
    rate = detector.sample_rate
    reach = lead + 2 * detector.clip_samples
    block_seconds = max(_BLOCK_SECONDS, 4 * detector.clip_seconds)
    recent = np.empty(0, dtype=np.float32)
    begun = False
    with contextlib.closing(ahead(audio.stream(path, rate, channel, block_seconds, watch))) as blocks:
        for block in blocks:
            bad += block.bad
            samples = block.samples
            if not begun and len(samples):
                earlier = last_samples(before, lead, rate, channel) if before else samples[:0]
                samples = np.pad(np.concatenate([earlier, samples]), (lead - len(earlier), 0), mode="symmetric")
                begun = True
            recent = np.concatenate([recent, samples])[-reach:]
            yield samples
    if begun:
        later = first_samples(after, reach, rate, channel) if after else recent[:0]
        heard = np.concatenate([recent, later])
        yield _End(np.pad(heard, (0, reach - len(later)), mode="symmetric")[len(recent) :], lead)


def _stretches(
    sound: Iterator[np.ndarray | _End], detector: Detector, hop: float, batch: int
) -> Iterator[tuple[np.ndarray, list[int]]]:
    """Sound in stretches of `batch` overlapping windows, and on which of its samples each of them begins.

    A hop that is no whole number of samples is rounded window by window, so that the roundings do not add up.
    """
    length = detector.clip_samples
    waiting = np.empty(0, dtype=np.float32)  # begins with the window that comes next
    given = 0

    def starts(windows: int) -> list[int]:
        return [round((given + k) * hop) - round(given * hop) for k in range(windows)]

    def whole() -> int:
        """How many windows lie within what is waiting."""
        most = int(max(len(waiting) - length, -hop) / hop) + 2
        return sum(start + length <= len(waiting) for start in starts(most))

    for part in sound:
        if isinstance(part, _End):
            # Go on until a window has reached as far beyond the end as the first one began before the beginning.
            *_, begin = starts(whole() + 1)
            due = whole() + math.ceil(max(len(waiting) + part.due - begin - length, 0) / hop) + 1
            waiting = np.concatenate([waiting, part.samples])
        else:
            waiting = np.concatenate([waiting, part])
            due = whole() // batch * batch
        for first in range(0, due, batch):
            taken = starts(min(batch, due - first) + 1)
            yield waiting[: taken[-2] + length], taken[:-1]
            waiting = waiting[taken[-1] :]
            given += len(taken) - 1


class Stitch:
    """Averages overlapping windows of frames onto one grid of cells, giving away what no later window will touch."""

    def __init__(self, frames: int, hop: int, classes: int) -> None:
        middle = (frames - 1) / 2
        self.weight = (1.0 - np.abs(np.arange(frames) - middle) / (middle + 1)).astype(np.float32)
        self.hop = hop
        self.total = np.zeros((frames, classes), dtype=np.float32)
        self.seen = np.zeros(frames, dtype=np.float32)

    def add(self, windows: np.ndarray) -> np.ndarray:
        """Add consecutive windows [W, frames, classes]; gives the finished cells [W * hop, classes]."""
        count, frames, classes = windows.shape
        ready, steps = count * self.hop, -(-frames // self.hop)
        self._make_room((count + steps) * self.hop)
        weight = np.pad(self.weight, (0, steps * self.hop - frames))
        weighted = np.zeros((count, steps * self.hop, classes), dtype=np.float32)
        np.multiply(windows, self.weight[:, None], out=weighted[:, :frames])
        total, seen = (x.reshape(count + steps, self.hop, -1) for x in (self.total, self.seen))
        for k in reversed(range(steps)):  # a cell adds up its windows in the order of time
            part = slice(k * self.hop, (k + 1) * self.hop)
            total[k : k + count] += weighted[:, part]
            seen[k : k + count] += weight[part, None]
        return self._take(ready)

    def rest(self) -> np.ndarray:
        """The cells that are left when the last window has been added."""
        return self._take(int(np.count_nonzero(self.seen)))

    def _make_room(self, cells: int) -> None:
        """Empty cells behind those that are begun."""
        more = cells - len(self.seen)
        self.total, self.seen = np.pad(self.total, ((0, more), (0, 0))), np.pad(self.seen, (0, more))

    def _take(self, cells: int) -> np.ndarray:
        taken = self.total[:cells] / np.maximum(self.seen[:cells], 1e-9)[:, None]
        self.total, self.seen = self.total[cells:], self.seen[cells:]
        return taken
