"""Per-channel energy normalisation: each band divided by its own recent past, then compressed."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from whalelib.errors import InputError

# Frames that are smoothed by one product with a triangle of weights; the carry between blocks is a step each.
_BLOCK = 64


class PCEN(nn.Module):
    """(E / (eps + M)^gain + bias)^power - bias^power, with M the energy E smoothed over `seconds`.

    The smoother starts as if the sound had always been as its first frame is, not from silence: a start from zero would
    light up the first second of every clip. So the picture does not hear the level of a recording, up to `eps`. The
    formula and the smoothing constant are librosa's. With `trainable`, each band learns its gain, bias and power.
    """

    def __init__(
        self,
        bands: int,
        frames_per_second: float,
        seconds: float = 0.4,
        gain: float = 0.98,
        bias: float = 2.0,
        power: float = 0.5,
        eps: float = 1e-6,
        trainable: bool = False,
    ) -> None:
        super().__init__()
        if not (seconds > 0 and eps > 0 and bias > 0 and power > 0 and gain >= 0):
            raise InputError(
                f"PCEN with pcen_seconds {seconds:g}, pcen_gain {gain:g}, pcen_bias {bias:g} and pcen_power {power:g} "
                "is not defined: the first and the last two are above zero, the gain is not below it."
            )
        steps = seconds * frames_per_second
        self.smoothing = (math.sqrt(1 + 4 * steps**2) - 1) / (2 * steps**2)
        self.eps, self.trainable = eps, trainable
        self.triangle: Tensor
        self.fade: Tensor
        self.log_gain: Tensor
        self.log_bias: Tensor
        self.log_power: Tensor
        # Frame t of a block: what its own frames up to t add, and what is left of the frame before the block.
        ages = torch.arange(_BLOCK, dtype=torch.float64)[:, None] - torch.arange(_BLOCK, dtype=torch.float64)
        weights = self.smoothing * (1 - self.smoothing) ** ages.clamp(min=0)
        self.register_buffer("triangle", torch.where(ages >= 0, weights, 0.0).T.float().contiguous(), persistent=False)
        fade = (1 - self.smoothing) ** torch.arange(1, _BLOCK + 1, dtype=torch.float64)
        self.register_buffer("fade", fade.float(), persistent=False)
        self.gain, self.bias, self.power = gain, bias, power
        # As logarithms, so that training cannot make them negative.
        for name, value in (("log_gain", max(gain, 1e-6)), ("log_bias", bias), ("log_power", power)):
            start = torch.full((bands, 1), math.log(value))
            if trainable:
                self.register_parameter(name, nn.Parameter(start))
            else:
                self.register_buffer(name, start, persistent=False)

    def forward(self, energy: Tensor) -> Tensor:
        return self.stream(energy)[0]

    def stream(self, energy: Tensor, before: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The picture of energies [B, bands, frames], and the smoother's state [B, bands, 1] to go on with."""
        smooth = self.smoothed(energy, energy[..., :1] if before is None else before)
        last = smooth[..., -1:].clone()
        if self.trainable or energy.requires_grad:
            gain, bias, power = self.log_gain.exp(), self.log_bias.exp(), self.log_power.exp()
            scaled = energy * torch.exp(-gain * torch.log(self.eps + smooth))
            return bias**power * torch.expm1(power * torch.log1p(scaled / bias)), last
        # The same in place: what it costs is the traffic between processor and memory.
        scaled = smooth.add_(self.eps).log_().mul_(-self.gain).exp_().mul_(energy)
        if self.power == 0.5:  # the difference of two roots, without their cancelling for quiet sounds
            return scaled.div_((scaled + self.bias).sqrt_().add_(math.sqrt(self.bias))), last
        return scaled.div_(self.bias).log1p_().mul_(self.power).expm1_().mul_(self.bias**self.power), last

    def smoothed(self, energy: Tensor, before: Tensor) -> Tensor:
        """M[t] = (1 - s) M[t - 1] + s E[t], from the state `before`."""
        parts = []
        for block in energy.split(_BLOCK, dim=-1):
            n = block.shape[-1]
            part = block @ self.triangle[:n, :n]
            part = part + before * self.fade[:n]
            before = part[..., -1:]
            parts.append(part)
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=-1)
