"""The short list of a configuration, read and checked as a whole: `gain`, `pink_noise p=0.5 snr=3..20`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from whalelib.augment.ranges import Setting
from whalelib.augment.registry import AUGMENTATIONS, Augmentation, Surroundings
from whalelib.errors import InputError, suggestion


@dataclass(frozen=True)
class Entry:
    """One augmentation of the list, with what was said of it."""

    cls: type[Augmentation]
    given: dict[str, Setting]

    def build(self, around: Surroundings) -> Augmentation:
        return self.cls(around, **self.given)


def parse(entries: Sequence[str]) -> list[Entry]:
    """The entries of a list, or one sentence on the first that cannot be."""
    return [_parse_one(str(text)) for text in entries]


def _parse_one(text: str) -> Entry:
    name, *settings = text.split() or [""]
    if name not in AUGMENTATIONS:
        near = suggestion(name, AUGMENTATIONS, "`whalelib augmentations` lists them all")
        raise InputError(f"there is no augmentation {name!r}{near}.")
    cls = AUGMENTATIONS[name]
    given: dict[str, Setting] = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if key not in cls.settings:
            takes = f"it takes {', '.join(cls.settings)}"
            raise InputError(f"{name} has no setting {key!r}{suggestion(key, cls.settings, takes)}.")
        if not equals or key in given:
            wrong = f"sets {key} twice" if key in given else f"gives {key} no value"
            raise InputError(f"the entry {text!r} {wrong}: write it as {key}={cls.settings[key]}.")
        try:
            given[key] = cls.settings[key].read(value)
        except InputError as error:
            raise InputError(f"{key} of the augmentation {name} cannot be {value!r}: {error}.") from None
    return Entry(cls, given)
