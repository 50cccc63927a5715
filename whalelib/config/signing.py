"""Signatures: which knobs decide about a product, and a hash that changes when one of them does."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from whalelib.config.page import PRODUCTS
from whalelib.config.resolving import Config, knobs

_KNOBS = {knob.name: knob for knob in knobs()}


def signature(config: Config, product: str, **also: Any) -> str:
    """Twelve hexadecimal digits that change when, and only when, something the product depends on changes.

    It hashes the resolved knobs, so a changed default changes it; workers, batch sizes at inference and paths do not.
    `also` adds what knobs cannot know, such as a fingerprint of the data.
    """
    text = json.dumps({"knobs": decisive(config, product), "also": also}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def unchanged(config: Config, product: str, recorded: Mapping[str, Any]) -> bool:
    """Would these knobs give what the recorded ones gave? One that was not there yet had, in effect, its default."""
    return all(recorded.get(name, _KNOBS[name].default) == value for name, value in decisive(config, product).items())


def decisive(config: Config, product: str) -> dict[str, Any]:
    """The knobs that decide about a product: the ocean's only where it is the source, a reader's where it is not.

    Where an earlier detector's scores have a say in what is cut, all that made them decides about the clips.
    """
    unused = "reading" if config.source == "synthetic" else "ocean"
    sections = PRODUCTS[product]
    if "data" in sections and config.hard_share:
        sections = tuple(dict.fromkeys([*sections, *PRODUCTS["scores"]]))
    alone = [section.partition(".")[2] for section in sections if "." in section]
    values = config.flat(section for section in sections if "." not in section and section != unused)
    values |= {name: getattr(config, name) for name in alone}
    return {name: value for name, value in values.items() if _KNOBS[name].signed}
