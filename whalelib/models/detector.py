"""The one contract of every model: a waveform batch in, clip logits and frame logits out."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from huggingface_hub import PyTorchModelHubMixin
from torch import Tensor, nn

from whalelib import features as front_ends
from whalelib.losses import exclusive_probabilities
from whalelib.models.heads import PoolingHead
from whalelib.models.registry import Backbone, backbone

Altered = Callable[[str, Tensor], Tensor]  # what it is ("picture", "embedding"), and the tensor: what to go on with


def as_it_is(stage: str, tensor: Tensor) -> Tensor:
    return tensor


class Logits(NamedTuple):
    """What a detector says of a batch: [B, K] for the clips and [B, T, K] for their frames."""

    clip: Tensor
    frames: Tensor


class Detector(nn.Module, PyTorchModelHubMixin, library_name="whalelib", tags=["bioacoustics"]):  # type: ignore[call-arg]
    """Front end, network and head in one module that knows its classes, rate, clip length and frame rate.

    `save_pretrained`, `from_pretrained` and `push_to_hub` keep it as safetensors and JSON.
    """

    def __init__(
        self,
        classes: list[str],
        sample_rate: int = 2000,
        clip_seconds: float = 3.0,
        features: dict[str, Any] | None = None,
        model: str = "small_cnn",
        width: int = 32,
        dropout: float = 0.2,
        pooling: str = "attention",
        exclusive: bool = False,
    ) -> None:
        super().__init__()
        features = dict(features or {})
        # Everything that shapes the detector, as its saved JSON has it; a scan's signature hashes it with the weights.
        self.options: dict[str, Any] = {
            "classes": list(classes),
            "sample_rate": sample_rate,
            "clip_seconds": clip_seconds,
            "features": features,
            "model": model,
            "width": width,
            "dropout": dropout,
            "pooling": pooling,
            "exclusive": exclusive,
        }
        self.classes = list(classes)
        self.sample_rate = sample_rate
        self.clip_seconds = clip_seconds
        self.exclusive = exclusive  # do its classes exclude each other, as the softmax loss has it?
        self.front_end = front_ends.build(sample_rate, clip_seconds, **features)
        self.network: Backbone = backbone(model, n_bands=self.front_end.bands, width=width)
        self.head = PoolingHead(self.network.dim, len(self.classes), pooling, dropout)

    def state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:  # type: ignore[override]
        """The weights as safetensors wants them; convolutions keep theirs channels last, which is not contiguous."""
        return {name: tensor.contiguous() for name, tensor in super().state_dict(*args, **kwargs).items()}

    @classmethod
    def _from_pretrained(cls, **options: Any) -> Detector:
        """As the mixin does, without its line on standard output: a scan loads detectors, and its output is read."""
        with contextlib.redirect_stdout(io.StringIO()):
            return super()._from_pretrained(**options)

    @classmethod
    def _load_as_safetensor(cls, model: Any, model_file: str, map_location: str, strict: bool) -> Any:
        """All weights or an error; the mixin's default leaves one that the file lacks as it was drawn."""
        return super()._load_as_safetensor(model, model_file, map_location, strict=True)

    @property
    def clip_samples(self) -> int:
        return round(self.clip_seconds * self.sample_rate)

    @property
    def frame_samples(self) -> float:
        """Samples from one frame of the answer to the next; frame t is centred on sample t * frame_samples."""
        return self.network.stride * self.front_end.hop

    @property
    def frames(self) -> int:
        """How many frames the answer to one clip has."""
        return -(-self.front_end.frames(self.clip_samples) // self.network.stride)

    @property
    def frame_seconds(self) -> float:
        return self.frame_samples / self.sample_rate

    def probabilities(self, logits: Tensor) -> Tensor:
        """What its logits, of clips or of frames, say of each class."""
        return exclusive_probabilities(logits) if self.exclusive else torch.sigmoid(logits)

    def forward(self, waveform: Tensor, altered: Altered = as_it_is) -> Logits:
        """Logits of a batch. In training, `altered` may change its pictures and embeddings on the way."""
        picture = altered("picture", self.front_end(waveform))
        return Logits(*self.head(altered("embedding", self.network(picture))))


def build(seed: int = 0, **options: Any) -> Detector:
    """A fresh detector whose first weights depend on `seed` alone, not on what was drawn before."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Detector(**options)
