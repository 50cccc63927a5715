"""Where a configuration's recordings lie; what the library makes by itself is made where it is missing."""

from __future__ import annotations

import os

from whalelib import experiment, synth
from whalelib.config import Config
from whalelib.errors import InputError

MINIATURE = "miniature://"  # in place of a folder: the data set of this name in miniature, made in the cache


def source_folder(config: Config) -> tuple[str, list[str]]:
    """The folder or uri that the source is to read, and what must be said of it."""
    if config.source == "synthetic":
        return str(experiment.cache(config, "ocean", generator=synth.GENERATOR)), []
    if not config.data_path:
        raise InputError(f"the source {config.source!r} needs data_path: the folder that holds the recordings.")
    if not config.data_path.startswith(MINIATURE):
        return data_folder(config.data_path), []
    name = config.data_path.removeprefix(MINIATURE)
    folder = synth.miniature(name, experiment.cache_root() / f"miniature-{name}-{synth.MINIATURE_VERSION}")
    return str(folder), [
        f"{config.data_path} is no real data: its sounds are made, in the layout of {name}, so what is measured here "
        f"says nothing about that set; set data_path to where the set lies."
    ]


def data_folder(data_path: str) -> str:
    """A path or a cloud uri with its variables filled in, as in $WHALELIB_DATA/right_whale."""
    folder = os.path.expandvars(data_path)
    if "$" in folder:
        variable = folder[folder.index("$") :].split("/")[0]
        raise InputError(
            f"data_path {data_path} names {variable}, which is not set: set it to the folder of your data."
        )
    return folder
