"""Published weights: found in a file, a folder or on the hub, or one sentence on where they were looked for."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from whalelib.errors import InputError

_FILES = ("model.safetensors", "pytorch_model.bin")


@contextlib.contextmanager
def looked_for(what: str, model: str) -> Iterator[None]:
    """Turn whatever a loader raises into the sentence on what was looked for, and how to do without the network."""
    try:
        yield
    except ImportError as error:
        raise InputError(f"the model {model} needs {error.name}: pip install 'whalelib[train,models]'.") from None
    except InputError:
        raise
    except Exception as error:  # whatever the hub, the network, a broken file or another architecture may raise
        reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
        raise InputError(
            f"the weights {what!r} of the model {model} could not be had, neither from a local folder of that name nor "
            f"from the hub ({reason}): copy them to a folder, config.json beside model.safetensors, and set pretrained "
            "to that folder."
        ) from None


def file_in(pretrained: str) -> Path | None:
    """The file of weights that a path names, or that lies in the folder it names; None where it is no path."""
    path = Path(pretrained).expanduser()
    if path.is_file():
        return path
    return next((path / name for name in _FILES if (path / name).is_file()), None)


def read(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file or of a checkpoint; of a checkpoint nothing is executed."""
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(path)
    try:
        with torch.serialization.safe_globals(_numpy_arrays()):
            found: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch, zipfile and pickle each have their own
        reason = str(error).strip().splitlines()[0].rstrip(".")
        raise InputError(f"{path} holds no weights that can be read ({reason}): download it again.") from None
    for key in ("model", "state_dict"):
        if isinstance(found, dict) and isinstance(found.get(key), dict):
            found = found[key]
    return {name: value for name, value in found.items() if isinstance(value, Tensor)}


def _numpy_arrays() -> list[Any]:
    """What a numpy array in a checkpoint is made of: numbers only. Some checkpoints hold their sampler's state."""
    import numpy as np

    core = importlib.import_module("numpy._core.multiarray" if hasattr(np, "_core") else "numpy.core.multiarray")
    makers = [getattr(core, name) for name in ("_reconstruct", "scalar")]
    older = [(maker, f"numpy.core.multiarray.{maker.__name__}") for maker in makers]  # its name before numpy 2
    kinds = [type(np.dtype(kind)) for kind in (np.float32, np.float64, np.int32, np.int64, np.bool_)]
    return [*makers, *older, np.ndarray, np.dtype, *kinds]
