"""How far an experiment has come: a row a run, whoever runs it, and an estimate of what is left."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from whalelib.experiment.cases import plain
from whalelib.experiment.files import Experiment
from whalelib.experiment.planning import Run, runs
from whalelib.experiment.sharing import holder

STATES = ("done", "failed", "running", "waiting", "stale")


@dataclass(frozen=True)
class Row:
    """What is known of one run now."""

    run: str
    case: str
    state: str  # stale: its result was made with other knobs than those of now
    seconds: float | None  # that it took, or has taken so far
    figure: float | None  # its metric
    where: str = ""  # host and process, while it runs
    reason: str = ""  # why it failed


def status(experiment: Experiment) -> list[Row]:
    """Every run of an experiment as it stands, also while other processes or machines are at it."""
    return [_row(run) for run in runs(experiment)]


def _row(run: Run) -> Row:
    at_work = holder(run.folder)
    if at_work:
        elapsed = max(0.0, time.time() - at_work["begun"])
        return Row(run.label, _case(run), "running", elapsed, None, f"{at_work['host']}:{at_work['pid']}")
    result = run.result
    if not result:
        return Row(run.label, _case(run), "waiting", None, None)
    state = str(result["status"]) if run.fresh else "stale"
    return Row(run.label, _case(run), state, _seconds(result), _figure(run, result), "", str(result.get("reason", "")))


def _case(run: Run) -> str:
    return f"{run.name} {plain(run.case)}"


def _seconds(result: dict[str, Any]) -> float:
    return float(result["seconds"])


def _figure(run: Run, result: dict[str, Any]) -> float | None:
    figure = result.get("values", {}).get(run.experiment.metric)
    return float(figure) if isinstance(figure, int | float) else None


def seconds_left(rows: Sequence[Row], width: int, undrawn: int = 0) -> float | None:
    """About how long the rest will take; None while no run has finished from which to tell.

    A run takes as long as those of its case that are done, or as all that are; `undrawn` trials take as long as these.
    """
    took: dict[str, list[float]] = {}
    for row in rows:
        if row.state == "done" and row.seconds is not None:
            took.setdefault(row.case, []).append(row.seconds)
    if not took:
        return None
    usual = fmean(seconds for case in took.values() for seconds in case)
    rest = [usual] * undrawn
    for row in rows:
        if row.state in ("waiting", "running", "stale"):
            needs = fmean(took.get(row.case, [usual]))
            rest.append(max(0.0, needs - (row.seconds or 0.0)) if row.state == "running" else needs)
    return side_by_side(rest, width)


def side_by_side(seconds: Sequence[float], width: int) -> float:
    """How long runs take that take so many seconds each, so many at once."""
    return max(sum(seconds) / max(1, width), max(seconds, default=0.0))


def duration(seconds: float) -> str:
    """A length of time as one says it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


class Progress:
    """Lines on what begins, what ends, and when the rest will be done. It keeps its own count and reads no folders."""

    def __init__(self, experiment: Experiment, planned: Iterable[Run], retry: bool, width: Callable[[], int]) -> None:
        self.experiment, self.width, self.count = experiment, width, 0
        self.rows: dict[str, Row] = {}
        self.begun: dict[str, float] = {}
        for run in planned:
            row = _row(run)
            again = row.state == "stale" or (row.state == "failed" and retry)
            self.rows[run.label] = Row(row.run, row.case, "waiting", None, None) if again else row
        asked = experiment.search
        self.total = asked.trials * len(experiment.seeds) if asked else len(self.rows)

    def begin(self) -> None:
        done = sum(row.state in ("done", "failed") for row in self.rows.values())
        self.count = done
        if done < self.total:
            unknown = "how long they take is known when the first is done"
            print(f"{self.experiment.name}: {self._left(unknown)}.", flush=True)

    def started(self, run: Run) -> Run:
        self.count += 1
        self.rows[run.label] = Row(run.label, _case(run), "running", 0.0, None)
        self.begun[run.label] = time.time()
        print(f"[{min(self.count, self.total)}/{self.total}] {self.experiment.name}: {run.label}", flush=True)
        return run

    def ended(self, run: Run, result: dict[str, Any]) -> None:
        figure = _figure(run, result)
        self.rows[run.label] = Row(run.label, _case(run), str(result["status"]), _seconds(result), figure)
        said = f"{result['status']} after {duration(_seconds(result))}"
        if figure is not None:
            said += f", {self.experiment.metric} {figure:.3f}"
        print(f"  {run.label}: {said}; {self._left('nobody knows how long')}.", flush=True)

    def _left(self, unknown: str) -> str:
        now = time.time()
        rows = [
            Row(row.run, row.case, row.state, now - self.begun.get(row.run, now), None)
            if row.state == "running"
            else row
            for row in self.rows.values()
        ]
        left = self.total - sum(row.state in ("done", "failed") for row in rows)
        if not left:
            return "none left"
        seconds = seconds_left(rows, self.width(), self.total - len(rows))
        return f"{left} of {self.total} runs left, {unknown if seconds is None else 'about ' + duration(seconds)}"
