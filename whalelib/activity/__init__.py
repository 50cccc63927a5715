"""Which stretches of long, mostly empty recordings are worth looking at, and what that costs in calls."""

from whalelib.activity.cropping import crop
from whalelib.activity.levels import excess, levels, third_octaves
from whalelib.activity.stretches import active, heard_by, kept, trade

__all__ = ["active", "crop", "excess", "heard_by", "kept", "levels", "third_octaves", "trade"]
