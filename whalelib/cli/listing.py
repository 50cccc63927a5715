"""Commands that list what there is: knobs, sources, models, augmentations."""

from __future__ import annotations

import dataclasses
from typing import Annotated

import typer

from whalelib import config as knobs
from whalelib.cli.shared import AsJson, app, as_json


@app.command("knobs")
def list_knobs(
    pattern: Annotated[str, typer.Argument(help="show only names that contain this")] = "",
    json: AsJson = False,
) -> None:
    """Every knob: name, unit, default, and what it does. Example: whalelib knobs mel"""
    listed = [knob for knob in knobs.knobs() if pattern in knob.name]
    if json:
        as_json([dataclasses.asdict(knob) for knob in listed])
        return
    section = ""
    for knob in listed:
        if knob.section != section:
            section = knob.section
            typer.secho(f"\n{section}", bold=True)
        default = "" if knob.default is None else knob.default
        typer.echo(f"  {knob.name:18} {default!s:>12} {knob.unit:9} {knob.says}  [{knob.type}]")


@app.command()
def sources(json: AsJson = False) -> None:
    """The kinds of data sets that can be read, what each needs, and where it is had. Example: whalelib sources"""
    from whalelib import sources as register

    known = register.names()
    if json:
        as_json([{"name": n, "says": e.says, "needs": e.needs, "origin": e.origin} for n, e in known.items()])
        return
    for name, entry in known.items():
        typer.echo(f"{name:12} {entry.says}")
        typer.echo(f"{'':12} needs: {entry.needs}")
        typer.echo(f"{'':12} from:  {entry.origin}\n")
    typer.echo("Each folder may also be a prefix of a bucket, s3:// or gs://. More in docs/reference/sources.md.")


@app.command()
def models(json: AsJson = False) -> None:
    """The networks that can be trained: size, what they expect, what they are. Example: whalelib models"""
    from whalelib import models as register

    listed = register.listing()
    if json:
        as_json([row._asdict() for row in listed])
        return
    name_width, expects_width = (
        max(map(len, column)) for column in ([x.name for x in listed], [x.expects for x in listed])
    )
    for name, parameters, expects, says in listed:
        size = "?" if parameters is None else f"{parameters:,}"
        typer.echo(f"{name:{name_width}} {size:>12}  {expects:{expects_width}}  {says}")
    typer.echo("Any other network of timm is a model too, as timm:NAME. Parameters are those of the default width.")


@app.command()
def augmentations(json: AsJson = False) -> None:
    """What can be done to training clips, with its defaults. Example: whalelib augmentations"""
    from whalelib import augment

    known = augment.names()
    if json:
        as_json([{"name": entry.split()[0], "entry": entry, "says": says} for entry, says in known.items()])
        return
    for entry, says in known.items():
        typer.echo(f"{entry}\n    {says}")
