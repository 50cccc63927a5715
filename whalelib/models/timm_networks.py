"""Any network of timm as a backbone: `timm:NAME`."""

from __future__ import annotations

import contextlib
import difflib
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from whalelib.errors import InputError
from whalelib.models import weights
from whalelib.models.alignment import answers, magnified, spread
from whalelib.models.registry import Backbone, Entry, Picture, add, register_family

# What the contract tests loop over; every other name that timm has works too.
TRIED = (
    "resnet18", "resnet50", "resnest14d", "resnext50_32x4d", "regnety_008", "efficientnet_b0",
    "tf_efficientnetv2_s.in21k", "convnext_atto", "mobilenetv3_large_100", "swinv2_tiny_window8_256",
    "eva02_tiny_patch14_224", "vit_tiny_patch16_224",
)  # fmt: skip
DEFAULT_STRIDE = 8


class TimmNetwork(Backbone):
    """A network for images looks at a picture of sound; its map of features is averaged over bands, not over time.

    Its own stride, often 32, would leave three answers of a clip. Where the network can, it keeps its last stages at a
    lower stride (dilated); where it cannot, the picture is magnified until one of the network's steps is `time_stride`
    frames. Networks that want a picture of one size get their positions for another by timm's own interpolation.
    """

    attention: ClassVar[tuple[str, ...]] = ("qkv", "q_proj", "k_proj", "v_proj")

    def __init__(self, picture: Picture, name: str, time_stride: int, network: dict[str, Any]) -> None:
        super().__init__()
        self.name, self.stride, self.options = name, time_stride, network
        self.channels, self.bands = picture.channels, picture.bands
        self.size = answers(picture.frames, time_stride)
        self.model = self._create()
        for module in self.model.modules():
            if hasattr(module, "qkv_bias_separate"):
                module.qkv_bias_separate = True  # the same sum, but through the layer, so that LoRA is heard
        self.prefix = getattr(self.model, "num_prefix_tokens", 0)
        self.dim = int(self.model.head_hidden_size or self.model.num_features)

    def _create(self, **pretrained: Any) -> Any:
        """The network at the lowest cost that gives the stride: dilated where it takes that, magnifying where not."""
        import timm

        options = {"in_chans": self.channels, "num_classes": 0, "global_pool": "", **self.options}
        with torch.device("meta"):
            shape = timm.create_model(self.name, **options)
        self.native, self.patches, self.rows = _stride_of(shape), _starts_with_patches(shape), self.bands
        options.update(pretrained)
        if self.stride in (8, 16, 32) and not self.patches:  # a dilated patch would lie beside its step, not on it
            try:
                model = timm.create_model(self.name, output_stride=self.stride, **options)
                self.native = self.stride
                return model
            except TypeError:
                pass  # this architecture takes no output_stride
        self.rows = round(self.bands * self.native / self.stride)
        if self.patches:
            self.rows = max(round(self.rows / self.native), 1) * self.native
            size = (self.rows, self.size * self.native)
            for any_size in ({"img_size": size, "dynamic_img_size": True}, {"dynamic_img_size": True}):
                with contextlib.suppress(TypeError):  # a network of convolutions takes any size without being told
                    return timm.create_model(self.name, **options, **any_size)
        return timm.create_model(self.name, **options)

    def load(self, pretrained: str) -> None:
        with weights.looked_for(pretrained, f"timm:{self.name}"):
            own: dict[str, Any] = {"pretrained": True}
            if pretrained != "default":
                found = weights.file_in(pretrained)
                if found is None:
                    raise FileNotFoundError("there is no such file or folder")
                own["pretrained_cfg_overlay"] = {"file": str(found)}
            self.model.load_state_dict(self._create(**own).state_dict())

    def forward(self, picture: Tensor) -> Tensor:
        steps = answers(picture.shape[-1], self.stride)
        x = self._laid_out(picture, steps)
        features = self.model(x)
        if features.ndim == 3:  # tokens
            tokens = features[:, self.prefix :]
            return tokens.unflatten(1, (-1, steps)).mean(1)
        if getattr(self.model, "output_fmt", "NCHW") == "NHWC":
            return features.mean(1)
        return features.mean(2).transpose(1, 2)

    def _laid_out(self, picture: Tensor, steps: int) -> Tensor:
        """The picture at the size the network sees, its step t centred on frame t * stride."""
        if self.patches:  # a step sees its own patch alone, so its middle is the patch's
            width, middle = steps * self.native, (self.native - 1) / 2
        else:  # an odd width: every strided convolution, however it pads, starts on the first column
            width, middle = (steps - 1) * self.native + 1, 0.0
        if self.native == self.stride:
            x = spread(picture, round(middle), width)
        else:
            frames = self.stride / self.native
            x = magnified(picture, -middle * frames, frames, width)
        if self.rows != picture.shape[2]:
            x = F.interpolate(x, size=(self.rows, x.shape[-1]), mode="bilinear", align_corners=False)
        return x


def _check_name(name: str) -> None:
    try:
        import timm
    except ImportError:
        raise InputError(f"the model timm:{name} needs timm: pip install 'whalelib[train,models]'.") from None
    if not timm.is_model(name.partition(".")[0]):
        near = difflib.get_close_matches(name, timm.list_models(), n=1)
        raise InputError(
            f"timm has no model {name!r}{f'; did you mean {near[0]!r}?' if near else ''}: timm.list_models() has them."
        )


def _stride_of(model: Any) -> int:
    about = model.feature_info
    return int(about[-1]["reduction"] if isinstance(about, list) else about.reduction()[-1])


def _starts_with_patches(model: Any) -> bool:
    """Is the first layer one whose windows do not overlap?"""
    first = next(module for module in model.modules() if isinstance(module, torch.nn.Conv2d))
    return first.kernel_size == first.stride and first.stride[0] > 1


def entry_of(name: str) -> Entry:
    """The model `timm:NAME`."""

    def build(picture: Picture, time_stride: int = 0, network: dict[str, Any] | None = None) -> Backbone:
        _check_name(name)
        return TimmNetwork(picture, name, time_stride or DEFAULT_STRIDE, network or {})

    return Entry(f"timm:{name}", f"timm's {name}, for images, its bands averaged and its frames kept.", build,
                 published="default")  # fmt: skip


register_family("timm", entry_of)
for _name in TRIED:
    add(entry_of(_name))
