"""Sound files, here or in a bucket: find, probe, read a window, stream in bounded memory, resample, pad.

Nothing here reads a whole recording. Samples are float32 in [-1, 1], one channel at a time. Wherever a path is taken, a
uri is taken as well (s3://, gs://, https://, http://, file://, memory://), as text; see `whalelib.audio.systems`
for credentials and `whalelib.audio.remote` for what is fetched.
"""

from whalelib.audio.files import Block, Channel, Probe, probe, read, stream
from whalelib.audio.listing import SOUND_ENDINGS, Listing, list_files
from whalelib.audio.padding import PADDINGS, pad
from whalelib.audio.remote import fetch, parts, version
from whalelib.audio.systems import is_uri

__all__ = [
    "PADDINGS",
    "SOUND_ENDINGS",
    "Block",
    "Channel",
    "Listing",
    "Probe",
    "fetch",
    "is_uri",
    "list_files",
    "pad",
    "parts",
    "probe",
    "read",
    "stream",
    "version",
]
