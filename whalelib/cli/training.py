"""Commands that train a detector and pass it on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from whalelib import config as knobs
from whalelib.cli.shared import AsJson, ConfigFile, Overrides, app, as_json, near, resolved


@app.command()
def fit(overrides: Overrides = None, config: ConfigFile = None, json: AsJson = False) -> None:
    """Train without a notebook, by several processes too. Example: torchrun --nproc-per-node 2 -m whalelib.cli fit"""
    from whalelib import stages, train

    chosen = resolved(overrides, config)
    ranks = train.processes()
    with ranks.main_process_first():
        parts = stages.split(chosen)
    fitted = stages.fit(chosen, parts, progress=False)
    if ranks.is_main_process and json:
        as_json({"best_epoch": fitted.best_epoch})
    elif ranks.is_main_process:
        typer.echo(f"Epoch {fitted.best_epoch} is kept; `whalelib run train` with the same knobs shows it.")


@app.command()
def publish(
    run: Annotated[Path, typer.Argument(help="the folder of a run, as in experiments/runs/base/plain")],
    licence: Annotated[str, typer.Option(help="under which it is passed on, as in cc-by-4.0")],
    to: Annotated[str, typer.Option(help="a repository of the hub, as someone/whales; else a folder in the run")] = "",
    detector: Annotated[bool, typer.Option("--detector", help="of a run with a transcriber, its detector")] = False,
    public: Annotated[bool, typer.Option("--public", help="may everybody see the repository?")] = False,
    json: AsJson = False,
) -> None:
    """A trained model with its card. Example: whalelib publish experiments/demo/seed=0 --licence cc-by-4.0"""
    from whalelib import card, stages

    chosen = knobs.resolve(knobs.read_yaml(run / "config.yaml"), where=str(run / "config.yaml"))
    if (run / "transcribe.json").exists() and not detector:
        model = stages.taught(chosen).transcriber
        facts = stages.transcriber_facts(chosen, stages.transcripts(chosen), run)
    else:
        parts = stages.split(chosen)
        model, facts = stages.answering(chosen, parts), stages.facts(chosen, parts, run)
    if to:
        there: str | Path = card.push(model, to, facts, licence, private=not public)
        said = f"Pushed to {there}."
    else:
        there = card.save(model, run / "published", facts, licence)
        said = f"The weights and their card are in {near(Path(there))}."
    if json:
        as_json({"published": there})
    else:
        typer.echo(said)
