"""A finished store copied to and from a bucket, the hub, or any other place that fsspec knows."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from whalelib.audio.systems import waits_of, writable
from whalelib.audio.trouble import diagnosed, insisted, login_of
from whalelib.clips import shards
from whalelib.clips.store import ABOUT, files_of, open_store, read_about
from whalelib.errors import InputError


def upload(
    folder: str | Path, uri: str, *, opened: Callable[..., Any] = open_store, progress: bool = True
) -> list[str]:
    """Copy a finished store to s3://, gs://, hf:// or any other place that fsspec knows; returns what lies there then.

    The store is checked before; store.json goes last, so that a copy that broke off is not taken for a store; sizes are
    compared after. `opened` opens a store of another kind than clips.
    """
    store = opened(folder, full_check=True)
    system, root = _place(uri)
    names = [one["file"] for one in files_of(store.about)]
    there = []
    try:
        _tried(uri, system.makedirs, root, exist_ok=True)
        for name in tqdm([*names, ABOUT], "uploading", leave=False, disable=None if progress else True):
            _tried(uri, system.put_file, str(store.folder / name), f"{root}/{name}")
            if _tried(uri, system.size, f"{root}/{name}") != (store.folder / name).stat().st_size:
                raise OSError(f"{name} did not arrive whole")
            there.append(f"{uri.rstrip('/')}/{name}")
    except Exception as error:  # each client has its own
        trouble = diagnosed(error)
        mend = login_of(uri) if trouble.kind == "forbidden" else "check the place and the connection"
        raise InputError(f"{store.folder} could not be copied to {uri} ({trouble.reason}): {mend}.") from None
    return there


def fetch(
    uri: str,
    folder: str | Path,
    *,
    opened: Callable[..., Any] = open_store,
    about_of: Callable[[Path], dict[str, Any]] = read_about,
    progress: bool = True,
) -> Any:
    """Copy a store from where `upload` has put it into a folder here, and open it.

    The folder appears when all of it is there and agrees with its checksums. A copy that broke off lies beside it and
    is gone on with: files that have arrived whole are not fetched again. `opened` and `about_of` belong to the
    kind of store.
    """
    folder = Path(folder)
    if folder.exists() and any(folder.iterdir()):
        raise InputError(f"{folder} is there already: name a new or an empty folder.")
    system, root = _place(uri)
    part = folder.with_name(f"{folder.name}.part")
    try:
        part.mkdir(parents=True, exist_ok=True)
        (part / ABOUT).unlink(missing_ok=True)  # another store may lie there by now
        _tried(uri, system.get_file, f"{root}/{ABOUT}", str(part / ABOUT))
        wanted = files_of(about_of(part))
        for one in tqdm(wanted, "fetching", leave=False, disable=None if progress else True):
            target = part / one["file"]
            if not _is(target, one):
                _tried(uri, system.get_file, f"{root}/{one['file']}", str(target))
                if not _is(target, one):
                    raise OSError(f"{one['file']} did not arrive whole")
    except InputError:  # what has arrived is a store of another format
        raise
    except Exception as error:  # each client has its own
        trouble = diagnosed(error)
        if trouble.kind == "missing":
            shutil.rmtree(part, ignore_errors=True)
            raise InputError(f"{uri} holds no finished clip store ({trouble.reason}): check the place.") from None
        mend = login_of(uri) if trouble.kind == "forbidden" else "run it again to go on"
        raise InputError(f"{uri} could not be copied to {folder} ({trouble.reason}): {mend}.") from None
    for stray in set(part.iterdir()) - {part / one["file"] for one in wanted} - {part / ABOUT}:
        stray.unlink()  # of another store that was fetched here before
    if folder.exists():
        folder.rmdir()
    part.rename(folder)
    return opened(folder)


def _is(path: Path, about: dict[str, Any]) -> bool:
    """Has this file arrived as it was sent?"""
    return path.exists() and path.stat().st_size == about["bytes"] and shards.checksum(path) == about["sha256"]


def _tried(uri: str, do: Callable[..., Any], *args: Any, **also: Any) -> Any:
    """What a call to a file system returns; tried again while its trouble may pass."""
    return insisted(lambda: do(*args, **also), waits_of(uri))


def _place(uri: str) -> tuple[Any, str]:
    """The file system of a uri and the folder in it."""
    try:
        return writable(str(uri).rstrip("/"))
    except ValueError as error:
        raise InputError(f"{uri} is no place to copy to ({error}): write it as in s3://bucket/folder.") from None
