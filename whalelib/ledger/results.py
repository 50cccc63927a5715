"""What the runs of an experiment left, by case: a case is what is compared, its seeds and folds repeat it."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from whalelib.config import knobs, read_yaml
from whalelib.experiment import STAGES, Run
from whalelib.ledger.statistics import Seeds

FOLD = "validation_fold"
DEFAULTS = {knob.name: knob.default for knob in knobs()}


@dataclass(frozen=True)
class Case:
    """The finished runs of one case, all made with the same knobs but for the seed and the fold."""

    name: str
    runs: list[Run]
    left_out: list[Run]  # made with other knobs than those, so that a mean over both would be of nothing
    made_with: str  # "" where these are the knobs of now, else what tells them from other such sets

    @property
    def stale(self) -> bool:
        return bool(self.made_with)

    def of(self, name: str) -> dict[Seeds, float]:
        """The runs' values of a metric, by seed, or by seed and fold; runs that have not measured it are not in it."""
        return {key(run): measured[name] for run in self.runs if name in (measured := values(run))}

    def mean_of(self, name: str) -> float | None:
        found = list(self.of(name).values())
        return sum(found) / len(found) if found else None

    @property
    def minutes(self) -> float:
        return sum(float(result(run).get("seconds", 0.0)) for run in self.runs) / len(self.runs) / 60


def cases(done: Sequence[Run]) -> list[Case]:
    """The finished runs by case, in the order of the experiment file."""
    by_name: dict[str, list[Run]] = {}
    for run in done:
        by_name.setdefault(case_name(run), []).append(run)
    return [_case(name, of_case) for name, of_case in by_name.items()]


def _case(name: str, of_case: list[Run]) -> Case:
    made_with = {run.label: _made_with(run) for run in of_case}
    newest = max(of_case, key=lambda run: (finished(run), run.label))
    chosen = "" if "" in made_with.values() else made_with[newest.label]
    kept = [run for run in of_case if made_with[run.label] == chosen]
    return Case(name, kept, [run for run in of_case if run not in kept], chosen)


def _made_with(run: Run) -> str:
    """Empty if the run's knobs are those of now; else its recorded ones, less those in which its case differs."""
    if run.fresh:
        return ""
    path = run.folder / "config.yaml"
    recorded = read_yaml(path) if path.exists() else {}
    return json.dumps({k: v for k, v in recorded.items() if k != "seed" and k not in run.case}, sort_keys=True)


def case_name(run: Run) -> str:
    """What is compared. The folds of a cross-validation are no cases: they repeat one, as seeds do."""
    shown = getattr(run, "shown", None)  # of a case with a name, the knobs that are varied besides
    knobs = run.case if shown is None else shown
    parts = [*filter(None, [getattr(run, "name", "")]), *(f"{k} {plain(v)}" for k, v in knobs.items() if k != FOLD)]
    return ", ".join(parts) or "as given"


def key(run: Run) -> Seeds:
    """What a run of one case has in common with its like of another."""
    return (run.seed, int(run.case[FOLD])) if FOLD in run.case else (run.seed,)


def held_out(runs: Sequence[Run]) -> float:
    """The share of clips that each run of a cross-validation is measured on; 0 where there are no folds."""
    return next((1 / run.config.n_folds for run in runs if FOLD in run.case and run.config.n_folds > 1), 0.0)


def result(run: Run) -> dict[str, Any]:
    """What was kept of a run; nothing where it has not run."""
    return run.result or {}


def finished(run: Run) -> str:
    """When a run ended, as it recorded it: no file's time is asked, so the log is the same everywhere."""
    return str(result(run).get("finished", ""))


def values(run: Run) -> dict[str, float]:
    measured: Mapping[str, Any] = result(run).get("values") or {}
    return {name: v for name, v in measured.items() if isinstance(v, (int, float)) and not isinstance(v, bool)}


def unlike_defaults(given: Mapping[str, Any], varied: Collection[str]) -> dict[str, Any]:
    """The knobs of a run or a base that differ from the defaults, but for the seed and those that are varied."""
    return {k: v for k, v in given.items() if k != "seed" and k not in varied and v != DEFAULTS.get(k)}


def varied(planned: Sequence[Run]) -> dict[str, list[Any]]:
    """The knobs in which an experiment's cases differ, each with its values in the order of the file."""
    found: dict[str, list[Any]] = {}
    for run in planned:
        for name, value in run.case.items():
            if value not in found.setdefault(name, []):
                found[name].append(value)
    return found


def notebook(run: Run) -> Path:
    """The notebook that says most of a run: that of its last stage, or of the one it failed in; else its folder."""
    names = [STAGES[stage][0] for stage in run.experiment.stages]
    there = [run.folder / f"{name}.ipynb" for name in names if (run.folder / f"{name}.ipynb").exists()]
    return there[-1] if there else run.folder


def plain(value: Any) -> str:
    """A knob's value as it is written in an experiment file."""
    if isinstance(value, list):
        return f"[{', '.join(map(plain, value))}]"
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "none"}[value]
    return f"{value:g}" if isinstance(value, float) else str(value) or "empty"
