"""The command that gathers what a session without a network needs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from whalelib.cli.shared import AsJson, app, as_json, near


@app.command()
def wheels(
    folder: Annotated[Path, typer.Argument(help="a new folder")],
    python: Annotated[str, typer.Option(help="the session's Python")] = "3.12",
    platform: Annotated[str, typer.Option(help="its system, as pip calls it")] = "manylinux_2_35_x86_64",
    has: Annotated[Path | None, typer.Option(help="its `pip freeze`: what it has is left out")] = None,
    extra: Annotated[list[str] | None, typer.Option(help="an extra of whalelib; as often as you like")] = None,
    json: AsJson = False,
) -> None:
    """A folder to install from without a network, as in Kaggle; torch is never in it. Example: whalelib wheels shelf"""
    from whalelib import wheels as shelf

    has_versions = shelf.frozen(has) if has else {}
    made = shelf.gather(folder, python=python, platform=platform, extras=extra or ["train", "models"], has=has_versions)
    megabytes = sum(path.stat().st_size for path in made) / 1e6
    if json:
        as_json({"folder": str(folder), "megabytes": round(megabytes, 1), "wheels": [path.name for path in made]})
        return
    typer.echo(f"{near(folder)}: {len(made)} wheels, {megabytes:.0f} MB, for Python {python}, none of them torch.")
    typer.echo(
        "Upload it to Kaggle as a data set and add that to a notebook's input: the notebook's first cell finds it."
    )
