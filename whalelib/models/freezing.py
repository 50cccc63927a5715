"""Fine-tuning: which layers learn, and how fast. Layers are counted from the sound to the answer."""

from __future__ import annotations

import difflib
from typing import Any

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from whalelib.errors import InputError


def layer_of(parameter: str) -> str:
    """The layer a parameter belongs to: its name up to the first number, `model.layers.3` or `blocks.0`."""
    parts = parameter.split(".")
    for k, part in enumerate(parts):
        if part.isdigit():
            return ".".join(parts[: k + 1])
    return ".".join(parts[:-1][:3]) or parameter


def layers(network: nn.Module) -> dict[str, list[nn.Parameter]]:
    """A network's layers in its own order, each with its parameters."""
    found: dict[str, list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        found.setdefault(layer_of(name), []).append(parameter)
    return found


def freeze(network: nn.Module, up_to: str) -> None:
    """Let nothing learn ("all"), or nothing up to the layer of this name, it included; "" lets everything learn.

    A name may be that of a stage, which is its last layer: `layer2` of a ResNet, `model.layers.5` of a transformer.
    """
    if not up_to:
        return
    ordered = layers(network)
    names = list(ordered)
    if up_to == "all":
        last = len(names) - 1
    else:
        near = [k for k, name in enumerate(names) if _is_within(name, up_to)]
        if not near:
            like = difflib.get_close_matches(up_to, names, n=1, cutoff=0.3)
            raise InputError(
                f"freeze cannot be {up_to!r}: this network has no such layer; it is all, or one of {names[0]} to "
                f"{names[-1]}{f', such as {like[0]}' if like else ''}."
            )
        last = near[-1]
    for name in names[: last + 1]:
        for parameter in ordered[name]:
            parameter.requires_grad_(False)


def _is_within(layer: str, stage: str) -> bool:
    """Is the stage's name a run of whole words of the layer's? `layers.3` is in `model.layers.3`, not `layers.30`."""
    return f".{stage}." in f".{layer}."


def keep_frozen_norms(network: nn.Module) -> None:
    """A frozen batch norm answers by the means it was frozen with, in training too."""
    for module in network.modules():
        own = list(module.parameters(recurse=False))
        if isinstance(module, _BatchNorm) and own and not any(p.requires_grad for p in own):
            module.eval()


def trainable_share(detector: nn.Module) -> str:
    """How much of a detector learns, in a sentence."""
    everything = list(detector.parameters())
    learning, total = sum(p.numel() for p in everything if p.requires_grad), sum(p.numel() for p in everything)
    return f"{learning:,} of {total:,} parameters learn ({learning / total:.2%})"


def parameter_groups(
    detector: Any, learning_rate: float, weight_decay: float = 0.0, layer_decay: float = 1.0
) -> list[dict[str, Any]]:
    """What learns, in groups for an optimiser: head and neck at `learning_rate`, each layer below times `layer_decay`.

    Biases, norms, tokens and positions are not pulled towards zero. Each group has the name of its layer.
    """
    if not 0 < layer_decay <= 1:
        raise InputError(f"layer_decay cannot be {layer_decay:g}: it is above 0 and at most 1, which leaves all alike.")
    depth = {name: k for k, name in enumerate(layers(detector.network))}
    groups: dict[tuple[str, bool], dict[str, Any]] = {}
    for name, parameter in detector.named_parameters():
        if not parameter.requires_grad:
            continue
        inside = name.startswith("network.")
        layer = layer_of(name.removeprefix("network.")) if inside else "head"
        pulled = parameter.ndim > 1 and not any(word in name for word in ("pos_embed", "position", "token"))
        below = len(depth) - depth[layer] if inside else 0
        group = groups.setdefault(
            (layer, pulled),
            {
                "params": [],
                "name": layer,
                "lr": learning_rate * layer_decay**below,
                "weight_decay": weight_decay if pulled else 0.0,
            },
        )
        group["params"].append(parameter)
    return list(groups.values())
