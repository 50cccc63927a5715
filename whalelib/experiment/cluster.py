"""Runs dealt out to the workers of a Dask cluster, which may be the jobs of Slurm. All of them share the home's folder.

A worker does as many runs at once as it has threads, each in a process of its own; a worker that dies costs no run, for
the scheduler gives what it did to another.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import CancelledError
from typing import Any

from whalelib.errors import InputError, needs_extra
from whalelib.experiment.dealing import Pool, done_by_another
from whalelib.experiment.planning import Run

_ANSWER_SECONDS = 20.0


class Dask(Pool):
    """The workers of the scheduler at an address, such as tcp://10.0.0.1:8786."""

    def __init__(self, address: Any) -> None:
        try:
            import distributed
        except ImportError:
            raise needs_extra("distributed", "cluster") from None
        try:
            self.client = distributed.Client(address, timeout=_ANSWER_SECONDS, set_as_default=False)
        except (OSError, ValueError) as error:
            raise InputError(
                f"no Dask scheduler answers at {address} ({error}): start one by `dask scheduler`."
            ) from None
        self.numbers = itertools.count()
        self.warned = False

    def width(self) -> int:
        return max(1, sum(self.client.nthreads().values()) if self._alive() else 1)

    def start(self, order: dict[str, Any]) -> Any:
        self._alive()
        key = f"whalelib-{os.getpid()}-{next(self.numbers)}"
        return self.client.submit(on_worker, order, key=key, pure=False)

    def ended(self, flying: list[Any]) -> list[Any]:
        from distributed import wait

        self._alive()
        with contextlib.suppress(TimeoutError, CancelledError), self.client.as_current():
            wait(flying, timeout=1, return_when="FIRST_COMPLETED")
        if not self.client.nthreads() and not self.warned:
            self.warned = True
            print("  no worker is there; waiting for one (`dask worker ADDRESS`).", flush=True)
        return [future for future in flying if future.done()]

    def outcome(self, future: Any) -> dict[str, Any]:
        """A worker that died under a run again and again, or cannot load whalelib, is a way to die, too."""
        if future.status == "finished":
            return future.result()
        error = future.exception() if future.status == "error" else "the scheduler has forgotten it"
        final = type(error).__name__ == "KilledWorker"
        return {"died": " ".join(f"{type(error).__name__}: {error}".split()), "final": final}

    def stop(self) -> None:
        self.client.close()  # nobody wants what was submitted any more, and workers end it

    def _alive(self) -> bool:
        if self.client.status not in ("running", "connecting"):
            raise InputError(
                "the Dask scheduler is gone; what is done is kept, and the same command goes on with the rest."
            )
        return self.client.status == "running"


class Slurm(Dask):
    """Jobs of Slurm, each a worker that does one run at a time.

    What a job asks for (queue, account, memory, walltime, job-cpu) stands in the section jobqueue.slurm of Dask's
    configuration, as for everything else that dask-jobqueue starts.
    """

    def __init__(self, jobs: int) -> None:
        try:
            import dask
            from dask_jobqueue import SLURMCluster
        except ImportError:
            raise needs_extra("dask-jobqueue", "cluster") from None
        known = dask.config.get("jobqueue.slurm", {})
        given: Any = {
            "cores": 1,  # threads of a worker, so that it does one run at a time
            "processes": 1,
            "job_cpu": known.get("job-cpu") or known.get("cores") or 1,
            "memory": known.get("memory") or "8GB",
            "python": sys.executable,
        }
        self.cluster = SLURMCluster(**given)
        self.cluster.scale(jobs=jobs)
        super().__init__(self.cluster)

    def results(self, due: Iterator[Run]) -> Iterator[tuple[Run, dict[str, Any]]]:
        """As many jobs as were asked for, as long as there are runs."""
        try:
            yield from super().results(due)
        finally:
            self.cluster.close()


def on_worker(order: Mapping[str, Any]) -> dict[str, Any]:
    """On a worker: a run in a process of its own, unless nobody wants it any more."""
    from distributed import get_worker

    worker = get_worker()
    key = worker.get_current_task()
    cores = int(os.environ.get("SLURM_CPUS_PER_TASK") or 0)
    threads = {"OMP_NUM_THREADS": str(max(1, cores // worker.state.nthreads))} if cores else {}

    def given_up() -> bool:
        task = worker.state.tasks.get(key)
        return task is None or task.state not in ("executing", "long-running")

    return done_by_another({**order, "environment": {**order["environment"], **threads}}, given_up)
