"""Experiment files: a question, and every run that answers it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from whalelib.config import read_yaml
from whalelib.errors import InputError
from whalelib.experiment import search
from whalelib.experiment.cases import Case, written_out
from whalelib.experiment.executing import parse_stages

EXPERIMENT_KEYS = (
    "title", "question", "expectation", "base", "cases", "grid", "search", "seeds", "stages", "metric", "beside",
    "matters", "note", "local",
)  # fmt: skip


@dataclass(frozen=True)
class Experiment:
    """An experiment file: a question, what was expected, the cases to compare, seeds and the metric that answers it."""

    name: str
    path: Path
    title: str
    question: str
    expectation: str
    base: dict[str, Any]
    grid: dict[str, Any]  # as it is written; the cases are what it amounts to
    cases: list[Case]  # of a search none: its trials are drawn one after the other
    seeds: list[int]
    stages: list[str]
    metric: str
    matters: float  # the smallest difference in the metric that anyone would act on
    beside: tuple[str, ...] = ()  # other values that the log shows, because the question asks for them, too
    note: str = ""
    local: bool = False  # its results stay on the machine they were made on, and out of the common log
    search: search.Search | None = None

    @property
    def folder(self) -> Path:
        return self.path.parent / self.name


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
    where, base, grid = str(path), _base(path, content.get("base")), content.get("grid") or {}
    seeds = content.get("seeds", [0])
    if not isinstance(seeds, list) or not seeds or not all(type(s) is int for s in seeds) or len({*seeds}) < len(seeds):
        raise InputError(f"{path}: seeds must be a list of different whole numbers, as in [0, 1, 2].")
    searched = search.parse(where, content["search"]) if content.get("search") else None
    if searched and (grid or content.get("cases")):
        raise InputError(f"{path}: a search draws its cases itself: leave out grid and cases, or the search.")
    cases = [] if searched else written_out(where, content.get("cases"), grid, base)
    if any("seed" in knobs for knobs in (searched.ranges if searched else {}, *(case.knobs for case in cases))):
        raise InputError(f"{path}: seed is not part of the grid; give the list `seeds`.")
    matters = content.get("matters", 0.0)
    if type(matters) not in (int, float) or matters < 0:
        raise InputError(f"{path}: matters must be a number, the smallest difference that anyone would act on.")
    beside = content.get("beside", [])
    if not isinstance(beside, list) or not all(isinstance(name, str) for name in beside):
        raise InputError(f"{path}: beside must be a list of values to show beside the metric, as in [train_seconds].")
    stages = content.get("stages", ["all"])
    if not isinstance(stages, list) or not stages:
        raise InputError(f"{path}: stages must be a list, as in [train, inference].")
    return Experiment(
        name=path.stem,
        path=path,
        title=content["title"],
        question=content["question"].strip(),
        expectation=content["expectation"].strip(),
        base=base,
        grid=grid,
        cases=cases,
        seeds=seeds,
        stages=parse_stages(stages),
        metric=content["metric"],
        beside=tuple(beside),
        matters=float(matters),
        note=str(content.get("note", "")).strip(),
        local=bool(content.get("local", False)),
        search=searched,
    )


def _base(path: Path, base: Any) -> dict[str, Any]:
    if base is None:
        return {}
    if isinstance(base, str):
        return read_yaml(path.parent / base)
    if isinstance(base, dict):
        return base
    if isinstance(base, list):  # the later over the earlier
        return {name: value for part in base for name, value in _base(path, part or {}).items()}
    raise InputError(f"{path}: base must name a file of knobs beside it, hold knobs, or be a list of both.")


def experiments(folder: str | Path) -> Iterator[Experiment]:
    """Every experiment file of a folder; files that hold only knobs are no experiments."""
    for path in sorted(Path(folder).glob("*.yaml")):
        if "question" in read_yaml(path):
            yield load_experiment(path)
