"""The one contract of every model: a waveform batch in, clip logits and frame logits out."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from huggingface_hub import PyTorchModelHubMixin
from torch import Tensor, nn

from whalelib import features as front_ends
from whalelib.errors import InputError
from whalelib.losses import exclusive_probabilities
from whalelib.models import freezing, lora, panns
from whalelib.models.heads import PoolingHead
from whalelib.models.necks import neck as make_neck
from whalelib.models.registry import Backbone, Picture, backbone, find

Altered = Callable[[str, Tensor], Tensor]  # what it is ("picture", "embedding"), and the tensor: what to go on with


def as_it_is(stage: str, tensor: Tensor) -> Tensor:
    return tensor


class Logits(NamedTuple):
    """What a detector says of a batch: [B, K] for the clips and [B, T, K] for their frames."""

    clip: Tensor
    frames: Tensor


class Embeddings(NamedTuple):
    """What a detector makes of a batch before it says anything: [B, D] for the clips and [B, T, D] for their frames."""

    clip: Tensor
    frames: Tensor


class Detector(nn.Module, PyTorchModelHubMixin, library_name="whalelib", tags=["bioacoustics"]):  # type: ignore[call-arg]
    """Front end, network and head in one module that knows its classes, rate, clip length and frame rate.

    `save_pretrained`, `from_pretrained` and `push_to_hub` keep it as safetensors and JSON. At a `speed` of 8 it hears a
    recording at 2 kHz as a front end for 16 kHz would hear it played eight times as fast; its times stay the
    recording's. `answers` names its answers after the classes that they are the maximum of.

    Of several `members` it is the first, and holds the others: whole detectors like itself, each with weights of its
    own. Their logits are averaged, and their embeddings stand side by side.
    """

    def __init__(
        self,
        classes: list[str],
        sample_rate: int = 2000,
        clip_seconds: float = 3.0,
        features: dict[str, Any] | None = None,
        model: str = "small_cnn",
        width: int = 32,
        depth: int = 0,
        time_stride: int = 0,
        network: dict[str, Any] | None = None,
        speed: float = 1.0,
        neck: str = "none",
        head_layers: int = 1,
        dropout: float = 0.2,
        pooling: str = "attention",
        exclusive: bool = False,
        freeze: str = "",
        lora_rank: int = 0,
        lora_alpha: float = 16.0,
        lora_dropout: float = 0.0,
        answers: dict[str, list[str]] | None = None,
        members: int = 1,
    ) -> None:
        super().__init__()
        # Everything that shapes the detector, as its saved JSON has it; a scan's signature hashes it with the weights.
        self.options: dict[str, Any] = {
            "classes": list(classes),
            "sample_rate": sample_rate,
            "clip_seconds": clip_seconds,
            "features": dict(features or {}),
            "model": model,
            "width": width,
            "depth": depth,
            "time_stride": time_stride,
            "network": dict(network or {}),
            "speed": speed,
            "neck": neck,
            "head_layers": head_layers,
            "dropout": dropout,
            "pooling": pooling,
            "exclusive": exclusive,
            "freeze": "",
            "lora_rank": 0,
            "lora_alpha": lora_alpha,
            "lora_dropout": lora_dropout,
            "answers": None,
            "members": 1,
        }
        self._hub_mixin_config = self.options  # what changes later is saved too
        self.sample_rate = sample_rate
        self.clip_seconds = clip_seconds
        self.exclusive = exclusive  # do its classes exclude each other, as the softmax loss has it?
        self.front_end = front_ends.build(round(sample_rate * speed), clip_seconds / speed, **self.options["features"])
        sizes = {"width": width, "depth": depth, "time_stride": time_stride, "network": network}
        self.network: Backbone = backbone(model, self.sees(), **sizes)
        self.neck = make_neck(neck, self.network.dim, width, dropout)
        dim = (self.neck or self.network).dim
        self.head = PoolingHead(dim, len(classes), pooling, dropout, head_layers)
        self.others: Any = nn.ModuleList(Detector(**self.options) for _ in range(members - 1))
        self.options["members"] = members
        self.answer(answers)
        self.adapt(freeze, lora_rank, lora_alpha, lora_dropout)

    def adapt(self, freeze: str = "", lora_rank: int = 0, lora_alpha: float = 16.0, lora_dropout: float = 0.0) -> None:
        """Choose what of the network learns: all but frozen layers, or LoRA. Neck and head always do."""
        for other in self.others:
            other.adapt(freeze, lora_rank, lora_alpha, lora_dropout)
        if lora_rank:
            lora.insert(self.network, self.network.attention, lora_rank, lora_alpha, lora_dropout)
        elif freeze:
            freezing.freeze(self.network, freeze)
        self.options.update(freeze=freeze, lora_rank=lora_rank, lora_alpha=lora_alpha, lora_dropout=lora_dropout)
        self.train(self.training)

    def answer(self, answers: dict[str, list[str]] | None) -> None:
        """Answer for groups of classes by their maximum: song types by their species. A class in none stays unsaid."""
        trained = self.options["classes"]
        unknown = [name for names in (answers or {}).values() for name in names if name not in trained]
        if unknown or (answers is not None and not all(answers.values())):
            raise InputError(
                f"answers cannot be had from {unknown[0] if unknown else 'no class'!r}: each is a list of some of "
                f"{', '.join(trained)}."
            )
        for other in self.others:
            other.answer(answers)
        self.options["answers"] = answers
        self.classes = list(trained if answers is None else answers)
        self._merged = None if answers is None else [[trained.index(n) for n in names] for names in answers.values()]

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

    def train(self, mode: bool = True) -> Detector:
        super().train(mode)
        freezing.keep_frozen_norms(self.network)
        return self

    @property
    def clip_samples(self) -> int:
        return round(self.clip_seconds * self.sample_rate)

    @property
    def stride(self) -> int:
        """Frames of the picture to one of the answer."""
        return self.network.stride * (self.neck.stride if self.neck else 1)

    @property
    def frame_samples(self) -> float:
        """Samples from one frame of the answer to the next; frame t is centred on sample t * frame_samples."""
        return self.stride * self.front_end.hop

    @property
    def frames(self) -> int:
        """How many frames the answer to one clip has."""
        return -(-self.front_end.frames(self.clip_samples) // self.stride)

    @property
    def frame_seconds(self) -> float:
        return self.frame_samples / self.sample_rate

    def probabilities(self, logits: Tensor) -> Tensor:
        """What its logits, of clips or of frames, say of each class."""
        return exclusive_probabilities(logits) if self.exclusive else torch.sigmoid(logits)

    def sees(self) -> Picture:
        """The picture that the front end makes of one clip."""
        front = self.front_end
        return Picture(front.channels, front.bands, front.frames(self.clip_samples), front.hop, front.sample_rate)

    def forward(self, waveform: Tensor, altered: Altered = as_it_is, picture: Tensor | None = None) -> Logits:
        """Logits of a batch. In training, `altered` may change its pictures and embeddings on the way.

        A `picture` that the front end has made of the batch already is not made again.
        """
        picture = altered("picture", self.front_end(waveform) if picture is None else picture)
        own = self.classified(altered("embedding", self.embedded(picture)))
        if not self.others:
            return own
        said = [own, *(other(waveform, altered) for other in self.others)]
        return Logits(*(torch.stack(logits).mean(0) for logits in zip(*said, strict=True)))

    def embedded(self, picture: Tensor) -> Tensor:
        """Frame embeddings [B, T, D] of a picture."""
        embeddings = self.network(picture)
        return self.neck(embeddings) if self.neck else embeddings

    def classified(self, embeddings: Tensor) -> Logits:
        """Logits of frame embeddings."""
        clip, frames = self.head(embeddings)
        if self._merged is not None:
            clip, frames = (torch.stack([x[..., m].amax(-1) for m in self._merged], -1) for x in (clip, frames))
        return Logits(clip, frames)

    def embed(self, waveform: Tensor) -> Embeddings:
        """What the head is given, for clustering, searching, and small classifiers; a clip's is its frames' mean."""
        frames = self.embedded(self.front_end(waveform))
        if self.others:
            frames = torch.cat([frames, *(other.embed(waveform).frames for other in self.others)], dim=-1)
        return Embeddings(frames.mean(1), frames)

    def activation_checkpointing_enable(self, *args: Any, **options: Any) -> None:
        """Trade time for memory where the network can; how, is the Trainer's to say."""
        model: Any = getattr(self.network, "model", None)
        for name in ("activation_checkpointing_enable", "gradient_checkpointing_enable"):
            if hasattr(model, name):  # transformers' models; the second name is that of its older versions
                return getattr(model, name)(*args, **options)
        if not hasattr(model, "set_grad_checkpointing"):
            raise InputError(f"the model {self.options['model']} cannot checkpoint its gradients: leave that off.")
        return model.set_grad_checkpointing(True)  # timm's

    gradient_checkpointing_enable = activation_checkpointing_enable


def joined(detectors: Sequence[Detector]) -> Detector:
    """Detectors that were built alike as the members of one, which answers with the mean of their logits."""
    first = detectors[0]
    for one in detectors:
        if one.options != first.options or one.others:
            raise InputError("only single detectors of the same options can be joined: build them alike.")
    whole = Detector(**{**first.options, "members": len(detectors)})
    for own, given in zip((whole, *whole.others), detectors, strict=True):
        own.load_state_dict(given.state_dict(), strict=own is not whole)
    return whole.train(first.training)


def build(seed: int = 0, pretrained: str = "", **options: Any) -> Detector:
    """A fresh detector whose first weights depend on `seed` alone, not on what was drawn before.

    `pretrained` gives the network published weights: a local file or folder, a name on the hub, or "default" for the
    ones that the model is best known for.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if not pretrained:
            return Detector(**options)
        entry = find(options.get("model", "small_cnn"))
        source = entry.published if pretrained == "default" else pretrained
        if not source:
            raise InputError(
                f"the model {entry.name} has no weights that are found by themselves: set pretrained to a local file, "
                "or leave it empty."
            )
        known = entry.architecture(source) if entry.architecture else {}
        options["network"] = {**known, **(options.get("network") or {})}
        adapting = {k: options.pop(k) for k in ("freeze", "lora_rank", "lora_alpha", "lora_dropout") if k in options}
        detector = Detector(**options)
        _check_rate(entry.name, entry.sample_rate, detector)
        detector.network.load(source)
        if entry.name == "cnn14":
            _keep_attention(detector, panns.attention_block(source))
        detector.adapt(**adapting)
        return detector


def _check_rate(model: str, expected: int | None, detector: Detector) -> None:
    heard = detector.front_end.sample_rate
    if expected and heard != expected:
        raise InputError(
            f"the weights of {model} were trained at {expected} Hz, and it would hear {heard} Hz: set speed to "
            f"{expected / detector.sample_rate:g}, or sample_rate to {expected}."
        )


def _keep_attention(detector: Detector, block: dict[str, Tensor] | None) -> None:
    """A published attention block is kept where it is for as many classes; else the head is new."""
    own = detector.head.state_dict()
    if block and set(own) == set(block) and all(own[name].shape == value.shape for name, value in block.items()):
        detector.head.load_state_dict(block)
