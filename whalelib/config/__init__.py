"""Every knob on one page (page.py): its name, type, unit, default and one line on what it does.

Knob names are unique across sections, so `n_mels` is at once the key in a YAML file, the parameter of a notebook, the
axis of a grid and the column of the log. A configuration is frozen; `resolve` makes one from files and overrides and
refuses what it does not know. Library functions do not take a configuration: they take plain keyword arguments, which
`section_of` hands over.
"""

from whalelib.config.files import parse_overrides, read_yaml
from whalelib.config.page import PRODUCTS, SECTIONS
from whalelib.config.resolving import Config, Knob, from_notebook, knobs, resolve, section_of
from whalelib.config.signing import decisive, signature, unchanged

__all__ = [
    "PRODUCTS",
    "SECTIONS",
    "Config",
    "Knob",
    "decisive",
    "from_notebook",
    "knobs",
    "parse_overrides",
    "read_yaml",
    "resolve",
    "section_of",
    "signature",
    "unchanged",
]
