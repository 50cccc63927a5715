"""What a grid will take, before it begins: each case is tried with one epoch, and what that made is thrown away.

Clips that are cut for a trial stay: the runs need them as they are.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from whalelib.config import PRODUCTS, resolve, signature
from whalelib.errors import InputError
from whalelib.experiment.executing import StageFailed, recorded, run_stages
from whalelib.experiment.files import Experiment
from whalelib.experiment.places import cache_root
from whalelib.experiment.planning import Run, check
from whalelib.experiment.watching import side_by_side


@dataclass(frozen=True)
class Expected:
    """What the runs of a case that are not done will take."""

    case: str
    runs: int
    seconds: float | None  # of each; None: it cannot be run
    reason: str = ""  # why it cannot


def expected(experiment: Experiment) -> Iterator[Expected]:
    """Case after case, what its runs will take: as long as those that are done, or else as a trial of one epoch tells.

    A trial counts whole, with one more training for each epoch that it lacks. It is rather too long than too short, for
    the first of the cases that share clips also cuts them.
    """
    if experiment.search:
        raise InputError(f"{experiment.path}: a search draws its cases one by one, and tells as it goes what is left.")
    cases: dict[str, list[Run]] = {}
    for run in check(experiment):
        cases.setdefault(run.told or "as given", []).append(run)
    for case, runs in cases.items():
        due = [run for run in runs if not run.settled()]
        took = [
            run.result["seconds"] for run in runs if run.settled() and run.result and run.result["status"] == "done"
        ]
        if due and took:
            yield Expected(case, len(due), fmean(took))
        elif due:
            yield _tried(case, due)


def at_once(trials: list[Expected], width: int) -> float:
    """Seconds that all of it takes, so many runs at once."""
    each = [trial.seconds for trial in trials for _ in range(trial.runs) if trial.seconds is not None]
    return side_by_side(each, width)


def _tried(case: str, due: list[Run]) -> Expected:
    run, stages = due[0], due[0].experiment.stages
    short = resolve({**run.config.flat(), "epochs": 1}, "a trial")
    made = {name for name in PRODUCTS if signature(short, name) != signature(run.config, name)}
    before = _products(made)
    cache_root().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache_root(), prefix="trial-") as scratch:
        begin = time.perf_counter()
        try:
            run_stages(short, stages, Path(scratch))
        except (InputError, StageFailed) as error:
            return Expected(case, len(due), None, str(error))
        finally:
            for product in _products(made) - before:
                shutil.rmtree(product, ignore_errors=True)
        took = time.perf_counter() - begin
        learnt = sum(recorded(Path(scratch), [stage]).get("train_seconds", 0.0) for stage in stages)
    return Expected(case, len(due), took + learnt * (run.config.epochs - 1))


def _products(names: set[str]) -> set[Path]:
    """What is cached of these products now."""
    return {path for path in cache_root().glob("*-*") if path.name.rpartition("-")[0] in names}
