"""The command that makes a published data set in miniature."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from whalelib.cli.shared import app, near


@app.command()
def miniature(
    name: Annotated[str, typer.Argument(help="the data set: dclde2013, rfcx or birdclef")],
    folder: Annotated[Path, typer.Argument(help="a new folder")],
    seed: Annotated[int, typer.Option(help="another seed gives other sounds", min=0)] = 0,
) -> None:
    """A data set's layout with made sounds in it. Example: whalelib miniature dclde2013 ~/miniature"""
    from whalelib import synth

    typer.echo(f"{near(synth.miniature(name, folder, seed))} is laid out as {name} is: source={name} reads it.")
