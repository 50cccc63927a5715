"""A folder that is made once, whole or not at all, and knows of which arguments it was made."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from whalelib.errors import InputError


def made_once(folder: Path, kind: str, args: dict[str, Any], write: Callable[[Path], None]) -> None:
    """Have `write` fill a draft that gets the folder's name when it is whole, unless the folder holds it already.

    `{kind}.json` in it tells the arguments; a folder that holds anything else is never touched.
    """
    if _holds(folder, kind, args):
        return
    draft = folder.absolute().parent / f".{folder.name}.{os.getpid()}.draft"
    try:
        draft.mkdir(parents=True)
        write(draft)
        (draft / f"{kind}.json").write_text(json.dumps(args, indent=2) + "\n")
        if folder.exists() and not any(folder.iterdir()):
            folder.rmdir()
        try:
            draft.rename(folder)
        except OSError:
            if not _holds(folder, kind, args):  # else another process was faster
                raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _holds(folder: Path, kind: str, args: dict[str, Any]) -> bool:
    """Whether the folder holds exactly this; an InputError if it holds something else."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return False
    one = f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"
    try:
        found = json.loads((folder / f"{kind}.json").read_text())
    except (OSError, ValueError):
        raise InputError(f"{folder} is there already and holds no {kind}: name a new or an empty folder.") from None
    for name, value in args.items():
        if found.get(name) != value:
            raise InputError(
                f"{folder} holds {one} of other arguments ({name} is {found.get(name)!r} there, {value!r} here): "
                "name another folder or delete that one."
            )
    return True
