"""Stages, runs and grids: notebooks executed by papermill, each run a folder named by what differs.

A run's folder holds its executed notebooks, `config.yaml`, one JSON file a stage and, when all stages are done,
`result.json`. What is finished is never done again; what failed is kept with its traceback.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import math
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import yaml

from whalelib import __version__
from whalelib.config import Config, read_yaml, resolve, signature, unchanged
from whalelib.errors import InputError, needs_extra

# Each stage is one notebook; the product is what its result depends on.
STAGES: dict[str, tuple[str, str]] = {
    "eda": ("01_eda", "clips"),
    "features": ("02_features", "features"),
    "train": ("03_train", "detector"),
    "inference": ("04_inference", "scores"),
    "postprocess": ("05_postprocess", "detections"),
}
Around = Callable[[str, Mapping[str, Any], Path], contextlib.AbstractContextManager]
FOLDS = "folds.csv"  # beside the runs of a cross-validation: the held-out clips of all folds judged together
EXPERIMENT_KEYS = ("title", "question", "expectation", "base", "grid", "seeds", "stages", "metric", "matters", "note")


class StageFailed(RuntimeError):
    """A notebook's cell raised. One sentence; the traceback is in the executed notebook."""


@dataclass(frozen=True)
class Experiment:
    """An experiment file: a question, what was expected, a grid of knobs, seeds and the metric that answers it."""

    name: str
    path: Path
    title: str
    question: str
    expectation: str
    base: dict[str, Any]
    grid: dict[str, list[Any]]
    seeds: list[int]
    stages: list[str]
    metric: str
    matters: float  # the smallest difference in the metric that anyone would act on
    note: str = ""

    @property
    def folder(self) -> Path:
        return self.path.parent / self.name


@dataclass(frozen=True)
class Run:
    """One run of an experiment: its knobs in full, and its result where there is one."""

    experiment: Experiment
    case: dict[str, Any]  # the knobs of the grid, without the seed
    seed: int
    config: Config

    @property
    def label(self) -> str:
        return ",".join(f"{k}={_plain(v)}" for k, v in {**self.case, "seed": self.seed}.items())

    @property
    def folder(self) -> Path:
        return self.experiment.folder / self.label

    @property
    def result(self) -> dict[str, Any] | None:
        return _read_json(self.folder / "result.json")

    @property
    def signature(self) -> str:
        return signature(self.config, STAGES[self.experiment.stages[-1]][1])

    @property
    def fresh(self) -> bool:
        """Was the result made with the knobs that the experiment file and the defaults give now?"""
        recorded = self.folder / "config.yaml"
        product = STAGES[self.experiment.stages[-1]][1]
        return bool(self.result) and recorded.exists() and unchanged(self.config, product, read_yaml(recorded))


def home(start: str | Path | None = None) -> Path:
    """The folder that experiments, the log and the cache belong to: the nearest one above that has `experiments`."""
    start = Path(start or os.environ.get("WHALELIB_HOME") or Path.cwd()).resolve()
    return next((f for f in (start, *start.parents) if (f / "experiments").is_dir()), start)


def cache(config: Config, product: str, **also: Any) -> Path:
    """Where a product of these knobs is kept."""
    return cache_root() / f"{product}-{signature(config, product, **also)}"


def cache_root() -> Path:
    """The folder of all products: the home's `cache`, or WHALELIB_CACHE."""
    return Path(os.environ.get("WHALELIB_CACHE") or home() / "cache")


def notebook_path(stage: str) -> Path:
    """A stage's notebook: from the repository where there is one, else the copy that is installed with the package."""
    package = Path(__file__).resolve().parent
    name = f"{STAGES[stage][0]}.ipynb"
    return next(p for p in (package.parent / "notebooks" / name, package / "notebooks" / name) if p.exists())


def recipe(name: str) -> Path:
    """An experiment or knob file that comes with the package, copied into the home's experiments if it is not there."""
    path = home() / "experiments" / f"{name}.yaml"
    if not path.exists():
        installed = Path(__file__).resolve().parent / "recipes"
        for file in installed.glob("*.yaml"):  # an experiment's base is a file beside it
            if not (path.parent / file.name).exists():
                _write(path.parent / file.name, file.read_text(encoding="utf-8"))
    return path


def record(run_folder: str | Path, stage: str, config: Config, **values: Any) -> None:
    """Called by a notebook's last cell: keep the stage's figures. Without a run folder (by hand) nothing is kept."""
    if run_folder:
        about = {"stage": stage, "signature": stage_signature(config, stage), "whalelib": __version__}
        _write_json(Path(run_folder) / f"{stage}.json", {**about, "values": _jsonable(values)})


def stage_signature(config: Config, stage: str) -> str:
    """What a stage's result depends on. Other data in another folder must not be taken for done."""
    given = config.store_path or config.data_path
    plain = given and "$" not in given and "://" not in given
    place = str(Path(given).resolve()) if plain else given
    return signature(config, STAGES[stage][1], place=place)


def parse_stages(words: Sequence[str]) -> list[str]:
    """The stages named, in their order; "all" is every one."""
    if "all" in words:
        return list(STAGES)
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
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / "config.yaml", yaml.safe_dump(config.flat(), sort_keys=False))
    for stage in stages:
        notebook = STAGES[stage][0]
        done = _read_json(folder / f"{stage}.json")
        if done and done["signature"] == stage_signature(config, stage) and not again:
            continue
        (folder / f"{stage}.json").unlink(missing_ok=True)
        with around(stage, config.flat(), folder):
            _execute(notebook_path(stage), folder / f"{notebook}.ipynb", config, folder, progress)


def left_out(folder: Path, stages: Sequence[str]) -> list[str]:
    """What these stages of a run could not use, a sentence each; said again at the end, where it is read."""
    said = [(_read_json(folder / f"{stage}.json") or {}).get("values", {}).get("left_out", []) for stage in stages]
    return list(dict.fromkeys(sentence for sentences in said for sentence in sentences))


def recorded(folder: Path, stages: Sequence[str] = tuple(STAGES)) -> dict[str, Any]:
    """The figures that the notebooks of these stages have left in a run's folder."""
    said = [(_read_json(folder / f"{stage}.json") or {}).get("values", {}) for stage in stages]
    return {name: value for values in said for name, value in values.items() if name != "left_out"}


def _execute(notebook: Path, target: Path, config: Config, folder: Path, progress: bool) -> None:
    """One notebook through papermill. A failed cell leaves the notebook as far as it came, with its traceback."""
    try:
        import papermill
    except ImportError:
        raise needs_extra("papermill", "notebooks") from None
    import logging

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
            str(notebook),
            str(part),
            parameters={**values, "run_folder": str(folder.resolve())},
            kernel_name="python3",
            progress_bar=progress and os.isatty(2),
            cwd=str(home()),
            extra_arguments=["--log-level=ERROR"],  # the kernel warns that loopback is not encrypted
        )
    except papermill.PapermillExecutionError as error:
        if error.ename == "InputError":
            raise InputError(error.evalue) from None
        raise StageFailed(f"{error.ename}: {error.evalue} (in cell {error.cell_index} of {target.name})") from None
    finally:
        if part.exists():
            _tidy(part, folder, config.data_path, config.store_path)
            part.replace(target)
    print(f"  {target.stem} done in {time.perf_counter() - begin:.0f} s", flush=True)


def _tidy(notebook: Path, folder: Path, *places: str) -> None:
    """Executed notebooks are committed, so they must not carry the paths of the machine they ran on."""
    text = notebook.read_text(encoding="utf-8")
    data = [(os.path.expandvars(place), place) for place in places if "$" in place]
    machine = (folder.resolve(), folder.name), (sys.prefix, "python"), (home(), "."), (Path.home(), "~")
    for absolute, short in (*data, *machine):
        text = text.replace(json.dumps(str(absolute))[1:-1], short)
    _write(notebook, text)


def load_experiment(path: str | Path) -> Experiment:
    """Read an experiment file and check it as a whole: nothing starts before every run's knobs are known to be good."""
    path = Path(path)
    content = read_yaml(path)
    for key in content:
        if key not in EXPERIMENT_KEYS:
            raise InputError(f"{path} has an unknown key {key!r}: an experiment has {', '.join(EXPERIMENT_KEYS)}.")
    for key in ("title", "question", "expectation", "metric"):
        if not isinstance(content.get(key), str):
            raise InputError(f"{path} lacks {key!r}: an experiment says what it asks before it runs.")
    grid = content.get("grid") or {}
    if not isinstance(grid, dict) or not all(isinstance(v, list) and v for v in grid.values()):
        raise InputError(f"{path}: grid must give each knob a list of values, as in `padding: [wrap, zeros]`.")
    seeds = content.get("seeds", [0])
    if not isinstance(seeds, list) or not seeds or not all(type(s) is int for s in seeds) or len({*seeds}) < len(seeds):
        raise InputError(f"{path}: seeds must be a list of different whole numbers, as in [0, 1, 2].")
    if "seed" in grid:
        raise InputError(f"{path}: seed is not part of the grid; give the list `seeds`.")
    return Experiment(
        name=path.stem,
        path=path,
        title=content["title"],
        question=content["question"].strip(),
        expectation=content["expectation"].strip(),
        base=_base(path, content.get("base")),
        grid=grid,
        seeds=seeds,
        stages=parse_stages(content.get("stages", ["all"])),
        metric=content["metric"],
        matters=float(content.get("matters", 0.0)),
        note=str(content.get("note", "")).strip(),
    )


def _base(path: Path, base: Any) -> dict[str, Any]:
    if base is None:
        return {}
    if isinstance(base, str):
        return read_yaml(path.parent / base)
    if isinstance(base, dict):
        return base
    raise InputError(f"{path}: base must name a file of knobs beside it, or hold knobs.")


def runs(experiment: Experiment) -> list[Run]:
    """Every run of the experiment, its knobs checked. Seeds of a case stand together."""
    cases = [dict(zip(experiment.grid, v, strict=True)) for v in itertools.product(*experiment.grid.values())]
    where = str(experiment.path)
    return [
        Run(experiment, case, seed, resolve({**experiment.base, **case, "seed": seed}, where))
        for case, seed in itertools.product(cases, experiment.seeds)
    ]


def run_grid(experiment: Experiment, retry: bool = False, around: Around = unwatched) -> list[Run]:
    """Do every run that is not done. A failed run does not stop the others; it is tried again only with `retry`."""
    planned = runs(experiment)
    for number, run in enumerate(planned, 1):
        status = run.result["status"] if run.result and run.fresh else None
        if status == "done" or (status == "failed" and not retry):
            continue
        print(f"[{number}/{len(planned)}] {experiment.name}: {run.label}", flush=True)
        run_one(run, around)
    return planned


def run_one(run: Run, around: Around = unwatched) -> dict[str, Any]:
    """All stages of one run; writes and returns its result, finished or failed."""
    begin = time.perf_counter()
    stages = run.experiment.stages
    (run.folder / "result.json").unlink(missing_ok=True)
    (run.folder / "failure.txt").unlink(missing_ok=True)
    result: dict[str, Any] = {"case": run.case, "seed": run.seed, "signature": run.signature, "whalelib": __version__}
    try:
        run_stages(run.config, stages, run.folder, around=around)
        result["left_out"] = left_out(run.folder, stages)
        result["values"] = recorded(run.folder, stages)
        result["status"] = "done"
    except Exception as error:  # one broken run must not end a grid of a hundred
        _write(run.folder / "failure.txt", traceback.format_exc())  # the cell's own traceback is in its notebook
        result["status"], result["reason"] = "failed", _last_line(error)
        print(f"  failed: {result['reason']} (the traceback is in failure.txt and in the notebook)", flush=True)
    result["finished"] = datetime.now(timezone.utc).replace(microsecond=0).isoformat()
    result["seconds"] = round(time.perf_counter() - begin, 1)
    _write_json(run.folder / "result.json", result)
    return result


def _last_line(error: Exception) -> str:
    """What a failure says for itself, in one line."""
    text = str(error) if isinstance(error, (InputError, StageFailed)) else f"{type(error).__name__}: {error}"
    return " ".join(text.split())


def experiments(folder: str | Path) -> Iterator[Experiment]:
    """Every experiment file of a folder; files that hold only knobs are no experiments."""
    for path in sorted(Path(folder).glob("*.yaml")):
        if "question" in read_yaml(path):
            yield load_experiment(path)


def _plain(value: Any) -> str:
    return "+".join(map(str, value)) if isinstance(value, list) else str(value)


def _jsonable(value: Any) -> Any:
    """Plain JSON: numpy numbers become Python's, and a number that is none becomes null."""
    if isinstance(value, Mapping):
        return {str(k): _jsonable(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_jsonable(v) for v in value]
    if hasattr(value, "tolist"):
        return _jsonable(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _write_json(path: Path, content: Any) -> None:
    _write(path, json.dumps(content, indent=2, sort_keys=True) + "\n")


def _write(path: Path, text: str) -> None:
    """In one step, so that a kill leaves the old file or the new one, never half of one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.part")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def _read_json(path: Path) -> dict[str, Any] | None:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
