"""The one error a user may cause: a single sentence that says what, where, and how to mend it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """Something given to whalelib (a file, a table, a knob) cannot be used as it is."""


def needs_extra(package: str, extra: str) -> InputError:
    """The sentence for an optional package that is not installed."""
    return InputError(f"{package} is not installed: install it with `pip install 'whalelib[{extra}]'`.")


def suggestion(name: object, known: Iterable[str], otherwise: str) -> str:
    """What a sentence on an unknown name ends with: the nearest one that there is, or where they are listed."""
    near = difflib.get_close_matches(str(name), list(known), n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else f"; {otherwise}"
