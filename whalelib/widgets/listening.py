"""Sound to listen to beside its picture."""

from __future__ import annotations

from typing import Any

import numpy as np

from whalelib import playing
from whalelib.widgets.panel import Seen, show

LEFT_OUT = "sound is left out of this notebook (keep_sound is false)"


def listen(
    sound: np.ndarray,
    sample_rate: int,
    band: tuple[float, float],
    keep: bool = True,
    *,
    onset: float = 0.0,
    speed: int | None = None,
) -> None:
    """A player for a sound of this band (from, to, in Hz), played so much faster that its calls are heard.

    A notebook that will be passed on leaves out sound that may not be: `keep` is false.
    """
    show(Seen(**heard(sound, sample_rate, band, keep, onset=onset, speed=speed)))


def heard(
    sound: np.ndarray,
    sample_rate: int,
    band: tuple[float, float],
    keep: bool = True,
    *,
    onset: float = 0.0,
    speed: int | None = None,
) -> dict[str, Any]:
    """The words and the sound of a panel: how much faster it is played, and itself."""
    if not keep:
        return {"words": LEFT_OUT}
    made = playing.playable(sound, sample_rate, hz=playing.middle_hz(*band), onset=onset, speed=speed)
    return {"words": made.says(), "sound": made}
