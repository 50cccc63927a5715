"""Files in buckets and on web servers, read by range requests: only the bytes that are asked for travel.

What may pass (5xx, a cut connection, no answer) is tried four times in all. A web server without range requests is read
through once, up to WHOLE_LIMIT bytes. A wav costs its header and the window, a flac also a few steps of search; an mp3
has no index, so a late window costs what lies before it.
"""

from __future__ import annotations

import io
import json
import os
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any

from whalelib.audio.systems import filesystem, scheme_of, waits_of
from whalelib.audio.trouble import retried, shown
from whalelib.errors import InputError

BLOCK = 16 * 1024  # the unit that is fetched and kept: two of the reads that a decoder makes
MOST_AT_ONCE = 4 * 1024**2  # a request's size, so that a cut connection costs little
MOST_AHEAD = 1024**2  # what is read ahead when a file is read through and nobody said how far
MOST_KEPT = 8 * 1024**2
WHOLE_LIMIT = 64 * 1024**2
_STATE = {"size", "ETag", "etag", "LastModified", "Last-Modified", "updated", "generation", "md5Hash", "created"}

# The last file that had to be fetched whole, with what its server said of it, for the next window of the same file.
_last_whole: tuple[tuple, bytes] | None = None


def open_uri(uri: str) -> RemoteFile:
    """A file elsewhere, to be read here and there."""
    system, path = filesystem(uri)
    info = retried(uri, lambda: system.info(path), waits_of(uri))
    if info.get("type") == "directory":
        raise InputError(f"{shown(uri)} is a folder, not a sound file.")
    if scheme_of(uri) in ("https", "http"):
        web = _WebFile(system, uri, info)
        return RemoteFile(uri, web.size, web.fetch)
    return RemoteFile(uri, int(info["size"]), lambda start, end: system.cat_file(path, start=start, end=end))


class RemoteFile(io.RawIOBase):
    """A file elsewhere as a decoder sees it: fetched in blocks, each of which is kept a while.

    Decoders call back from C, where an exception is printed and lost. So a read that fails gives nothing, and the
    failure is kept for `raise_failure`.
    """

    def __init__(self, uri: str, size: int, fetch: Callable[[int, int], bytes]) -> None:
        self.uri, self.size = uri, size
        self._fetch = fetch
        self._failure: BaseException | None = None
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self._at = 0
        self._wanted = self._wanted_end = 0  # how far reading will go on from here, where somebody said it
        self._after_last, self._run = 0, 0  # the block after those fetched last, and for how long it was the next

    def expect(self, count: int) -> None:
        """Say that the next `count` bytes will be read from the place of the next read, so that they come at once."""
        self._wanted, self._wanted_end = count, 0

    def raise_failure(self) -> None:
        """Raise what made a read fail, if one did."""
        if self._failure:
            raise self._failure

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        try:
            data = b"" if self._failure else self._bytes(self._at, len(view))
        except BaseException as error:  # an interrupt too would be lost in C
            self._failure = error
            data = b""
        view[: len(data)] = data
        self._at += len(data)
        return len(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = max(offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self.size}[whence], 0)
        return self._at

    def tell(self) -> int:
        return self._at

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def _bytes(self, at: int, count: int) -> bytes:
        end = min(at + count, self.size)
        if at >= end:
            return b""
        if self._wanted:
            self._wanted, self._wanted_end = 0, min(at + self._wanted, self.size)
        first, last = at // BLOCK, (end - 1) // BLOCK
        pieces = []
        for block in range(first, last + 1):
            if block not in self._blocks:
                self._fetch_blocks(block, end)
            self._blocks.move_to_end(block)
            pieces.append(self._blocks[block])
        return b"".join(pieces)[at - first * BLOCK : end - first * BLOCK]

    def _fetch_blocks(self, block: int, end: int) -> None:
        """Fetch from this block to what is asked for, to what was announced, or a little further each time."""
        self._run = self._run + 1 if block == self._after_last else 0
        start = block * BLOCK
        if self._wanted_end > start:
            end = max(end, self._wanted_end)
        else:
            # The first two steps forward are what a decoder takes that looks for its place.
            end = max(end, start + min(BLOCK << max(self._run - 1, 0), MOST_AHEAD))
        after = min(-(-end // BLOCK), block + MOST_AT_ONCE // BLOCK)
        after = next((known for known in range(block + 1, after) if known in self._blocks), after)
        data = retried(self.uri, lambda: self._whole_range(start, min(after * BLOCK, self.size)), waits_of(self.uri))
        for offset in range(0, len(data), BLOCK):
            self._blocks[block + offset // BLOCK] = data[offset : offset + BLOCK]
        self._after_last = after
        while len(self._blocks) > MOST_KEPT // BLOCK:
            self._blocks.popitem(last=False)

    def _whole_range(self, start: int, end: int) -> bytes:
        data = self._fetch(start, end)
        if len(data) != end - start:
            raise ConnectionError(f"{len(data)} bytes came of {end - start}")
        return data


class _WebFile:
    """A file on a web server, in ranges where the server gives them, and otherwise whole."""

    def __init__(self, system: Any, uri: str, info: dict[str, Any]) -> None:
        self.system, self.uri, self.promised = system, uri, info.get("size")
        self.stamp = (uri, self.promised, info.get("ETag"), info.get("Last-Modified"))
        self.whole = _last_whole[1] if _last_whole and _last_whole[0] == self.stamp else None
        if self.whole is None and (self.promised is None or not info.get("partial", True)):
            self.whole = self._fetch_whole()
        self.size = int(self.promised or 0) if self.whole is None else len(self.whole)
        if self.whole is None:
            # "none" is a cache that keeps nothing and fetches exactly what is read.
            self.file = system.open(uri, size=self.size, block_size=BLOCK, cache_type="none")

    def fetch(self, start: int, end: int) -> bytes:
        if self.whole is None:
            try:
                self.file.seek(start)
                return self.file.read(end - start)
            except ValueError as error:  # the server sent the whole file, and fsspec stopped reading it
                if "range" not in str(error):
                    raise
            self.whole = self._fetch_whole()
        return self.whole[start:end]

    def _fetch_whole(self) -> bytes:
        global _last_whole
        if self.promised is not None and self.promised > WHOLE_LIMIT:
            raise self._too_large(f"{self.promised:,} bytes")
        data = retried(self.uri, lambda: self._read_through(self.promised))
        if any(self.stamp[2:]):
            _last_whole = self.stamp, data
        return data

    def _read_through(self, size: int | None) -> bytes:
        data = bytearray()
        with self.system.open(self.uri, block_size=0, size=size) as stream:
            while part := stream.read(1024**2):
                data += part
                if len(data) > WHOLE_LIMIT:
                    raise self._too_large("more bytes")
        if size is not None and len(data) != size:
            raise ConnectionError(f"{len(data)} bytes came of {size}")
        return bytes(data)

    def _too_large(self, has: str) -> InputError:
        return InputError(
            f"{shown(self.uri)} is on a server that gives files only whole, and this one has {has}, where up to "
            f"{WHOLE_LIMIT:,} bytes are read so: download it and use the copy."
        )


def parts(uri: str) -> Iterator[bytes]:
    """A whole large file, in the order of its bytes."""
    with open_uri(uri) as raw:
        while part := raw.read(MOST_AT_ONCE):
            yield part
        raw.raise_failure()


def version(uri: str) -> str:
    """What tells that a file was changed, without fetching it: its size, and whatever its server says of its state."""
    system, path = filesystem(uri)
    info = retried(uri, lambda: system.info(path), waits_of(uri))
    return json.dumps([[name, str(info[name])] for name in sorted(_STATE & info.keys())])


def fetch(uri: str) -> bytes:
    """A whole small file, such as a table of annotations."""
    system, place = filesystem(uri)
    return retried(uri, lambda: system.cat_file(place), waits_of(uri))
