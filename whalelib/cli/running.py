"""Commands that run notebooks and keep their log."""

from __future__ import annotations

from typing import Annotated

import typer

from whalelib import config as knobs
from whalelib import experiment, tracking
from whalelib.cli.shared import AsJson, ConfigFile, Overrides, app, as_json, left_out, near, resolved


@app.command()
def run(
    stage: Annotated[str, typer.Argument(help="all, or one of " + ", ".join(experiment.STAGES))],
    overrides: Overrides = None,
    config: ConfigFile = None,
    again: Annotated[bool, typer.Option("--again", help="run the stage even if it is done")] = False,
    json: AsJson = False,
) -> None:
    """Execute one stage's notebook, or all five. Example: whalelib run train n_mels=32 -c experiments/base.yaml"""
    chosen = resolved(overrides, config)
    stages = experiment.parse_stages([stage])
    name = ",".join(f"{k}={v}" for k, v in knobs.parse_overrides(overrides or []).items()) or "plain"
    folder = experiment.home() / "experiments" / "runs" / (config.stem if config else "base") / name.replace("/", "_")
    experiment.run_stages(chosen, stages, folder, again, around=tracking.notebook)
    lacking = left_out(experiment.left_out(folder, stages))
    if json:
        figures = experiment.recorded(folder, stages)
        as_json({"folder": str(folder), "stages": stages, "values": figures, "left_out": lacking})
        return
    typer.echo(f"The executed notebooks are in {near(folder)}.")


@app.command()
def demo() -> None:
    """The whole path on the synthetic ocean: five notebooks, figures, tables, a log entry. Example: whalelib demo"""
    from whalelib import demo as whole_path

    typer.echo(whole_path.run(experiment.home()))
