"""Recordings to try the page with, from the synthetic ocean; made when they are asked for."""

from __future__ import annotations

from pathlib import Path

from whalelib import synth

# Days of one small ocean that differ in who calls and in how much noise there is.
EXAMPLES = ("Example 1", "Example 2", "Example 3")


def example(folder: Path, number: int, song: bool = False) -> str:
    """The path of an example; all of them are made with the first.

    Songs are of the season that `ocean_song` makes unless told otherwise, heard at other sites than those.
    """
    if song:
        sites = 2 + len(EXAMPLES)
        recordings, _ = synth.ocean(folder / "song", ocean_days=1, ocean_sites=sites, ocean_song=True)
        return str(recordings["path"].iloc[2 + number])
    recordings, _ = synth.ocean(
        folder / "ocean", ocean_seed=7, ocean_days=len(EXAMPLES), ocean_sites=1, ocean_density=1.4
    )
    return str(recordings["path"].iloc[number])
