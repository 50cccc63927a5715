"""Runs on an mlflow server: a notebook run is one, nested under its grid. A dead server costs a warning, no run.

The run of a notebook is made where the notebook is started, and its number reaches the training inside it through the
environment (MLFLOW_RUN_ID), so that curves, knobs, figures, model and notebook lie together.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from whalelib.errors import needs_extra

_PATIENCE_SECONDS = 5.0
_AT_ONCE = 100  # what a server takes in one request
_LONGEST = 500  # characters of a parameter
_GRID = "whalelib.grid"
_RUN, _SERVER = "MLFLOW_RUN_ID", "MLFLOW_TRACKING_URI"


class TrackedRun:
    """One run on a server. After the first failure it warns and is silent from then on."""

    def __init__(
        self,
        server: str,
        experiment: str,
        name: str = "",
        *,
        parent: str = "",
        run_id: str = "",
        tags: Mapping[str, str] | None = None,
    ) -> None:
        self.server, self.id, self.alive = server, run_id, True
        self.client: Any = None
        self._carefully(self._begin, experiment, name, parent, dict(tags or {}))

    def _begin(self, experiment: str, name: str, grid: str, tags: dict[str, str]) -> None:
        self.client = _client(self.server)
        if self.id:
            return
        found = self.client.get_experiment_by_name(experiment)
        number = found.experiment_id if found else self.client.create_experiment(experiment)
        if grid:
            tags["mlflow.parentRunId"] = self._grid_run(number, grid)
        self.id = self.client.create_run(number, run_name=name, tags=tags).info.run_id

    def _grid_run(self, experiment: str, grid: str) -> str:
        """The run that a grid's runs are nested under: the one that is there, or a new one."""
        there = self.client.search_runs([experiment], f"tags.`{_GRID}` = '{grid}'", max_results=1)
        run = there[0] if there else self.client.create_run(experiment, run_name=grid, tags={_GRID: grid})
        if not there:
            self.client.set_terminated(run.info.run_id)  # it has no work of its own
        return run.info.run_id

    def knobs(self, knobs: Mapping[str, Any]) -> None:
        """Every knob, as a parameter."""
        from mlflow.entities import Param

        listed = [Param(name, str(value)[:_LONGEST]) for name, value in knobs.items()]
        for first in range(0, len(listed), _AT_ONCE):
            self._carefully(self._log, params=listed[first : first + _AT_ONCE])

    def metrics(self, values: Mapping[str, float], step: int = 0) -> None:
        """Figures at a step."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        listed = [Metric(name, float(value), now, step) for name, value in values.items()]
        if listed:
            self._carefully(self._log, metrics=listed)

    def keep(self, path: Path, place: str = "") -> None:
        """A file, or a folder with all that is in it, as an artifact."""
        self._carefully(self._upload, path, place or None)

    def end(self, status: str = "FINISHED") -> None:
        self._carefully(self._terminate, status)

    # (The client is there once the run has begun.)

    def _log(self, **what: Any) -> None:
        self.client.log_batch(self.id, **what)

    def _upload(self, path: Path, place: str | None) -> None:
        (self.client.log_artifacts if path.is_dir() else self.client.log_artifact)(self.id, str(path), place)

    def _terminate(self, status: str) -> None:
        self.client.set_terminated(self.id, status)

    def _carefully(self, call: Callable[..., None], *given: Any, **named: Any) -> None:
        if not self.alive:
            return
        try:
            call(*given, **named)
        except Exception as error:  # whatever the server or its client raises: the work is not theirs to end
            self.alive = False
            reason = " ".join(str(error).split())[:200]
            warnings.warn(f"mlflow at {self.server} does not answer ({reason}): the run is not tracked.", stacklevel=4)


def _client(server: str) -> Any:
    """mlflow's client, which would wait minutes for a server that is not there."""
    try:
        from mlflow import MlflowClient
    except ImportError:
        raise needs_extra("mlflow", "tracking") from None
    address = urlsplit(server)
    if address.scheme in ("http", "https"):
        port = address.port or (443 if address.scheme == "https" else 80)
        socket.create_connection((address.hostname or "", port), _PATIENCE_SECONDS).close()
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    return MlflowClient(tracking_uri=server)


@contextlib.contextmanager
def training(server: str, experiment: str, name: str, knobs: Mapping[str, Any]) -> Iterator[TrackedRun | None]:
    """The run that a training writes to: its notebook's, or one of its own; None where no server is named."""
    if not server:
        yield None
        return
    inherited = os.environ.get(_RUN, "") if os.environ.get(_SERVER) == server else ""
    run = TrackedRun(server, experiment, name, run_id=inherited)
    if not inherited:
        run.knobs(knobs)
    try:
        yield run
    except BaseException:
        if not inherited:
            run.end("FAILED")
        raise
    if not inherited:
        run.end()


@contextlib.contextmanager
def notebook(stage: str, knobs: Mapping[str, Any], folder: Path, grid: str = "") -> Iterator[None]:
    """Around the execution of a stage's notebook into a run's folder: a run on the server that the knobs name."""
    if not knobs["mlflow_server"]:
        yield
        return
    begun = time.time()
    name, tags = f"{folder.name}/{stage}", {"whalelib.run": folder.name, "whalelib.stage": stage}
    run = TrackedRun(knobs["mlflow_server"], knobs["mlflow_experiment"], name, parent=grid, tags=tags)
    run.knobs(knobs)
    before = {key: os.environ.get(key) for key in (_RUN, _SERVER)}
    if run.alive:
        os.environ.update({_RUN: run.id, _SERVER: run.server})
    status = "FAILED"
    try:
        yield
        status = "FINISHED"
    finally:
        for key, value in before.items():
            os.environ.pop(key, None) if value is None else os.environ.update({key: value})
        _keep_all(run, stage, folder, begun)
        run.end(status)


def _keep_all(run: TrackedRun, stage: str, folder: Path, begun: float) -> None:
    """What the notebook left in its run's folder: itself, its record, figures, tables."""
    record = folder / f"{stage}.json"
    if record.exists():
        values = json.loads(record.read_text(encoding="utf-8"))["values"]
        run.metrics({n: v for n, v in values.items() if isinstance(v, int | float) and not isinstance(v, bool)})
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        # (A file's clock may be coarser than ours.)
        if path.stat().st_mtime >= begun - 2 and not path.name.endswith(".part"):
            place = path.parent.relative_to(folder).as_posix()
            run.keep(path, "" if place == "." else place)
