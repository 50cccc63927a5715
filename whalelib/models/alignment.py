"""Where frames lie: every backbone's answer t is centred on frame t * stride of its picture, whatever its layers do.

A strided layer without padding is centred in the middle of its window; one that pads by half its kernel on its first
input. These functions lay the picture under the network so that both end up where the contract wants them.
"""

from __future__ import annotations

import torch
from torch import Tensor


def answers(frames: int, stride: int) -> int:
    """How many answers `frames` frames of a picture have."""
    return -(-frames // stride)


def spread(picture: Tensor, left: int, width: int) -> Tensor:
    """`width` frames of a picture from `left` before its first one on; beyond its ends the end frames are repeated."""
    index = torch.arange(-left, width - left, device=picture.device)
    return picture[..., index.clamp(0, picture.shape[-1] - 1)]


def magnified(picture: Tensor, first: float, step: float, width: int) -> Tensor:
    """`width` columns read between the frames of a picture: column x shows frame first + x * step."""
    at = (first + step * torch.arange(width, device=picture.device)).clamp(0, picture.shape[-1] - 1)
    below = at.floor().long()
    above = (below + 1).clamp(max=picture.shape[-1] - 1)
    return torch.lerp(picture[..., below], picture[..., above], (at - below).to(picture.dtype))
