"""Data sets: each source is one small file that turns a folder into a `Survey`. `load` finds it by name."""

from whalelib.sources import (  # noqa: F401  (importing a source registers it)
    audacity,
    birdclef,
    class_folder,
    clip_folder,
    dclde2013,
    hub,
    noaa_log,
    raven,
    rfcx,
    synthetic,
)
from whalelib.sources.registry import Entry, Survey, load, names, register

__all__ = ["Entry", "Survey", "load", "names", "register"]
