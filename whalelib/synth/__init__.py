"""The synthetic ocean: recordings and events with known truth, the data set that comes with the library.

Whales of five kinds call from random ranges into an ocean full of other sounds: wind, ships, rain, air guns, a knocking
mooring and a humming recorder. Sounds are made in micropascal, so that levels can be compared with the literature:
"dB" is dB re 1 uPa, and a spectrum's level is dB re 1 uPa^2/Hz.

One file a step, each knowing only those named before it: `waves`, `whole`, `calls` and `noise`, `propagation`,
`recording`, `song`, `folder`; then `songs`, a forest in the same manner, and `miniatures`, both in the layouts of
published sets.
"""

from whalelib.synth.calls import (
    SPECIES,
    Species,
    Unit,
    dcall,
    fin_pulse,
    humpback_unit,
    pulse_train,
    unit_type,
    upcall,
)
from whalelib.synth.folder import GENERATOR, noises, ocean
from whalelib.synth.miniatures import MINIATURE_VERSION, MINIATURES, miniature
from whalelib.synth.noise import airgun, ambient_noise, knock, rain, recorder_hum, ship
from whalelib.synth.propagation import GAP_SECONDS
from whalelib.synth.recording import BURIED_BELOW_DB, POSSIBLE_BELOW_DB
from whalelib.synth.song import UNITS, repertoire
from whalelib.synth.waves import energy_box, in_band_rms

__all__ = [
    "BURIED_BELOW_DB",
    "GAP_SECONDS",
    "GENERATOR",
    "MINIATURES",
    "MINIATURE_VERSION",
    "POSSIBLE_BELOW_DB",
    "SPECIES",
    "UNITS",
    "Species",
    "Unit",
    "airgun",
    "ambient_noise",
    "dcall",
    "energy_box",
    "fin_pulse",
    "humpback_unit",
    "in_band_rms",
    "knock",
    "miniature",
    "noises",
    "ocean",
    "pulse_train",
    "rain",
    "recorder_hum",
    "repertoire",
    "ship",
    "unit_type",
    "upcall",
]
