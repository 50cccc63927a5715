"""Sound to listen to beside its picture."""

from __future__ import annotations

import numpy as np

from whalelib import playing


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
    from IPython.display import Audio, display

    if not keep:
        print("sound is left out of this notebook (keep_sound is false)")
        return
    made = playing.playable(sound, sample_rate, hz=playing.middle_hz(*band), onset=onset, speed=speed)
    print(made.says())
    display(Audio(data=made.wav))
