"""Every registered network at a size that learns in a second, for the tests that loop over the register."""

import contextlib
import functools

from whalelib import models
from whalelib.models import build

CLASSES = ["blue", "fin", "minke"]
RATE = 2000
# What makes each network small. EfficientNets take no such argument: see `narrow`.
SMALL = {
    "cnn14": {"width": 2},
    "timm:resnet18": {"layers": [1, 1, 1, 1], "channels": [8, 16, 16, 32]},
    "timm:resnet50": {"layers": [1, 1, 1, 1], "channels": [4, 8, 8, 8]},
    "timm:resnest14d": {"channels": [8, 8, 8, 8], "stem_width": 8},
    "timm:resnext50_32x4d": {"layers": [1, 1, 1, 1], "channels": [16, 16, 16, 16], "cardinality": 2, "base_width": 16},
    "timm:regnety_008": {"w0": 8, "wa": 8.0, "wm": 2.0, "depth": 6, "group_size": 8},
    "timm:convnext_atto": {"depths": [1, 1, 1, 1], "dims": [8, 16, 16, 32]},
    "timm:swinv2_tiny_window8_256": {"embed_dim": 12, "depths": [1, 1, 1, 1], "num_heads": [1, 2, 2, 2]},
    "timm:eva02_tiny_patch14_224": {"embed_dim": 48, "depth": 2, "num_heads": 1},
    "timm:vit_tiny_patch16_224": {"embed_dim": 48, "depth": 2, "num_heads": 1},
}


@contextlib.contextmanager
def narrow():
    """EfficientNets and MobileNets with an eighth of their channels."""
    import timm.models.efficientnet
    import timm.models.mobilenetv3
    from timm.models._efficientnet_builder import round_channels

    def fewer(channels, multiplier=1.0, divisor=8, **_):
        return round_channels(channels, multiplier / 8, divisor)

    modules = timm.models.efficientnet, timm.models.mobilenetv3
    for module in modules:
        module.round_channels = fewer
    try:
        yield
    finally:
        for module in modules:
            module.round_channels = round_channels


def surroundings(model):
    """In which a network is made or loaded at its small size."""
    return narrow() if "efficientnet" in model or "mobilenet" in model else contextlib.nullcontext()


def tiny(model="small_cnn", seed=0, **options):
    """A small detector with this network, for the classes above."""
    given = {"classes": CLASSES, "model": model, "width": 8, "depth": 2, "clip_seconds": 1.5}
    given |= {"features": {"n_mels": 32}, "network": SMALL.get(model), **options}
    if ":" not in model and model in models.names() and models.find(model).expects == "waveform":
        given["features"] = {"front_end": "waveform"}
    with surroundings(model):
        return build(seed, **given).eval()


@functools.cache
def shared(model):
    """One of each that nobody changes."""
    return tiny(model)
