"""What a notebook offers to be turned and heard: sliders over a picture that follows, and sound to listen to.

Run in a batch, where nobody can move anything, each draws its picture once.
"""

from whalelib.widgets.listening import listen
from whalelib.widgets.panel import Panel, Seen, control, turned
from whalelib.widgets.picturing import front_end
from whalelib.widgets.stretches import busiest, leafing
from whalelib.widgets.thresholds import deciding

__all__ = ["Panel", "Seen", "busiest", "control", "deciding", "front_end", "leafing", "listen", "turned"]
