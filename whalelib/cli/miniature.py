"""The command that makes a published data set in miniature."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from whalelib.cli.shared import AsJson, app, as_json, near


@app.command()
def miniature(
    name: Annotated[str, typer.Argument(help="the data set: dclde2013, rfcx or birdclef")],
    folder: Annotated[Path, typer.Argument(help="a new folder")],
    seed: Annotated[int, typer.Option(help="another seed gives other sounds", min=0)] = 0,
    json: AsJson = False,
) -> None:
    """A data set's layout with made sounds in it. Example: whalelib miniature dclde2013 ~/miniature"""
    from whalelib import synth

    made = synth.miniature(name, folder, seed)
    if json:
        as_json({"folder": made, "source": name})
        return
    typer.echo(f"{near(made)} is laid out as {name} is: source={name} reads it.")
