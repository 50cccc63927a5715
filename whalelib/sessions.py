"""Notebook sessions in the cloud end by themselves: what one made is kept where the next one finds it.

Colab forgets all but Google Drive. Kaggle keeps `/kaggle/working` as the output of a version; where that output is an
input of the next one, the work goes on from it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

HOME = "WHALELIB_HOME"  # the variable that names the home of experiments and cache
KEPT = ("cache", "experiments")  # the two folders of a home; the second makes it one


def begin(root: str | Path = "/") -> None:
    """Point WHALELIB_HOME at a folder that outlives this session, and say which. Elsewhere than in the cloud: nothing.

    Nothing, too, where a home is chosen already: by the variable, or because the working folder is one. `root` is the
    root of all paths.
    """
    if os.environ.get(HOME) or (Path.cwd() / KEPT[-1]).is_dir():
        return
    root = Path(root)
    if "COLAB_RELEASE_TAG" in os.environ:
        home = on_drive(root / "content" / "drive", mount_drive)
    elif "KAGGLE_KERNEL_RUN_TYPE" in os.environ:
        home = root / "kaggle" / "working"
        bring_back(root / "kaggle" / "input", home)
    else:
        return
    if home:
        (home / KEPT[-1]).mkdir(parents=True, exist_ok=True)
        os.environ[HOME] = str(home)
        print(f"Results and checkpoints are kept in {home}: after a session's end, run all cells again.")
    else:
        print("Drive is not mounted: what is made here ends with the session. Run this cell again to mount it.")


def on_drive(mount_point: Path, mount: Callable[[str], object]) -> Path | None:
    """The folder for whalelib on Google Drive, mounted if it is not; None where that is refused or cannot be asked."""
    if not (mount_point / "MyDrive").is_dir():
        try:
            mount(str(mount_point))
        except Exception as error:  # Colab raises what it likes: a refusal, no browser to ask in, a time-out
            print(f"Drive cannot be mounted: {error}")
            return None
    return mount_point / "MyDrive" / "whalelib"


def mount_drive(mount_point: str) -> None:
    """Colab's own way, which asks in the browser."""
    from google.colab import drive

    drive.mount(mount_point)


def bring_back(inputs: Path, home: Path) -> None:
    """What an earlier session left, given to this one as its input, becomes this one's own. Whole or not at all."""
    if (home / KEPT[-1]).exists():
        return
    places = [place for pattern in ("*", "*/*/*") for place in sorted(inputs.glob(pattern))]
    homes = [place for place in places if all((place / name).is_dir() for name in KEPT)]
    for earlier in sorted(homes, key=lambda home: home.stat().st_mtime)[-1:]:
        print(f"what an earlier session left in {earlier} is gone on with")
        for name in [name for name in KEPT if not (home / name).exists()]:
            part = home / f".{name}.part"
            shutil.rmtree(part, ignore_errors=True)
            shutil.copytree(earlier / name, part)
            part.rename(home / name)
