"""The folder beside a store in which it is built: locked by its builder, found again after a crash, then renamed."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

LOCK = "lock"
_POLL_SECONDS = 0.2
_ABANDONED_SECONDS = 60.0  # age at which a folder that was never locked is nobody's


@contextmanager
def workplace(folder: Path, plan: str, finished: Callable[[], bool]) -> Iterator[Path | None]:
    """The folder to build `folder` in, this process's alone until the block ends.

    The same plan finds the same folder, with what an earlier builder left in it. If another process builds it now, it
    is waited for; None if `finished()` says that there is nothing left to build. What dead builders of other plans left
    is removed.
    """
    part = folder.with_name(f"{folder.name}.{plan}.part")
    if sys.platform == "win32":  # no lock that dies with its holder and lets the folder be renamed: no sharing either
        part = folder.with_name(f"{folder.name}.{plan}-{os.getpid()}.part")
    lock = None
    while lock is None and not finished():
        lock = _lock(part)
        if lock is None:
            time.sleep(_POLL_SECONDS)
    if lock is None:
        yield None
        return
    try:
        if finished():  # while we waited for the lock
            shutil.rmtree(part, ignore_errors=True)
            yield None
            return
        remove_dead(folder, but=part)
        yield part
    finally:
        os.close(lock)


def publish(part: Path, folder: Path, finished: Callable[[], bool], replace: bool = False) -> None:
    """Give a finished store its name, unless another process was faster; `replace` one that is out of date."""
    (part / LOCK).unlink(missing_ok=True)
    if folder.exists() and not any(folder.iterdir()):
        folder.rmdir()
    aside = folder.with_name(f"{folder.name}.{os.getpid()}.part")  # removed later, if this process dies in between
    try:
        if replace and folder.exists() and not finished():
            folder.rename(aside)
        part.rename(folder)
    except OSError:
        shutil.rmtree(part, ignore_errors=True)
        if not finished():
            raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def remove_dead(folder: Path, but: Path | None = None) -> list[Path]:
    """Remove the workplaces of this store whose builders are gone; returns them."""
    removed = []
    for part in sorted(folder.parent.glob(f"{_escaped(folder.name)}.*.part")):
        if part == but or not part.is_dir():
            continue
        if (part / LOCK).exists():
            lock = _lock(part, make=False)
            dead = lock is not None
        else:
            lock, dead = None, time.time() - part.stat().st_mtime > _ABANDONED_SECONDS
        if dead:
            shutil.rmtree(part, ignore_errors=True)
            removed.append(part)
        if lock is not None:
            os.close(lock)
    return removed


def _lock(part: Path, make: bool = True) -> int | None:
    """An open file that holds the lock of a workplace, or None if another process holds it."""
    try:
        if make:
            part.mkdir(parents=True, exist_ok=True)
        lock = os.open(part / LOCK, os.O_RDWR | os.O_CREAT)
    except FileNotFoundError:  # renamed or removed at this moment
        return None
    if sys.platform == "win32":
        return lock
    import fcntl

    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    except OSError:  # a file system without locks: there is one builder, or they meet when they publish
        return lock
    try:
        if os.fstat(lock).st_ino == os.stat(part / LOCK).st_ino:
            return lock
    except FileNotFoundError:
        pass
    os.close(lock)  # what was locked has been published or removed meanwhile
    return None


def _escaped(name: str) -> str:
    return "".join(f"[{c}]" if c in "*?[" else c for c in name)
