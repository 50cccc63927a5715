"""Files that are equal byte for byte, found without reading all of them."""

from __future__ import annotations

import hashlib
import os
from typing import Any

import pandas as pd

from whalelib.audio.systems import filesystem, is_uri, local_path
from whalelib.audio.trouble import retried

_SAMPLE_BYTES = 65536  # of the beginning and the end of a file, before all of it is compared


def byte_equal(recordings: pd.DataFrame) -> list[tuple[str, str]]:
    """Pairs of recordings whose files are byte for byte the same, each with the first of its kind.

    Only files of one size are looked into, and only those whose beginning and end agree are read as a whole. A file
    that is not there is equal to none.
    """
    alike: dict[tuple, list[tuple[str, str]]] = {}
    for name, path in zip(recordings["recording"], recordings["path"], strict=True):
        size = size_of(path)
        if size is not None:
            alike.setdefault((size,), []).append((name, path))
    for digest in (_ends, _whole):
        finer: dict[tuple, list[tuple[str, str]]] = {}
        for key, files in alike.items():
            for name, path in files if len(files) > 1 else []:
                finer.setdefault((*key, digest(path, key[0])), []).append((name, path))
        alike = finer
    return [(files[0][0], other) for files in alike.values() for other, _ in files[1:]]


def size_of(path: str) -> int | None:
    """Bytes of a file; None if it is not there (a server that does not answer is an error)."""
    if is_uri(path):
        system, place = filesystem(path)
        return int(retried(path, lambda: system.size(place)))
    try:
        return os.path.getsize(local_path(path))
    except OSError:
        return None


def _ends(path: str, size: int) -> bytes:
    with _opened(path) as file:
        begin = file.read(_SAMPLE_BYTES)
        if size > 2 * _SAMPLE_BYTES:
            file.seek(size - _SAMPLE_BYTES)
        return hashlib.sha256(begin + file.read(_SAMPLE_BYTES)).digest()


def _whole(path: str, size: int) -> bytes:
    digest = hashlib.sha256()
    if size <= 2 * _SAMPLE_BYTES:
        return b""  # its ends are all of it
    with _opened(path) as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.digest()


def _opened(path: str) -> Any:
    if is_uri(path):
        system, place = filesystem(path)
        return retried(path, lambda: system.open(place, "rb"))
    return open(local_path(path), "rb")
