"""Knobs where they are written down: YAML files, words of the form knob=value, and the description of a store."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from whalelib.errors import InputError

_OF_EVERY_STORE = ("sample_rate", "clip_seconds", "padding", "clip_from")  # what a clip store tells whoever has made it


def read_yaml(path: str | Path) -> dict[str, Any]:
    """The mapping a YAML file holds, or one sentence on why it holds none."""
    import yaml

    path = Path(path)
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=_unique_loader())
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): check the name.") from None
    except (yaml.YAMLError, ValueError, TypeError) as error:
        raise InputError(f"{path} is no valid YAML ({' '.join(str(error).split())}).") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise InputError(f"{path} holds no mapping: write lines of the form `knob: value`.")
    return content


def _unique_loader() -> type:
    """PyYAML's safe loader, but a key written twice is an error instead of a silent override, and 3e-3 is a number.

    (YAML 1.1 takes 3e-3 for text, because it wants a dot; nobody who types it does.)
    """
    import re

    import yaml

    class Loader(yaml.SafeLoader):
        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
            seen = set()
            for key, _ in node.value:
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(None, None, f"{key.value!r} is given twice", key.start_mark)
                seen.add(key.value)
            return super().construct_mapping(node, deep)

    number = re.compile(r"^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$")
    Loader.add_implicit_resolver("tag:yaml.org,2002:float", number, list("-+0123456789"))
    return Loader


def parse_overrides(words: Iterable[str]) -> dict[str, Any]:
    """`["n_mels=32", "padding=wrap"]` as knobs and values, each value read as YAML reads it."""
    import yaml

    values: dict[str, Any] = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals:
            raise InputError(f"{word!r} is no override: write knob=value, for example n_mels=32.")
        try:
            values[name.strip()] = yaml.load(text, Loader=_unique_loader())
        except (yaml.YAMLError, ValueError, TypeError):
            raise InputError(f"{word!r} has a value that cannot be read: quote it.") from None
    return values


def read_store_knobs(store_path: str) -> tuple[str, dict[str, Any]]:
    """Which product a store holds, clips or transcripts, and the knobs it was made with, as its store.json tells."""
    folder = Path(os.path.expandvars(store_path)).expanduser()
    if "://" in store_path:
        raise InputError(
            f"store_path {store_path} lies elsewhere, and a store is read from a folder here: fetch it first with "
            f"`whalelib store fetch {store_path} FOLDER`."
        )
    try:
        about = json.loads((folder / "store.json").read_text(encoding="utf-8"))
        if str(about["format"]).startswith("transcripts"):
            return "transcripts", dict(about["made_from"])
        return "clips", {**{name: about[name] for name in _OF_EVERY_STORE}, **about["made_from"]}
    except OSError:
        raise InputError(
            f"store_path {store_path} holds no finished store (no store.json is there): build one where the recordings "
            "are (`whalelib store build`; with --transcripts for notebook 07), or `whalelib store fetch` it from where "
            "it was uploaded to."
        ) from None
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{folder / 'store.json'} does not say with which knobs it was made: make it again.") from None
