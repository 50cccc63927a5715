"""Where things lie: the home with its experiments, the cache of products, the notebooks of the stages."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

from whalelib.config import Config, signature
from whalelib.experiment.keeping import write

_LONGEST = 150  # characters of a folder's name; systems take 255 bytes, and a path has other parts, too
# Each stage is one notebook; the product is what its result depends on.
STAGES: dict[str, tuple[str, str]] = {
    "eda": ("01_eda", "clips"),
    "features": ("02_features", "features"),
    "train": ("03_train", "detector"),
    "inference": ("04_inference", "scores"),
    "postprocess": ("05_postprocess", "detections"),
    "transcripts": ("06_transcripts", "transcripts"),
    "transcribe": ("07_transcribe", "transcription"),
}
PATH = tuple(STAGES)[:5]  # the way from recordings to detections; transcription is another one
FOLDS = "folds.csv"  # beside the runs of a cross-validation: the held-out clips of all folds judged together


def home(start: str | Path | None = None) -> Path:
    """The folder that experiments, the log and the cache belong to: the nearest one above that has `experiments`."""
    start = Path(start or os.environ.get("WHALELIB_HOME") or Path.cwd()).resolve()
    return next((f for f in (start, *start.parents) if (f / "experiments").is_dir()), start)


def enter_home() -> None:
    """Work in the home, as runs do: a relative path among the knobs then means the same in a notebook used by hand."""
    os.chdir(home())


def folder_name(name: str, end: str = "") -> str:
    """A name that every file system takes: a long one is cut and told from its like by its digest; its end stays."""
    name = name.replace("/", "_")
    if len(name) <= _LONGEST:
        return name
    return f"{name[: _LONGEST - 30]}~{hashlib.sha256(name.encode()).hexdigest()[:8]}{end}"


def cache(config: Config, product: str, **also: Any) -> Path:
    """Where a product of these knobs is kept."""
    return cache_root() / f"{product}-{signature(config, product, **also)}"


def cache_root() -> Path:
    """The folder of all products: the home's `cache`, or WHALELIB_CACHE."""
    return Path(os.environ.get("WHALELIB_CACHE") or home() / "cache")


def notebook_path(stage: str) -> Path:
    """A stage's notebook: the home's own where it has one, else the repository's, else the copy that is installed."""
    package = Path(__file__).resolve().parents[1]
    name = f"{STAGES[stage][0]}.ipynb"
    return next(path for above in (home(), package.parent, package) if (path := above / "notebooks" / name).exists())


def notebooks() -> Path:
    """The home's own folder of notebooks, with a copy of each that it does not have yet."""
    folder, package = home() / "notebooks", Path(__file__).resolve().parents[1]
    installed = next(path for above in (package.parent, package) if (path := above / "notebooks").is_dir())
    for file in sorted(installed.glob("*.ipynb")):
        if not (folder / file.name).exists():
            write(folder / file.name, file.read_text(encoding="utf-8"))
    return folder


def recipe(name: str) -> Path:
    """An experiment or knob file that comes with the package, copied into the home's experiments if it is not there."""
    path = home() / "experiments" / f"{name}.yaml"
    if not path.exists():
        installed = Path(__file__).resolve().parents[1] / "recipes"
        for file in installed.glob("*.yaml"):  # an experiment's base is a file beside it
            if not (path.parent / file.name).exists():
                write(path.parent / file.name, file.read_text(encoding="utf-8"))
    return path
