"""Noise under the sound, at a ratio of signal to noise that is drawn for each clip."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from whalelib.augment.drawing import Dice
from whalelib.augment.ranges import Range, Setting
from whalelib.augment.registry import Augmentation, Drawn, Surroundings, register
from whalelib.augment.spectra import bins, filtered
from whalelib.errors import InputError

_TAPE = 1 << 20  # samples of white noise that all clips cut theirs from; drawing them anew costs ten times as much
_FULL_SCALE = 32768.0
_SNR = Range(3, 20, "dB", -60, 120)


def at_ratio(x: Tensor, noise: Tensor, snr: Tensor) -> Tensor:
    """The noise [B, N] at so many decibels below the sound [B, N], both measured over the whole clip without its mean.

    Silence gets no noise: there is nothing that it could be below.
    """
    noise = noise - noise.mean(-1, keepdim=True)
    sound, own = x.var(-1, correction=0), noise.square().mean(-1)
    scale = torch.where(own > 0, sound / own.clamp(min=1e-30), 0.0).sqrt() * 10 ** (-snr / 20)
    return noise * scale[:, None]


class _Coloured(Augmentation):
    """Noise whose power falls by 1 / frequency ** colour."""

    tape: Tensor

    def __init__(self, around: Surroundings, **given: Setting) -> None:
        super().__init__(around, **given)
        tape = np.random.default_rng(0).standard_normal(max(_TAPE, 4 * around.samples), dtype=np.float32)
        self.register_buffer("tape", torch.from_numpy(tape), persistent=False)

    def draw(self, dice: Dice) -> dict[str, np.ndarray]:
        return {**super().draw(dice), "place": dice.whole(len(self.tape)), "sign": dice.signs()}

    def altered(self, x: Tensor, drawn: Drawn) -> Tensor:
        samples = torch.arange(x.shape[-1], device=x.device)
        noise = self.tape[(drawn["place"][:, None] + samples) % len(self.tape)] * drawn["sign"][:, None]
        return x + at_ratio(x, self.coloured(noise, drawn), drawn["snr"])

    def coloured(self, white: Tensor, drawn: Drawn) -> Tensor:
        # The lowest bin has no frequency to speak of, and takes that of the next.
        octaves = bins(white.shape[-1], white.device).clamp(min=2 / white.shape[-1]).log()
        return filtered(white, torch.exp(drawn["colour"][:, None] * -0.5 * octaves))


@register("gaussian_noise", snr=_SNR)
class GaussianNoise(_Coloured):
    """White noise, as loud in every Hz."""

    def coloured(self, white: Tensor, drawn: Drawn) -> Tensor:
        return white


@register("pink_noise", snr=_SNR)
class PinkNoise(_Coloured):
    """Pink noise, as loud in every octave: 3 dB less an octave up."""

    def coloured(self, white: Tensor, drawn: Drawn) -> Tensor:
        return super().coloured(white, {"colour": torch.ones_like(drawn["snr"])})


@register("coloured_noise", snr=_SNR, colour=Range(-1, 2, "", -4, 4))
class ColouredNoise(_Coloured):
    """Noise between blue (colour -1) and brown (2); 0 is white, 1 pink."""


@register("background", snr=_SNR)
class Background(Augmentation):
    """Noise that was recorded: clips without a call, or a folder of noise (background_path)."""

    sounds: Tensor

    def __init__(self, around: Surroundings, **given: Setting) -> None:
        super().__init__(around, **given)
        if around.background is None or not len(around.background):
            raise InputError(
                "the augmentation background has no noise to lay under clips, because no training clip is known to be "
                "without a call: name a folder of noise in background_path, or take it out of augmentations."
            )
        self.register_buffer("sounds", around.background, persistent=False)

    def draw(self, dice: Dice) -> dict[str, np.ndarray]:
        which, place = dice.whole(len(self.sounds)), dice.whole(self.sounds.shape[1])
        return {**super().draw(dice), "which": which, "place": place}

    def altered(self, x: Tensor, drawn: Drawn) -> Tensor:
        samples = (drawn["place"][:, None] + torch.arange(x.shape[-1], device=x.device)) % self.sounds.shape[1]
        noise = self.sounds.index_select(0, drawn["which"]).float().gather(1, samples)
        return x + at_ratio(x, noise / _FULL_SCALE, drawn["snr"])
