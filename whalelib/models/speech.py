"""Transformers trained on speech and on sounds, as transformers has them: AST, Whisper's encoder, wav2vec2, HuBERT."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from whalelib.errors import InputError
from whalelib.models import weights
from whalelib.models.alignment import answers, spread
from whalelib.models.attention import heads_for
from whalelib.models.registry import Backbone, Picture, register

_QKV = ("q_proj", "k_proj", "v_proj")


class Pretrained(Backbone):
    """A model of transformers: built from its configuration, its weights read by its own loader."""

    attention = _QKV
    name: str
    model: Any

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        from transformers import AutoConfig

        given = dict(config)
        self.architecture = AutoConfig.for_model(given.pop("model_type"), **given)
        self.dim = self.architecture.hidden_size

    def load(self, pretrained: str) -> None:
        from transformers import AutoModel

        with weights.looked_for(pretrained, self.name):
            whole = AutoModel.from_pretrained(pretrained, config=self.architecture)
            self.model.load_state_dict(self.part_of(whole).state_dict())

    def part_of(self, whole: Any) -> nn.Module:
        """What of a published model this backbone is."""
        return whole


def _mixed(channels: int) -> nn.Module:
    """What makes one channel of several: at first their mean, then what is learnt."""
    if channels == 1:
        return nn.Identity()
    mix = nn.Conv2d(channels, 1, 1, bias=False)
    nn.init.constant_(mix.weight, 1 / channels)
    return mix


class AST(Pretrained):
    """Audio spectrogram transformer: overlapping patches of 16 bands by 16 frames, averaged over bands at the end.

    Its positions are a grid of bands by frames, which is stretched to the picture at hand.
    """

    name = "ast"

    def __init__(self, picture: Picture, config: dict[str, Any], time_stride: int) -> None:
        super().__init__(config)
        from transformers import ASTModel

        if picture.bands < self.architecture.patch_size:
            raise InputError(
                f"the model ast sees patches of 16 bands, and the picture has {picture.bands}: raise n_mels."
            )
        embeddings = (ast := ASTModel(self.architecture)).embeddings
        self.grid = embeddings.get_shape(self.architecture)
        self.stride = time_stride or self.architecture.time_stride
        projection = embeddings.patch_embeddings.projection
        projection.stride = (projection.stride[0], self.stride)
        nn.init.trunc_normal_(embeddings.position_embeddings, std=0.02)  # they start as zeros, and would be learnt late
        self.mix, self.model = _mixed(picture.channels), ast

    def forward(self, picture: Tensor) -> Tensor:
        steps, patch = answers(picture.shape[-1], self.stride), self.architecture.patch_size
        x = spread(self.mix(picture), patch // 2, (steps - 1) * self.stride + patch)
        embeddings = self.model.embeddings
        patches = embeddings.patch_embeddings.projection(x)
        rows = patches.shape[2]
        first = torch.cat([embeddings.cls_token, embeddings.distillation_token], 1).expand(len(x), -1, -1)
        tokens = torch.cat([first, patches.flatten(2).transpose(1, 2)], 1) + self._positions(rows, steps)
        hidden = embeddings.dropout(tokens)
        for layer in self.model.layers:
            hidden = layer(hidden, None)
        return self.model.layernorm(hidden[:, 2:]).unflatten(1, (rows, steps)).mean(1)

    def _positions(self, rows: int, steps: int) -> Tensor:
        own = self.model.embeddings.position_embeddings
        if (rows, steps) == tuple(self.grid):
            return own
        grid = own[:, 2:].transpose(1, 2).unflatten(2, tuple(self.grid))
        grid = F.interpolate(grid.float(), size=(rows, steps), mode="bicubic", align_corners=False).to(own.dtype)
        return torch.cat([own[:, :2], grid.flatten(2).transpose(1, 2)], 1)


class Whisper(Pretrained):
    """Whisper's encoder. Bands are its channels; a picture with others is read between them.

    Its positions are sines of the time since the beginning, so a shorter clip takes the first of them; for a longer one
    they are stretched.
    """

    name = "whisper"
    stride = 2

    def __init__(self, picture: Picture, config: dict[str, Any]) -> None:
        super().__init__(config)
        from transformers.models.whisper.modeling_whisper import WhisperEncoder

        self.mix, self.model = _mixed(picture.channels), WhisperEncoder(self.architecture)

    def forward(self, picture: Tensor) -> Tensor:
        model, x = self.model, self.mix(picture)[:, 0]
        if x.shape[1] != self.architecture.num_mel_bins:
            size = (self.architecture.num_mel_bins, x.shape[2])
            x = F.interpolate(x[:, None], size=size, mode="bilinear", align_corners=False)[:, 0]
        x = F.gelu(model.conv2(F.gelu(model.conv1(x)))).transpose(1, 2)
        x = F.dropout(x + self._positions(x.shape[1]), p=self.architecture.dropout, training=self.training)
        for layer in model.layers:
            x = layer(x, None)
        return model.layer_norm(x)

    def part_of(self, whole: Any) -> nn.Module:
        return whole.encoder

    def _positions(self, steps: int) -> Tensor:
        own = self.model.embed_positions.weight
        if steps <= len(own):
            return own[:steps]
        return F.interpolate(own.T[None], size=steps, mode="linear", align_corners=True)[0].T


class Waveform(Pretrained):
    """wav2vec2 or HuBERT: convolutions straight on the waveform, then attention over what they leave."""

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__(config)
        from transformers import AutoModel

        self.name = self.architecture.model_type
        # Masking and dropped layers are for pretraining on days of speech, and leave parameters without a gradient.
        self.architecture.update({"mask_time_prob": 0.0, "mask_feature_prob": 0.0, "layerdrop": 0.0})
        self.model = AutoModel.from_config(self.architecture)
        self.stride = self.sees = 1
        for kernel, stride in zip(self.architecture.conv_kernel, self.architecture.conv_stride, strict=True):
            self.sees += (kernel - 1) * self.stride
            self.stride *= stride

    def forward(self, picture: Tensor) -> Tensor:
        waveform = picture.flatten(1)
        steps = answers(waveform.shape[1], self.stride)
        left = self.sees // 2
        right = (steps - 1) * self.stride + self.sees - left - waveform.shape[1]
        return self.model(F.pad(waveform, (left, right))).last_hidden_state


def _architecture(pretrained: str) -> dict[str, Any]:
    """The configuration that lies with published weights."""
    with weights.looked_for(pretrained, "to be fine-tuned"):
        from transformers import AutoConfig

        return {"config": AutoConfig.from_pretrained(pretrained).to_diff_dict()}


def _config(network: dict[str, Any] | None, model_type: str, **usual: Any) -> dict[str, Any]:
    """The configuration that came with weights, or one of a size given by width and depth, with what is asked for."""
    network = dict(network or {})
    config = network.pop("config", None)
    if config is None:
        return {"model_type": model_type, **usual, **network}
    if config.get("model_type") != model_type:
        raise InputError(
            f"these weights are of a {config.get('model_type')}, not of a {model_type}: choose the model they are for."
        )
    return {**config, **network}


def _sizes(width: int, depth: int, usual: int) -> dict[str, int]:
    dim = 6 * width  # the usual width of 32 is a tiny model, 128 a base one
    return {
        "hidden_size": dim,
        "num_attention_heads": heads_for(dim),
        "intermediate_size": 4 * dim,
        "num_hidden_layers": depth or usual,
    }


@register(front_end="ast", sample_rate=16000, published="MIT/ast-finetuned-audioset-10-10-0.4593",
          architecture=_architecture)  # fmt: skip
def ast(
    picture: Picture, width: int = 32, depth: int = 0, time_stride: int = 0, network: dict[str, Any] | None = None
) -> Backbone:
    """Audio spectrogram transformer; its positions are stretched to other bands and clip lengths."""
    frames = max(picture.frames, 16)
    sizes = {**_sizes(width, depth, 12), "num_mel_bins": picture.bands, "max_length": frames + 15}
    return AST(picture, _config(network, "audio-spectrogram-transformer", **sizes), time_stride)


@register(front_end="whisper", sample_rate=16000, published="openai/whisper-base", architecture=_architecture)
def whisper(picture: Picture, width: int = 32, depth: int = 0, network: dict[str, Any] | None = None) -> Backbone:
    """The encoder of Whisper; shorter clips take the first of its positions."""
    sizes = {
        "d_model": 6 * width,
        "encoder_attention_heads": heads_for(6 * width),
        "encoder_ffn_dim": 24 * width,
        "encoder_layers": depth or 4,
        "num_mel_bins": picture.bands,
    }
    return Whisper(picture, _config(network, "whisper", **sizes))


@register(expects="waveform", front_end="waveform", sample_rate=16000, published="facebook/wav2vec2-base",
          architecture=_architecture)  # fmt: skip
def wav2vec2(picture: Picture, width: int = 32, depth: int = 0, network: dict[str, Any] | None = None) -> Backbone:
    """wav2vec 2.0: learns from the waveform itself."""
    return Waveform(_config(network, "wav2vec2", **_sizes(width, depth, 12), conv_dim=[4 * width] * 7))


@register(expects="waveform", front_end="waveform", sample_rate=16000, published="facebook/hubert-base-ls960",
          architecture=_architecture)  # fmt: skip
def hubert(picture: Picture, width: int = 32, depth: int = 0, network: dict[str, Any] | None = None) -> Backbone:
    """HuBERT: wav2vec 2.0's network, trained on units of sound."""
    return Waveform(_config(network, "hubert", **_sizes(width, depth, 12), conv_dim=[4 * width] * 7))
