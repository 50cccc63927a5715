"""Cnn14 of PANNs, in the layout of its published checkpoints."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from whalelib.errors import InputError
from whalelib.models import weights
from whalelib.models.alignment import answers, spread
from whalelib.models.registry import Backbone, Picture, register

# What a checkpoint holds beside the network: the front end, which a detector owns, and the answers of its own classes.
_NOT_TAKEN = ("spectrogram_extractor.", "logmel_extractor.", "fc_audioset.", "att_block.")


class ConvBlock(nn.Module):
    """Two 3 x 3 convolutions, and an average over bands and frames."""

    def __init__(self, inputs: int, outputs: int, pool: tuple[int, int]) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn1, self.bn2 = nn.BatchNorm2d(outputs), nn.BatchNorm2d(outputs)
        self.pool = pool

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))))
        return F.avg_pool2d(x, self.pool) if self.pool != (1, 1) else x


class Cnn14(Backbone):
    """Six blocks of convolutions on [B, channels, frames, bands], maximum and mean of neighbours, and a layer.

    The last blocks may leave the frames unpooled, so that a short clip keeps more than two of them.
    """

    def __init__(self, channels: int, n_bands: int, width: int, time_stride: int) -> None:
        super().__init__()
        if time_stride not in (1, 2, 4, 8, 16, 32):
            raise InputError(f"cnn14 cannot have a time_stride of {time_stride}: it is one of 1, 2, 4, 8, 16, 32.")
        if n_bands < 32:
            raise InputError(f"cnn14 halves the bands five times, and {n_bands} are too few: set n_mels to 32 or more.")
        self.stride, self.dim = time_stride, 32 * width
        halvings = time_stride.bit_length() - 1
        self.bn0 = nn.BatchNorm1d(n_bands)
        inputs = channels
        for k in range(6):
            outputs = width << k
            pool = ((2 if k < halvings else 1), 2) if k < 5 else (1, 1)
            setattr(self, f"conv_block{k + 1}", ConvBlock(inputs, outputs, pool))
            inputs = outputs
        self.fc1 = nn.Linear(self.dim, self.dim)
        self.dropout, self.last_dropout = nn.Dropout(0.2), nn.Dropout(0.5)

    def forward(self, picture: Tensor) -> Tensor:
        steps = answers(picture.shape[-1], self.stride)
        x = spread(picture, self.stride // 2, steps * self.stride)  # pools see their own frames alone
        x = self.bn0(x.flatten(0, 1)).view_as(x).transpose(2, 3)
        for k in range(6):
            x = self.dropout(getattr(self, f"conv_block{k + 1}")(x))
        x = x.mean(dim=3)
        x = F.max_pool1d(x, 3, stride=1, padding=1) + F.avg_pool1d(x, 3, stride=1, padding=1)
        return self.last_dropout(F.relu(self.fc1(self.last_dropout(x).transpose(1, 2))))

    def load(self, pretrained: str) -> None:
        """A published checkpoint; the norm of the input is new where it was for another number of bands."""
        found = weights.file_in(pretrained)
        if found is None:
            raise InputError(
                f"there is no file {pretrained!r} with the weights of cnn14: download Cnn14_DecisionLevelAtt or Cnn14 "
                "of PANNs, and set pretrained to the file."
            )
        own = self.state_dict()
        given = {name: value for name, value in weights.read(found).items() if not name.startswith(_NOT_TAKEN)}
        for name in [name for name in given if name.startswith("bn0.") and given[name].shape != own[name].shape]:
            del given[name]
        first = "conv_block1.conv1.weight"
        if first in given and given[first].shape[1] == 1 < own[first].shape[1]:
            given[first] = given[first].expand_as(own[first]) / own[first].shape[1]
        lacking = [name for name in own if name not in given and not name.startswith("bn0.")]
        other = [name for name, value in given.items() if name not in own or own[name].shape != value.shape]
        if lacking or other:
            raise InputError(
                f"{found} does not hold a Cnn14 of this width: {(lacking + other)[0]} is missing or has another shape; "
                "take the published file, and leave network empty."
            )
        self.load_state_dict(given, strict=False)


@register(front_end="mel", sample_rate=32000)
def cnn14(picture: Picture, width: int = 32, time_stride: int = 0, network: dict[str, Any] | None = None) -> Backbone:
    """PANNs' Cnn14; with pooling=decision it is the published decision-level attention."""
    first = (network or {}).get("width", 2 * width)  # the published one has 64 channels in its first layer
    return Cnn14(picture.channels, picture.bands, first, time_stride or 8)


def attention_block(path: str) -> dict[str, Tensor] | None:
    """The attention block of a published checkpoint, as a head of pooling `decision` has it; None if there is none."""
    found = weights.file_in(path)
    given = weights.read(found) if found else {}
    if "att_block.att.weight" not in given:
        return None
    squeezed = {name: value.squeeze(-1) for name, value in given.items() if name.startswith("att_block.")}
    return {
        "classify.weight": squeezed["att_block.cla.weight"],
        "classify.bias": squeezed["att_block.cla.bias"],
        "attend.weight": squeezed["att_block.att.weight"],
    }
