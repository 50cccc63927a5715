"""Runs dealt out to processes: each is one process, that ends with the one that has asked for it."""

from __future__ import annotations

import abc
import os
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent import futures
from pathlib import Path
from typing import Any

from whalelib.errors import InputError
from whalelib.experiment.cases import Case
from whalelib.experiment.executing import Around
from whalelib.experiment.files import load_experiment
from whalelib.experiment.grid import give_up, run_one
from whalelib.experiment.keeping import read_json
from whalelib.experiment.places import cache_root, home
from whalelib.experiment.planning import Run, run_of
from whalelib.experiment.standing import GRACE_SECONDS, dismiss, in_own_process

_MOST_DEATHS = 3  # of the processes of one run; then it is the run that kills them


class Pool(abc.ABC):
    """Places at which runs are done, whatever they are."""

    @abc.abstractmethod
    def width(self) -> int:
        """How many runs go on at once."""

    @abc.abstractmethod
    def start(self, order: dict[str, Any]) -> Any:
        """Have a run done; a future of its outcome, as `done_by_another` gives it."""

    @abc.abstractmethod
    def ended(self, flying: list[Any]) -> list[Any]:
        """Those of the futures that are done, after a while."""

    @abc.abstractmethod
    def outcome(self, future: Any) -> dict[str, Any]:
        """What came of it."""

    @abc.abstractmethod
    def stop(self) -> None:
        """End what still runs."""

    def results(self, due: Iterator[Run]) -> Iterator[tuple[Run, dict[str, Any]]]:
        """Take runs as there is room for them. One whose process dies goes to another place, a few times."""
        flying: dict[Any, Run] = {}
        again: list[Run] = []
        deaths: Counter[str] = Counter()
        try:
            while True:
                while len(flying) < self.width() and (run := again.pop() if again else next(due, None)):
                    flying[self.start(order(run))] = run
                if not flying:
                    return
                for future in self.ended(list(flying)):
                    run, outcome = flying.pop(future), self.outcome(future)
                    if "result" in outcome:
                        yield run, outcome["result"]
                        continue
                    deaths[run.label] += 1
                    if deaths[run.label] < _MOST_DEATHS and not outcome.get("final"):
                        print(f"  {run.label}: {outcome['died']}; it is begun again.", flush=True)
                        again.append(run)
                    else:
                        yield run, give_up(run, outcome["died"])
        finally:
            self.stop()


class Processes(Pool):
    """Several processes on this machine."""

    def __init__(self, jobs: int) -> None:
        if jobs < 1:
            raise InputError(f"jobs {jobs} would do nothing: give 1 or more.")
        self.jobs, self.stopped = jobs, threading.Event()
        self.pool = futures.ThreadPoolExecutor(jobs)
        # Each computes with its share of the cores; more threads than cores stand in each other's way.
        self.threads = str(max(1, (os.cpu_count() or 1) // jobs))

    def width(self) -> int:
        return self.jobs

    def start(self, order: dict[str, Any]) -> Any:
        order["environment"].setdefault("OMP_NUM_THREADS", os.environ.get("OMP_NUM_THREADS", self.threads))
        return self.pool.submit(done_by_another, order, self.stopped.is_set)

    def ended(self, flying: list[Any]) -> list[Any]:
        return list(futures.wait(flying, timeout=1, return_when=futures.FIRST_COMPLETED).done)

    def outcome(self, future: Any) -> dict[str, Any]:
        return future.result()

    def stop(self) -> None:
        self.stopped.set()
        self.pool.shutdown()
        dismiss()


def order(run: Run) -> dict[str, Any]:
    """All that another process must know to do a run."""
    named = {name: value for name, value in os.environ.items() if name.startswith("WHALELIB_")}
    case = {"knobs": run.case, "name": run.name, "beside": list(run.shown or ())}
    return {
        "file": str(run.experiment.path.resolve()),
        "folder": str(run.folder.resolve()),
        "case": case,
        "seed": run.seed,
        "signature": run.signature,
        "environment": {**named, "WHALELIB_HOME": str(home()), "WHALELIB_CACHE": str(cache_root())},
    }


def done_by_another(order: Mapping[str, Any], given_up: Callable[[], bool]) -> dict[str, Any]:
    """Have a run done in a process of its own, until nobody wants it any more: its result, or how the process died."""
    died = in_own_process(order, given_up)
    return {"died": died} if died else {"result": read_json(Path(order["folder"]) / "result.json")}


def ordered(order: Mapping[str, Any]) -> Run:
    """The run that an order is about."""
    case = Case(order["case"]["knobs"], order["case"]["name"], tuple(order["case"]["beside"]))
    run = run_of(load_experiment(order["file"]), case, order["seed"])
    if run.signature != order["signature"]:
        raise InputError(
            f"{order['file']} or whalelib itself is another one here than where the grid was begun: begin it again."
        )
    return run


def do(order: Mapping[str, Any], around: Callable[[Run], Around]) -> None:
    """Do the run of an order in this process, as long as its standard input is open."""
    asked = ordered(order)
    threading.Thread(target=_end_with, args=(sys.stdin,), daemon=True).start()
    run_one(asked, around(asked))


def _end_with(lifeline: Any) -> None:
    lifeline.read()
    os.kill(os.getpid(), signal.SIGINT)  # papermill takes its kernel with it
    threading.Event().wait(GRACE_SECONDS - 5)
    os._exit(1)
