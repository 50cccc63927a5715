"""An experiment run: every run that is not done, wherever there is a place, and what becomes of one that fails."""

from __future__ import annotations

import time
import traceback
from collections.abc import Iterator
from datetime import datetime, timezone
from statistics import fmean
from typing import Any, Protocol

from whalelib import __version__
from whalelib.errors import InputError
from whalelib.experiment import search
from whalelib.experiment.cases import Case
from whalelib.experiment.executing import Around, StageFailed, left_out, made_by, recorded, run_stages, unwatched
from whalelib.experiment.files import Experiment
from whalelib.experiment.keeping import write, write_json
from whalelib.experiment.places import STAGES
from whalelib.experiment.planning import Run, check, run_of, runs
from whalelib.experiment.sharing import alone, holder
from whalelib.experiment.watching import Progress

_MOST_DRAWS = 100  # of one trial, until its knobs can be


class Dealer(Protocol):
    """Who does the runs: this process, several of them, or a cluster."""

    def width(self) -> int:
        """How many runs go on at once."""

    def results(self, due: Iterator[Run]) -> Iterator[tuple[Run, dict[str, Any]]]:
        """Take runs as there is room for them; give each back, with its result, when it has ended."""


class Here:
    """One run after the other, in this process."""

    def __init__(self, around: Around = unwatched) -> None:
        self.around = around

    def width(self) -> int:
        return 1

    def results(self, due: Iterator[Run]) -> Iterator[tuple[Run, dict[str, Any]]]:
        for run in due:
            yield run, run_one(run, self.around)


def run_grid(
    experiment: Experiment, retry: bool = False, around: Around = unwatched, dealer: Dealer | None = None
) -> list[Run]:
    """Do every run that is not done. A failed run does not stop the others; it is tried again only with `retry`."""
    dealer = dealer or Here(around)
    progress = Progress(experiment, check(experiment), retry, dealer.width)
    progress.begin()
    for run, result in dealer.results(map(progress.started, _due(experiment, retry))):
        progress.ended(run, result)
    return runs(experiment)


def _due(experiment: Experiment, retry: bool) -> Iterator[Run]:
    """The runs that are to be done; first those that nobody else is at. Of a search, each trial when its turn comes."""
    elsewhere = []
    for run in runs(experiment):
        if holder(run.folder):
            elsewhere.append(run)
        elif not run.settled(retry):
            yield run
    yield from (run for run in elsewhere if not run.settled())
    if experiment.search:
        yield from _trials(experiment, experiment.search)


def _trials(experiment: Experiment, asked: search.Search) -> Iterator[Run]:
    """The runs of trials not drawn yet, each drawn in the light of all that have ended by then."""
    while True:
        with alone(experiment.folder / "search"):  # two who search together draw different trials
            trials = search.drawn(experiment.folder)
            if len(trials) >= asked.trials:
                return
            fresh = _draw(experiment, asked, trials)
            search.keep(experiment.folder, [*trials, fresh[0].case])
        yield from (run for run in fresh if not run.settled())


def _draw(experiment: Experiment, asked: search.Search, trials: list[dict[str, Any]]) -> list[Run]:
    """A trial that can be, a run a seed."""
    told = [(knobs, *_outcome(experiment, knobs)) for knobs in trials]
    for attempt in range(_MOST_DRAWS):
        case = Case(asked.draw(len(trials), attempt, told))
        try:
            return [run_of(experiment, case, seed) for seed in experiment.seeds]
        except InputError as error:
            refused = error
    raise InputError(f"the search draws only what cannot be, {_MOST_DRAWS} times now, the last being: {refused}")


def _outcome(experiment: Experiment, knobs: dict[str, Any]) -> tuple[float | None, bool]:
    """The mean of a trial's metric over its seeds, where there is one, and whether it is still running."""
    results = [run_of(experiment, Case(knobs), seed).result for seed in experiment.seeds]
    figures = [result.get("values", {}).get(experiment.metric) for result in results if result]
    numbers = [float(figure) for figure in figures if isinstance(figure, int | float)]
    return (fmean(numbers) if numbers else None), None in results


def run_one(run: Run, around: Around = unwatched) -> dict[str, Any]:
    """All stages of one run; writes and returns its result, finished or failed. If others do it now, theirs counts."""
    before = run.result
    with alone(run.folder):
        now = run.result
        if now and run.fresh and (now["status"] == "done" or now != before):
            return now
        return _do(run, around)


def _do(run: Run, around: Around) -> dict[str, Any]:
    begin = time.perf_counter()
    stages = run.experiment.stages
    (run.folder / "result.json").unlink(missing_ok=True)
    (run.folder / "failure.txt").unlink(missing_ok=True)
    result: dict[str, Any] = {"case": run.case, "seed": run.seed, "signature": run.signature, "whalelib": __version__}
    try:
        run_stages(run.config, stages, run.folder, around=around)
        result["left_out"] = left_out(run.folder, stages)
        result["values"] = recorded(run.folder, stages)
        result |= made_by(run.folder, stages)
        result["status"] = "done"
    except Exception as error:  # one broken run must not end a grid of a hundred
        write(run.folder / "failure.txt", traceback.format_exc())  # the cell's own traceback is in its notebook
        result |= {"status": "failed", "reason": _last_line(error), **_where(run)}
        print(f"  failed: {result['reason']} (the traceback is in failure.txt and in the notebook)", flush=True)
    return _keep(run, result, time.perf_counter() - begin)


def give_up(run: Run, reason: str) -> dict[str, Any]:
    """The result of a run whose process came to no result: it was killed, or could not begin."""
    result = {"case": run.case, "seed": run.seed, "signature": run.signature, "whalelib": __version__}
    with alone(run.folder):
        if run.result and run.settled():  # somebody else has done it since
            return run.result
        write(run.folder / "failure.txt", reason + "\n")
        return _keep(run, {**result, "status": "failed", "reason": reason, **_where(run)}, 0.0)


def _keep(run: Run, result: dict[str, Any], seconds: float) -> dict[str, Any]:
    result["finished"] = datetime.now(timezone.utc).replace(microsecond=0).isoformat()
    result["seconds"] = round(seconds, 1)
    write_json(run.folder / "result.json", result)
    return result


def _where(run: Run) -> dict[str, str]:
    """The stage that a run came to before it failed, and its notebook, if it was begun."""
    stage = next((s for s in run.experiment.stages if not (run.folder / f"{s}.json").exists()), "")
    notebook = f"{STAGES[stage][0]}.ipynb" if stage else ""
    return {"stage": stage, **({"notebook": notebook} if notebook and (run.folder / notebook).exists() else {})}


def _last_line(error: Exception) -> str:
    """What a failure says for itself, in one line."""
    text = str(error) if isinstance(error, (InputError, StageFailed)) else f"{type(error).__name__}: {error}"
    return " ".join(text.split())
