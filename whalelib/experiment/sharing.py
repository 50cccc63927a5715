"""Work that several processes want is done by one of them: the others wait, and find it done.

The locks are the operating system's (flock), which frees a lock in the moment its holder dies; on a shared file system
the server does. Where a file system knows none, filelock falls back to files that tell whose they are.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from whalelib.experiment.keeping import read_json, write_json
from whalelib.experiment.places import cache_root

_POLL_SECONDS = 0.2


@contextlib.contextmanager
def alone(place: Path) -> Iterator[None]:
    """While the block runs, no other process that shares the cache is in such a block for the same place."""
    lock, about = _lock(place)
    with lock.acquire(poll_interval=_POLL_SECONDS):
        write_json(about, {"place": place.name, "host": socket.gethostname(), "pid": os.getpid(), "begun": time.time()})
        try:
            yield
        finally:
            about.unlink(missing_ok=True)


def holder(place: Path) -> dict[str, Any] | None:
    """Who is at work on a place now (host, pid, when begun); None if nobody is, whatever the dead have left behind."""
    import filelock

    lock, about = _lock(place)
    if not about.exists():
        return None
    try:
        with lock.acquire(timeout=0):
            about.unlink(missing_ok=True)
            return None
    except filelock.Timeout:
        return read_json(about)


def _lock(place: Path) -> tuple[Any, Path]:
    """The lock of a place and the note about its holder. They lie in the cache, not among what is kept or renamed."""
    import filelock

    where = place.resolve()
    digest = hashlib.sha256(json.dumps([str(where)]).encode()).hexdigest()[:16]
    folder = cache_root() / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    return filelock.FileLock(folder / f"{digest}.lock"), folder / f"{digest}.json"
