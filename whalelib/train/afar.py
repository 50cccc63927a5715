"""Copies of a training in a place that outlives the session, so that another machine goes on from there.

What is copied is whole or not there: the files of a folder go first, and last a list of them with their sizes and
checksums, `NAME.json` beside the folder. A folder without its list, or other than its list says, does not count.
"""

from __future__ import annotations

import functools
import hashlib
import json
import shutil
import warnings
from pathlib import Path
from typing import Any

from whalelib.audio.systems import writable
from whalelib.audio.trouble import diagnosed, retried, shown
from whalelib.errors import InputError

FINISHED, LOGS = "finished", "logs"


class Afar:
    """A folder elsewhere (a path, s3://, gs://, hf://), of which the copies of one training are kept."""

    def __init__(self, place: str) -> None:
        self.uri = place.rstrip("/")
        self.system, self.root = _opened(self.uri)

    def whole(self) -> dict[str, dict[str, Any]]:
        """The folders that lie there in full, and their lists."""
        return retried(self.uri, self._lists)

    def _lists(self) -> dict[str, dict[str, Any]]:
        if not self.system.exists(self.root):
            return {}
        found = {}
        for path in self.system.ls(self.root, detail=False):
            name = path.rstrip("/").rpartition("/")[2]
            if name.endswith(".json"):
                try:
                    found[name[: -len(".json")]] = json.loads(self.system.cat_file(path))["files"]
                except (ValueError, KeyError, TypeError):
                    continue  # half of a list
        return found

    def put(self, folder: Path, name: str = "") -> None:
        """Copy a folder, its list last."""
        name = name or folder.name
        files = {}
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            relative = path.relative_to(folder).as_posix()
            self._put_file(path, f"{self.root}/{name}/{relative}")
            files[relative] = {"bytes": path.stat().st_size, "sha256": _checksum(path)}
        self.system.pipe_file(f"{self.root}/{name}.json", json.dumps({"files": files}).encode())

    def _put_file(self, path: Path, target: str) -> None:
        self.system.makedirs(target.rpartition("/")[0], exist_ok=True)
        self.system.put_file(str(path), target)

    def drop(self, name: str) -> None:
        """Remove a folder, its list first."""
        self.system.rm(f"{self.root}/{name}.json")
        if self.system.exists(f"{self.root}/{name}"):
            self.system.rm(f"{self.root}/{name}", recursive=True)

    def mirror(self, checkpoints: list[Path], logs: Path) -> None:
        """Have these checkpoints there and no others, and the logs. A failure costs a warning: the training goes on."""
        try:
            there = self._lists()
            for checkpoint in checkpoints:
                if checkpoint.name not in there:
                    self.put(checkpoint)
            for path in sorted(path for path in logs.rglob("*") if path.is_file()):
                self._put_file(path, f"{self.root}/{LOGS}/{path.relative_to(logs).as_posix()}")
            for name in there.keys() - {checkpoint.name for checkpoint in checkpoints} - {FINISHED}:
                self.drop(name)
        except Exception as error:
            self._warn(error)

    def finish(self, folder: Path, files: list[str]) -> None:
        """Have the finished training there, and its checkpoints no more."""
        part = folder / f"{FINISHED}.part"
        try:
            for name in files:
                source, target = folder / name, part / name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copytree(source, target) if source.is_dir() else shutil.copy2(source, target)
            self.put(part, FINISHED)
            for name in self._lists().keys() - {FINISHED}:
                self.drop(name)
        except Exception as error:
            self._warn(error)
        finally:
            shutil.rmtree(part, ignore_errors=True)

    def _warn(self, error: Exception) -> None:
        warnings.warn(
            f"nothing could be copied to {shown(self.uri)} ({diagnosed(error).reason}): the training goes on without.",
            stacklevel=3,
        )

    def fetch_finished(self, folder: Path) -> bool:
        """Bring a finished training here, its last-written file last."""
        files = self.whole().get(FINISHED)
        if files is None:
            return False
        part = self._fetched(FINISHED, files, folder / f"{FINISHED}.part")
        for path in sorted(part.iterdir(), key=lambda path: path.name == "fitted.json"):
            path.replace(folder / path.name)
        shutil.rmtree(part)
        return True

    def fetch_checkpoints(self, folder: Path) -> None:
        """Bring the checkpoints here that are whole there and missing here, oldest first."""
        there = {name: files for name, files in self.whole().items() if name.startswith("checkpoint-")}
        for name in sorted(there, key=lambda name: int(name.rpartition("-")[2])):
            if not (folder / name).exists():
                self._fetched(name, there[name], folder / f"{name}.part").replace(folder / name)

    def _fetched(self, name: str, files: dict[str, Any], part: Path) -> Path:
        shutil.rmtree(part, ignore_errors=True)
        for relative, about in files.items():
            target = part / relative
            target.parent.mkdir(parents=True, exist_ok=True)
            uri = f"{self.uri}/{name}/{relative}"
            retried(uri, functools.partial(self.system.get_file, f"{self.root}/{name}/{relative}", str(target)))
            if target.stat().st_size != about["bytes"] or _checksum(target) != about["sha256"]:
                raise InputError(f"{shown(uri)} is not what was copied there: delete {shown(self.uri)}/{name}.")
        return part


def _opened(uri: str) -> tuple[Any, str]:
    """The fsspec filesystem of a place that can be written to, and the place's path in it."""
    try:
        return writable(uri)
    except ValueError as error:
        raise InputError(f"keep_at cannot be {uri} ({error}): write a folder, or as in s3://bucket/folder.") from None


def _checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.sha256(file.read()).hexdigest()
