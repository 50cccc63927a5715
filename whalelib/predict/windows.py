"""One recording to scores: overlapping windows, stitched without seams, in memory that does not grow with length."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator

import numpy as np
import torch

from whalelib import audio
from whalelib.models import Detector
from whalelib.predict.neighbours import first_samples, last_samples

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
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Consecutive stretches of a recording's scores: onsets, offsets, probabilities [cells, classes].

    The time axis is a grid of cells, one frame of the detector long. Windows lie `hop_seconds` apart (rounded down to
    whole cells) and a cell's score is the mean over the windows that see it, those in whose middle it lies counting
    most: a call on the edge of one window is in the middle of another. Before its beginning and after its end lies the
    sound of the recordings `before` and `after` it, where they are given; else it is mirrored, so the first and the
    last call are not cut off either. Cells that touch samples which are no numbers have no score (NaN). `watch` is
    shown the samples of the file, as `audio.stream` has it.
    """
    step, lead = detector.frame_samples, detector.frames // 2
    hop = min(max(int(int(hop_seconds * detector.sample_rate) // step), 1), detector.frames)
    bad: list[tuple[float, float]] = []
    beyond = round(lead * step), before, after
    windows = _windows(detector, path, beyond, hop * step, channel, bad, watch)
    stitch = Stitch(detector.frames, hop, len(detector.classes))
    device = next(detector.parameters()).device
    detector.eval()
    given = -lead  # the cell that comes next; cell 0 is centred on the recording's first sample
    more = True
    while more:
        samples = list(itertools.islice(windows, batch))
        more = bool(samples)
        if more:
            with torch.inference_mode():
                logits = detector(torch.from_numpy(np.stack(samples)).to(device)).frames
                cells = stitch.add(detector.probabilities(logits).float().cpu().numpy())
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


def _windows(
    detector: Detector,
    path: str,
    beyond: tuple[int, str, str],
    hop: float,
    channel: audio.Channel,
    bad: list[tuple[float, float]],
    watch: Callable[[np.ndarray, int], None] | None,
) -> Iterator[np.ndarray]:
    """Overlapping windows of a recording and what lies beyond its ends; collects `bad` stretches.

    Beyond are so many samples before it, those of one recording before and of one after it, or the recording mirrored.
    A hop that is no whole number of samples is rounded window by window, so that the roundings do not add up.
    """
    length, rate = detector.clip_samples, detector.sample_rate
    lead, before, after = beyond
    block_seconds = max(_BLOCK_SECONDS, 4 * detector.clip_seconds)
    waiting = recent = np.empty(0, dtype=np.float32)
    begun, given = False, 0
    for block in audio.stream(path, rate, channel, block_seconds, watch):
        bad += block.bad
        samples = block.samples
        if not begun and len(samples):
            earlier = last_samples(before, lead, rate, channel) if before else samples[:0]
            samples = np.pad(np.concatenate([earlier, samples]), (lead - len(earlier), 0), mode="symmetric")
            begun = True
        recent = np.concatenate([recent, samples])[-(lead + length) :]
        waiting = np.concatenate([waiting, samples])
        while len(waiting) >= length:
            yield waiting[:length]
            given += 1
            waiting = waiting[round(given * hop) - round((given - 1) * hop) :]
    if not begun:
        return
    # Go on until a window has reached as far beyond the end as the first one began before the beginning.
    end = len(waiting) + lead
    reach = lead + length + math.ceil(hop)
    later = first_samples(after, reach, rate, channel) if after else recent[:0]
    heard = np.concatenate([recent, later])
    waiting = np.concatenate([waiting, np.pad(heard, (0, reach - len(later)), mode="symmetric")[len(recent) :]])
    for k in range(math.ceil(max(end - length, 0) / hop) + 1):
        start = round((given + k) * hop) - round(given * hop)
        yield waiting[start : start + length]


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
        done = []
        for window in windows:
            self.total += window * self.weight[:, None]
            self.seen += self.weight
            done.append(self._take(self.hop))
        return np.concatenate(done)

    def rest(self) -> np.ndarray:
        """The cells that are left when the last window has been added."""
        return self._take(int(np.count_nonzero(self.seen)))

    def _take(self, cells: int) -> np.ndarray:
        taken = self.total[:cells] / np.maximum(self.seen[:cells], 1e-9)[:, None]
        self.total = np.concatenate([self.total[cells:], np.zeros_like(self.total[:cells])])
        self.seen = np.concatenate([self.seen[cells:], np.zeros_like(self.seen[:cells])])
        return taken
