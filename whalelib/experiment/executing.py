"""Stages: notebooks executed by papermill into the folder of a run; what is finished is never done again."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from whalelib import __version__, provenance
from whalelib.config import Config, signature
from whalelib.errors import InputError
from whalelib.experiment.keeping import jsonable, read_json, write, write_json
from whalelib.experiment.places import PATH, STAGES, home, notebook_path

Around = Callable[[str, Mapping[str, Any], Path], contextlib.AbstractContextManager]


class StageFailed(RuntimeError):
    """A notebook's cell raised. One sentence; the traceback is in the executed notebook."""


def parse_stages(words: Sequence[str]) -> list[str]:
    """The stages named, in their order; "all" is the way from recordings to detections."""
    if "all" in words:
        return list(PATH)
    for word in words:
        if word not in STAGES:
            raise InputError(f"there is no stage {word!r}: it is one of all, {', '.join(STAGES)}.")
    return [stage for stage in STAGES if stage in words]


def unwatched(stage: str, knobs: Mapping[str, Any], folder: Path) -> contextlib.AbstractContextManager:
    """What is entered around each notebook's execution, where nobody watches: nothing."""
    return contextlib.nullcontext()


def run_stages(
    config: Config,
    stages: Sequence[str],
    folder: Path,
    again: bool = False,
    progress: bool = True,
    around: Around = unwatched,
) -> None:
    """Execute the notebooks of these stages into `folder`; a stage finished with the same signature is skipped.

    `around(stage, knobs, folder)` is entered around each execution: there a tracking server is told of it, of which
    this room knows nothing.
    """
    can_run(stages)
    keep_knobs(config, folder)
    for stage in stages:
        notebook = STAGES[stage][0]
        done = read_json(folder / f"{stage}.json")
        if done and done["signature"] == stage_signature(config, stage) and not again:
            continue
        (folder / f"{stage}.json").unlink(missing_ok=True)
        with around(stage, config.flat(), folder):
            _execute(stage, folder / f"{notebook}.ipynb", config, folder, progress)


def can_run(stages: Sequence[str]) -> None:
    """Raise, before anything starts, where packages are not installed without which these notebooks stop half-way."""
    wanted = {"papermill": "notebooks", "ipykernel": "notebooks", "torch": "train", "datasets": "train"}
    lacking = [package for package in wanted if stages and importlib.util.find_spec(package) is None]
    if lacking:
        extras = ",".join(dict.fromkeys(wanted[package] for package in lacking))
        are = "is" if len(lacking) == 1 else "are"
        raise InputError(
            f"{' and '.join(lacking)} {are} not installed: install what notebooks need with "
            f"`pip install 'whalelib[{extras}]'`."
        )


def keep_knobs(config: Config, folder: Path) -> None:
    """Write the knobs into a run's folder, so that it can be taken for a detector: `whalelib scan FOLDER ...`."""
    folder.mkdir(parents=True, exist_ok=True)
    write(folder / "config.yaml", yaml.safe_dump(config.flat(), sort_keys=False))


def record(run_folder: str | Path, stage: str, config: Config, **values: Any) -> None:
    """Called by a notebook's last cell: keep the stage's figures. Without a run folder (by hand) nothing is kept."""
    if run_folder:
        about: dict[str, Any] = {"stage": stage, "signature": stage_signature(config, stage), "whalelib": __version__}
        about |= {"code": provenance.behind(stage), "versions": provenance.versions()}
        write_json(Path(run_folder) / f"{stage}.json", {**about, "values": jsonable(values)})


def stage_signature(config: Config, stage: str) -> str:
    """What a stage's result depends on. Other data in another folder must not be taken for done."""
    given = config.speech_path or config.store_path or config.data_path
    plain = given and "$" not in given and "://" not in given
    place = str(Path(given).resolve()) if plain else given
    return signature(config, STAGES[stage][1], place=place)


def left_out(folder: Path, stages: Sequence[str]) -> list[str]:
    """What these stages of a run could not use, a sentence each; said again at the end, where it is read."""
    said = [(read_json(folder / f"{stage}.json") or {}).get("values", {}).get("left_out", []) for stage in stages]
    return list(dict.fromkeys(sentence for sentences in said for sentence in sentences))


def recorded(folder: Path, stages: Sequence[str] = PATH) -> dict[str, Any]:
    """The figures that the notebooks of these stages have left in a run's folder; by default those of detection."""
    said = [(read_json(folder / f"{stage}.json") or {}).get("values", {}) for stage in stages]
    return {name: value for values in said for name, value in values.items() if name != "left_out"}


def made_by(folder: Path, stages: Sequence[str]) -> dict[str, Any]:
    """The code and the libraries behind these stages of a run, where all of them have recorded it."""
    said = [read_json(folder / f"{stage}.json") or {} for stage in stages]
    code = provenance.together([of_stage.get("code") for of_stage in said])
    return {"code": code, "versions": said[-1].get("versions", {})} if code else {}


def _execute(stage: str, target: Path, config: Config, folder: Path, progress: bool) -> None:
    """One notebook through papermill. A failed cell leaves the notebook as far as it came, with its traceback."""
    import logging

    import papermill

    # Threads that wait by spinning make two runs on one machine ten times slower than one; asleep they cost nothing.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # The knobs were checked before; papermill would warn of every one that the notebook does not show by name.
    logging.getLogger("papermill").setLevel(logging.ERROR)
    print(f"  {target.stem} ...", flush=True)
    begin = time.perf_counter()
    part = target.with_name(f"{target.stem}.part.ipynb")
    values = {k: v for k, v in config.flat().items() if v is not None}
    try:
        papermill.execute_notebook(
            str(notebook_path(stage)),
            str(part),
            parameters={**values, "run_folder": str(folder.resolve())},
            kernel_name="python3",
            progress_bar=progress and os.isatty(2),
            cwd=str(home()),
            # The kernel warns that loopback is not encrypted, and after Ctrl-C that nobody listens any more.
            extra_arguments=["--log-level=CRITICAL"],
        )
    except papermill.PapermillExecutionError as error:
        if error.ename == "InputError":
            raise InputError(error.evalue) from None
        raise StageFailed(f"{error.ename}: {error.evalue} (in cell {error.cell_index} of {target.name})") from None
    finally:
        recorded = folder / f"{stage}.json"
        for left in (part, recorded):
            if left.exists():
                _tidy(left, folder, config.data_path, config.store_path)
        if part.exists():
            part.replace(target)
    print(f"  {target.stem} done in {time.perf_counter() - begin:.0f} s", flush=True)


def _tidy(left: Path, folder: Path, *places: str) -> None:
    """What runs leave is committed, so it must not carry the paths of the machine they ran on."""
    text = left.read_text(encoding="utf-8")
    data = [(os.path.expandvars(place), place) for place in places if "$" in place]
    machine = (folder.resolve(), folder.name), (sys.prefix, "python"), (home(), "."), (Path.home(), "~")
    for absolute, short in (*data, *machine):
        place = str(absolute)
        if os.path.isabs(place) and len(Path(place).parts) > 1:  # anything shorter also stands in other words
            text = text.replace(json.dumps(place)[1:-1], short)
    write(left, text)
