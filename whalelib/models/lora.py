"""LoRA by peft: low-rank changes of the layers that make queries, keys and values, saved alone or merged."""

from __future__ import annotations

import copy
import hashlib
import json
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from whalelib.errors import InputError

_WEIGHTS, _ABOUT = "adapter.safetensors", "adapter.json"
_OFF = {"lora_rank": 0}


def insert(network: nn.Module, attention: tuple[str, ...], rank: int, alpha: float, dropout: float) -> None:
    """Put LoRA on the attention of a network, in place; its own weights are frozen by that."""
    targets = [
        name
        for name, module in network.named_modules()
        if isinstance(module, nn.Linear) and name.rsplit(".", 1)[-1] in attention
    ]
    if not targets:
        raise InputError(
            "lora_rank is set, but this network has no attention to put LoRA on: choose a transformer, or set "
            "lora_rank to 0."
        )
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError:
        raise InputError("LoRA needs peft: pip install 'whalelib[train,models]'.") from None
    config = LoraConfig(
        r=rank,
        lora_alpha=alpha,  # type: ignore[arg-type]  # any number does
        lora_dropout=dropout,
        target_modules=targets,
    )
    inject_adapter_in_model(config, network)


def merged(detector: Any) -> Any:
    """A copy of a detector with its LoRA added into the weights: the same answers, and nothing of peft in it."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    whole = copy.deepcopy(detector)
    for one in (whole, *whole.others):
        for name, module in list(one.network.named_modules()):
            if isinstance(module, BaseTunerLayer):
                module.merge(safe_merge=True)
                parent, _, child = name.rpartition(".")
                setattr(one.network.get_submodule(parent), child, module.get_base_layer())
        one.options.update(_OFF)
    return whole


def save_adapter(detector: Any, folder: str | Path) -> None:
    """What has been learnt, without the frozen weights below it: LoRA, head, and whatever else was let learn."""
    from safetensors.torch import save_file

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    _, learnt = _parts(detector)
    save_file(learnt, folder / _WEIGHTS)
    about = {"options": detector.options, "base": _fingerprint(detector)}
    (folder / _ABOUT).write_text(json.dumps(about, indent=2))


def load_adapter(folder: str | Path, detector: Any) -> None:
    """Put an adapter that was saved alone into a detector with the same frozen weights and the same options."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    folder = Path(folder)
    try:
        about = json.loads((folder / _ABOUT).read_text())
        learnt = load_file(folder / _WEIGHTS)
    except (OSError, ValueError, SafetensorError) as error:
        raise InputError(f"{folder} holds no whole adapter ({error}): save it again.") from None
    if about["options"] != detector.options:
        differing = sorted(k for k in about["options"] if about["options"][k] != detector.options.get(k))
        raise InputError(
            f"the adapter in {folder} is of a detector with another {', '.join(differing)}: build the detector with "
            f"the options that {folder / _ABOUT} lists."
        )
    if about["base"] != _fingerprint(detector):
        raise InputError(
            f"the adapter in {folder} was learnt on other frozen weights than this detector has: build the detector "
            "from the same pretrained weights, or seed, as then."
        )
    own = detector.state_dict()
    detector.load_state_dict({**own, **learnt})


def _parts(detector: Any) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """A detector's tensors, the frozen ones and the others. Means of a norm go with the norm."""
    frozen = {name for name, parameter in detector.named_parameters() if not parameter.requires_grad}
    norms = {name.rpartition(".")[0] for name in frozen}
    tensors = detector.state_dict()
    still = {
        name: tensor
        for name, tensor in tensors.items()
        if name in frozen or (name.rsplit(".", 1)[-1] in _MEANS and name.rpartition(".")[0] in norms)
    }
    return still, {name: tensor for name, tensor in tensors.items() if name not in still}


_MEANS = ("running_mean", "running_var", "num_batches_tracked")


def _fingerprint(detector: Any) -> str:
    digest = hashlib.sha256()
    for name, tensor in sorted(_parts(detector)[0].items()):
        digest.update(name.encode() + tensor.float().cpu().numpy().tobytes())
    return digest.hexdigest()[:12]
