"""The synthetic ocean as a source; it is made where it is missing, then read as any other data set would be."""

from __future__ import annotations

from pathlib import Path

from whalelib import synth
from whalelib.errors import InputError
from whalelib.sources.registry import Survey, register


@register(
    needs="nothing: it is made where it is missing",
    origin="made by this library from a seed",
)
def synthetic(
    folder: Path | str,
    ocean_seed: int = 0,
    ocean_days: int = 20,
    ocean_sites: int = 2,
    ocean_minutes: float = 1.5,
    ocean_rate: int = 2000,
    ocean_density: float = 1.0,
    ocean_song: bool = False,
) -> Survey:
    """The embedded synthetic ocean: five species, two moorings, known truth. Needs nothing; made in seconds."""
    if isinstance(folder, str):
        raise InputError(f"{folder} is not on this machine: the synthetic ocean is made in a folder here.")
    recordings, events = synth.ocean(
        folder,
        ocean_seed=ocean_seed,
        ocean_days=ocean_days,
        ocean_sites=ocean_sites,
        ocean_minutes=ocean_minutes,
        ocean_rate=ocean_rate,
        ocean_density=ocean_density,
        ocean_song=ocean_song,
    )
    return Survey(recordings, events, exhaustive=True, noise=synth.noises(folder))
