"""Commands that run notebooks and keep their log."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Annotated

import typer

from whalelib import config as knobs
from whalelib import experiment, tracking
from whalelib.cli.shared import AsJson, ConfigFile, Overrides, app, as_json, left_out, near, resolved
from whalelib.errors import InputError


@app.command()
def run(
    stage: Annotated[str, typer.Argument(help="all, or one of " + ", ".join(experiment.STAGES))],
    overrides: Overrides = None,
    config: ConfigFile = None,
    again: Annotated[bool, typer.Option("--again", help="run the stage even if it is done")] = False,
    name: Annotated[str, typer.Option(help="the folder's name; else what is set here, or plain")] = "",
    json: AsJson = False,
) -> None:
    """Execute one stage's notebook, or all five. Example: whalelib run train n_mels=32 -c experiments/base.yaml

    The executed notebooks and what they make lie in experiments/runs/FILE/NAME, where FILE is that of -c, or base. A
    stage that is done already, with the same knobs, is not run again.
    """
    chosen = resolved(overrides, config)
    stages = experiment.parse_stages([stage])
    if lacks := experiment.lacking_places(chosen):
        raise InputError(lacks[0])
    what_is_set = ",".join(f"{knob}={value}" for knob, value in knobs.parse_overrides(overrides or []).items())
    called = experiment.folder_name(name or what_is_set or "plain")
    folder = experiment.home() / "experiments" / "runs" / (config.stem if config else "base") / called
    experiment.run_stages(chosen, stages, folder, again, around=tracking.notebook)
    lacking = left_out(experiment.left_out(folder, stages))
    if json:
        figures = experiment.recorded(folder, stages)
        as_json({"folder": str(folder), "stages": stages, "values": figures, "left_out": lacking})
        return
    typer.echo(f"The executed notebooks are in {near(folder)}.")
    same = [*(overrides or []), *(["-c", str(config)] if config else []), *(["--name", name] if name else [])]
    if said := _next(stages[-1], shlex.quote(near(folder)), same):
        typer.echo(said)


def _next(done: str, folder: str, same: Sequence[str]) -> str:
    """What to do when this stage is done; `same` are the words behind the stage, as they were given."""
    if done == "transcribe":
        return f"Next: `whalelib transcribe {folder} RECORDINGS --out told`."
    if done not in experiment.PATH:
        return ""
    following = [s for s in experiment.PATH[experiment.PATH.index(done) + 1 :] if s != "features"]  # only to be seen
    if following:
        return f"Next: `{shlex.join(['whalelib', 'run', following[0], *same])}`."
    return f"Next: `whalelib scan {folder} RECORDINGS --out found` hears others, `whalelib app {folder}` shows them."


@app.command()
def demo() -> None:
    """The whole path on the synthetic ocean: five notebooks, figures, tables, a log entry. Example: whalelib demo"""
    from whalelib import demo as whole_path

    typer.echo(whole_path.run(experiment.home()))
