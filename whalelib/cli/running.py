"""Commands that run notebooks and keep their log."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Annotated

import typer

from whalelib import config as knobs
from whalelib import experiment, tracking
from whalelib.cli.shared import ConfigFile, Overrides, app, near, resolved


@app.command()
def run(
    stage: Annotated[str, typer.Argument(help="all, or one of " + ", ".join(experiment.STAGES))],
    overrides: Overrides = None,
    config: ConfigFile = None,
    again: Annotated[bool, typer.Option("--again", help="run the stage even if it is done")] = False,
) -> None:
    """Execute one stage's notebook, or all five. Example: whalelib run train n_mels=32 -c experiments/base.yaml"""
    chosen = resolved(overrides, config)
    stages = experiment.parse_stages([stage])
    name = ",".join(f"{k}={v}" for k, v in knobs.parse_overrides(overrides or []).items()) or "plain"
    folder = experiment.home() / "experiments" / "runs" / (config.stem if config else "base") / name.replace("/", "_")
    experiment.run_stages(chosen, stages, folder, again, around=tracking.notebook)
    for sentence in experiment.left_out(folder, stages):
        typer.secho(f"left out: {sentence}", err=True, fg=typer.colors.YELLOW)
    typer.echo(f"The executed notebooks are in {near(folder)}.")


@app.command()
def grid(
    file: Annotated[Path, typer.Argument(help="an experiment file")],
    retry: Annotated[bool, typer.Option("--retry", help="also run again what failed")] = False,
) -> None:
    """Run every run of an experiment that is not done yet. Example: whalelib grid experiments/padding.yaml"""
    asked = experiment.load_experiment(file)
    done = experiment.run_grid(asked, retry, functools.partial(tracking.notebook, grid=asked.name))
    failed = [r for r in done if r.result and r.result["status"] == "failed"]
    if "validation_fold" in asked.grid:
        from whalelib import crossing

        crossing.judge_folds(asked)
    typer.echo(f"{len(done) - len(failed)} of {len(done)} runs are done; they are in {near(asked.folder)}.")
    for sentence in dict.fromkeys(s for r in done for s in (r.result or {}).get("left_out", [])):
        typer.secho(f"left out: {sentence}", err=True, fg=typer.colors.YELLOW)
    if failed:
        typer.echo(f"{len(failed)} failed, the first being {failed[0].label}; --retry runs them again.", err=True)
        raise typer.Exit(1)


@app.command()
def demo() -> None:
    """The whole path on the synthetic ocean: five notebooks, figures, tables, a log entry. Example: whalelib demo"""
    from whalelib import demo as whole_path

    typer.echo(whole_path.run(experiment.home()))
