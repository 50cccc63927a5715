"""Sound moved in time, and its frame targets with it."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from whalelib.augment.labels import Labels, cell_middles, moved
from whalelib.augment.ranges import Number, Range, Word
from whalelib.augment.registry import Augmentation, Drawn, register
from whalelib.augment.spectra import read_at
from whalelib.augment.vocoder import stretched

_RATE = Range(0.9, 1.1, "times", 0.25, 4)
_WINDOW = Number(0.256, "s", 0.001, 60)


@register("time_shift", seconds=Range(-0.5, 0.5, "s"), fill=Word("roll", ("roll", "silence")))
class TimeShift(Augmentation):
    """Later or earlier; what leaves the clip comes in again at its other end (roll), or silence does (crop)."""

    @property
    def rolls(self) -> bool:
        return str(self.set["fill"]) == "roll"

    def altered(self, x: Tensor, drawn: Drawn) -> Tensor:
        samples = x.shape[-1]
        shift = (drawn["seconds"] * self.around.sample_rate).round().long()
        source = torch.arange(samples, device=x.device) - shift[:, None]
        new = x.gather(1, source % samples)
        return new if self.rolls else new.masked_fill_((source < 0) | (source >= samples), 0.0)

    def relabelled(self, labels: Labels, drawn: Drawn) -> Labels:
        source = cell_middles(labels) - drawn["seconds"][:, None] / self.around.clip_seconds
        return moved(labels, source % 1.0 if self.rolls else source)


@register("reverse")
class Reverse(Augmentation):
    """Backwards: an upsweep becomes a downsweep, so only where the direction tells nothing."""

    def altered(self, x: Tensor, drawn: Drawn) -> Tensor:
        return x.flip(-1)

    def relabelled(self, labels: Labels, drawn: Drawn) -> Labels:
        return Labels(labels.targets, labels.frames.flip(1), labels.weight)


class _Tempo(Augmentation):
    """What goes faster (rate above 1) or slower around the middle of the clip; silence where the sound has ended."""

    def relabelled(self, labels: Labels, drawn: Drawn) -> Labels:
        rate = drawn["rate"][:, None]
        return moved(labels, 0.5 + (cell_middles(labels) - 0.5) * rate, drawn["rate"])


@register("speed", rate=_RATE)
class Speed(_Tempo):
    """Faster and higher, or slower and lower, as a tape that runs at another speed."""

    def altered(self, x: Tensor, drawn: Drawn) -> Tensor:
        middle = (x.shape[-1] - 1) / 2
        away = torch.arange(x.shape[-1], device=x.device) - middle
        return read_at(x, middle + away * drawn["rate"][:, None], drawn["rate"])


@register("time_stretch", rate=_RATE, window=_WINDOW)
class TimeStretch(_Tempo):
    """Faster or slower with the pitch left as it is (a phase vocoder: away from the middle noise loses up to 3 dB)."""

    def altered(self, x: Tensor, drawn: Drawn) -> Tensor:
        rate, window = drawn["rate"][:, None], round(self.number("window") * self.around.sample_rate)

        def source(frames: int) -> Tensor:
            middle = frames // 2
            return middle + (torch.arange(frames, device=x.device) - middle) * rate

        return stretched(x, source, window, x.shape[-1])


@register("pitch_shift", semitones=Range(-1, 1, "semitones", -24, 24), window=_WINDOW)
class PitchShift(Augmentation):
    """Higher or lower with the time left as it is: stretched, then read faster."""

    def altered(self, x: Tensor, drawn: Drawn) -> Tensor:
        semitones, samples = self.set["semitones"], x.shape[-1]
        assert isinstance(semitones, Range)
        ratio = 2 ** (drawn["semitones"] / 12)
        # Rounded up to a length that is quick to transform.
        longest = math.ceil(16 * max(2 ** (semitones.high / 12), 1.0)) * -(-samples // 16)
        window = round(self.number("window") * self.around.sample_rate)

        def source(frames: int) -> Tensor:
            return torch.arange(frames, device=x.device) / ratio[:, None]

        longer = stretched(x, source, window, longest)
        return read_at(longer, torch.arange(samples, device=x.device) * ratio[:, None], ratio)
