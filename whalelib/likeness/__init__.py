"""Which recordings are there twice: files that are equal, and sound that is alike although the files differ."""

from whalelib.likeness.fingerprints import Anchors, fingerprint
from whalelib.likeness.pairing import candidates
from whalelib.likeness.same_files import byte_equal
from whalelib.likeness.same_sound import correlation
from whalelib.likeness.search import VERSION, Copies, near_equal, usual_channels

__all__ = [
    "VERSION",
    "Anchors",
    "Copies",
    "byte_equal",
    "candidates",
    "correlation",
    "fingerprint",
    "near_equal",
    "usual_channels",
]
