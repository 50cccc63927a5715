"""Commands that run experiments, here or elsewhere, and tell how far they have come."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from whalelib import experiment, tracking
from whalelib.cli.shared import AsJson, app, as_json, left_out, near
from whalelib.errors import InputError

File = Annotated[Path, typer.Argument(help="an experiment file")]


@app.command()
def grid(
    file: File,
    retry: Annotated[bool, typer.Option("--retry", help="also run again what failed")] = False,
    jobs: Annotated[int, typer.Option(help="runs at once on this machine, or jobs of Slurm")] = 1,
    dask: Annotated[str, typer.Option(help="the scheduler of a Dask cluster, as tcp://10.0.0.1:8786")] = "",
    slurm: Annotated[bool, typer.Option("--slurm", help="have Slurm's jobs do the runs; docs/how-to/slurm.md")] = False,
    probe: Annotated[
        bool, typer.Option("--probe", help="only tell what it would take, from one epoch of each case")
    ] = False,
    json: AsJson = False,
) -> None:
    """Run every run of an experiment that is not done yet. Example: whalelib grid experiments/padding.yaml --jobs 2"""
    asked = experiment.load_experiment(file)
    if probe:
        _probe(asked, jobs, json)
        return
    if not dask and not slurm:  # elsewhere there may be more than here
        experiment.can_run(asked.stages)
    try:
        with _terminated_as_interrupted():
            done = experiment.run_grid(asked, retry, _around(asked.name), _dealer(jobs, dask, slurm))
    except KeyboardInterrupt:
        typer.echo(f"\nInterrupted: `whalelib grid {file}` goes on where it stopped.", err=True)
        raise typer.Exit(130) from None
    failed = [r for r in done if r.result and r.result["status"] == "failed"]
    if "validation_fold" in asked.grid:
        from whalelib import crossing

        crossing.judge_folds(asked)
    lacking = left_out(s for r in done for s in (r.result or {}).get("left_out", []))
    if json:
        runs = [dataclasses.asdict(row) for row in experiment.status(asked)]
        as_json({"folder": str(asked.folder), "runs": runs, "left_out": lacking})
    else:
        typer.echo(f"{len(done) - len(failed)} of {len(done)} runs are done; they are in {near(asked.folder)}.")
    if failed:
        typer.echo(f"{len(failed)} failed, the first being {failed[0].label}; --retry runs them again.", err=True)
        raise typer.Exit(1)


@app.command()
def status(
    file: File,
    json: AsJson = False,
) -> None:
    """How far an experiment has come, whoever runs it. Example: whalelib status experiments/padding.yaml"""
    asked = experiment.load_experiment(file)
    rows = experiment.status(asked)
    if json:
        as_json([dataclasses.asdict(row) for row in rows])
        return
    width = max([len(row.run) for row in rows], default=3)
    typer.echo(f"{'run':{width}}  {'state':8} {'minutes':>8} {asked.metric:>16}")
    for row in rows:
        minutes = "" if row.seconds is None else f"{row.seconds / 60:.1f}"
        figure = "" if row.figure is None else f"{row.figure:.4f}"
        typer.echo(f"{row.run:{width}}  {row.state:8} {minutes:>8} {figure:>16}  {row.where or row.reason}".rstrip())
    undrawn = (asked.search.trials * len(asked.seeds) - len(rows)) if asked.search else 0
    counts = [f"{n} {state}" for state in experiment.STATES if (n := sum(row.state == state for row in rows))]
    counts += [f"{undrawn} not drawn"] if undrawn else []
    width = sum(row.state == "running" for row in rows) or 1
    left = experiment.seconds_left(rows, width, undrawn)
    typer.echo(", ".join(counts) + (f"; about {experiment.duration(left)} left, {width} at a time" if left else ""))


@app.command("stand-ready", hidden=True)
def stand_ready() -> None:
    """Do runs of grids as they are ordered, each in a fork; it ends when its standard input does."""
    from whalelib.experiment import dealing, standing

    standing.stand_ready(lambda order: dealing.do(order, lambda run: _around(run.experiment.name)))


def _probe(asked: experiment.Experiment, jobs: int, json: bool) -> None:
    """Case by case what its runs will take, and all of it."""
    _dealer(jobs, "", slurm=False)  # says what is wrong with them
    trials = []
    for trial in experiment.expected(asked):
        trials.append(trial)
        each = (
            "cannot be run: " + trial.reason
            if trial.seconds is None
            else f"about {experiment.duration(trial.seconds)} each"
        )
        typer.echo(f"{trial.case}: {_runs(trial.runs)}, {each}")
    runs = sum(trial.runs for trial in trials if trial.seconds is not None)
    seconds = experiment.at_once(trials, jobs)
    if json:
        as_json({"cases": [dataclasses.asdict(trial) for trial in trials], "runs": runs, "seconds": seconds})
    elif runs:
        typer.echo(f"{_runs(runs)}, about {experiment.duration(seconds)} in all, {jobs} at a time; none was begun.")
    else:
        typer.echo("No run is left.")
    if any(trial.seconds is None for trial in trials):
        raise typer.Exit(1)


def _runs(number: int) -> str:
    return "1 run" if number == 1 else f"{number} runs"


def _around(name: str) -> experiment.Around:
    return functools.partial(tracking.notebook, grid=name)


def _dealer(jobs: int, dask: str, slurm: bool) -> Any:
    """Who does the runs; None: this process."""
    if dask and slurm:
        raise InputError("--dask and --slurm are two clusters: give one of them.")
    if dask and jobs != 1:
        raise InputError("--jobs counts runs on this machine; a Dask cluster does as many as it has workers.")
    if dask:
        from whalelib.experiment.cluster import Dask

        return Dask(dask)
    if slurm:
        from whalelib.experiment.cluster import Slurm

        return Slurm(jobs)
    if jobs == 1:
        return None
    from whalelib.experiment.dealing import Processes

    return Processes(jobs)


@contextlib.contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """What ends a job politely (SIGTERM) ends it as Ctrl-C does."""
    before = signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
