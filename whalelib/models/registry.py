"""The register of networks. A decorated function is a model; everything that loops over models loops over this."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor, nn

from whalelib.errors import InputError


@dataclass(frozen=True)
class Picture:
    """What a network will see: [B, channels, bands, frames] for one clip, a frame every `hop` samples.

    `sample_rate` is the one that the front end believes in; a detector with a speed plays the recording faster.
    """

    channels: int
    bands: int
    frames: int
    hop: float
    sample_rate: int

    @property
    def is_waveform(self) -> bool:
        return (self.channels, self.bands, self.hop) == (1, 1, 1)


class Backbone(nn.Module):
    """Picture [B, C, bands, frames] to embeddings [B, T, dim], one for every `stride` frames.

    Embedding t is centred on frame t * stride, and T is frames / stride, rounded up, at every clip length.
    """

    dim: int
    stride: int
    # The linear layers that make queries, keys and values, by the ends of their names: what LoRA adapts.
    attention: ClassVar[tuple[str, ...]] = ()

    def forward(self, picture: Tensor) -> Tensor:
        raise NotImplementedError

    def load(self, pretrained: str) -> None:
        """Take the weights that a file, a folder or a name on the hub holds."""
        raise InputError("this network has no published weights: leave pretrained empty, or choose another model.")


@dataclass(frozen=True)
class Entry:
    """A registered network: how it is built, what it expects, and where its published weights are."""

    name: str
    says: str
    builder: Callable[..., Backbone]
    expects: str = "picture"  # or "waveform", as the front end of that name gives it
    front_end: str = ""  # the preset that its published weights were trained on
    sample_rate: int | None = None  # and the rate, in Hz
    published: str = ""  # the weights that pretrained=default stands for
    architecture: Callable[[str], dict[str, Any]] | None = (
        None  # what a builder must know of weights, to build for them
    )

    def options(self) -> set[str]:
        """The options that its builder declares."""
        return set(inspect.signature(self.builder).parameters) - {"picture"}


_ENTRIES: dict[str, Entry] = {}
_FAMILIES: dict[str, Callable[[str], Entry]] = {}


def register(builder: Callable[..., Backbone] | None = None, **about: Any) -> Any:
    """Make a function `name(picture, ...options) -> Backbone` known under its own name; its docstring describes it.

    The options are any of width, depth and time_stride (knobs), and network (a dictionary of the model's own).
    Keyword arguments are fields of `Entry`.
    """
    if builder is None:
        return lambda function: register(function, **about)
    says = (builder.__doc__ or "").strip().splitlines()[0]
    add(Entry(builder.__name__, says, builder, **about))
    return builder


def add(entry: Entry) -> None:
    if entry.name in _ENTRIES:
        raise ValueError(f"two networks are named {entry.name!r}")
    _ENTRIES[entry.name] = entry


def register_family(prefix: str, entry_of: Callable[[str], Entry]) -> None:
    """Make every name `prefix:...` a model, listed or not."""
    _FAMILIES[prefix] = entry_of


def entries() -> list[Entry]:
    """Every registered network."""
    return list(_ENTRIES.values())


def names() -> dict[str, str]:
    """Every registered network and the first line of its description."""
    return {entry.name: entry.says for entry in _ENTRIES.values()}


def find(name: str) -> Entry:
    """A network by its name."""
    if name in _ENTRIES:
        return _ENTRIES[name]
    family, colon, rest = name.partition(":")
    if colon and family in _FAMILIES:
        return _FAMILIES[family](rest)
    near = difflib.get_close_matches(name, _ENTRIES, n=1)
    raise InputError(
        f"there is no model {name!r}{f'; did you mean {near[0]!r}?' if near else ':'} `whalelib models` lists "
        f"{', '.join(n for n in _ENTRIES if ':' not in n)}, and {', '.join(f'{f}:NAME' for f in _FAMILIES)}."
    )


def backbone(name: str, picture: Picture, **options: Any) -> Backbone:
    """A fresh backbone for such pictures. Options it does not declare are not its business, but a `network` is."""
    entry = find(name)
    if (entry.expects == "waveform") != picture.is_waveform:
        wants, gets = ("a waveform", "a picture") if entry.expects == "waveform" else ("a picture", "a waveform")
        raise InputError(f"the model {name} hears {wants}, not {gets}: change the front end, or choose another model.")
    declared = entry.options()
    if options.get("network") and "network" not in declared:
        raise InputError(f"the model {name} takes no options of its own (network): leave them out.")
    return entry.builder(picture, **{key: value for key, value in options.items() if key in declared})
