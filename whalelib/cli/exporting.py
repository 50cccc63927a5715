"""The command that writes detectors for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from whalelib.cli.shared import AsJson, app, as_json, near, trained


@app.command()
def export(
    model: Annotated[str, typer.Argument(help="a run's folder, a saved detector, or a repository of the hub")],
    to: Annotated[str, typer.Option(help="onnx, openvino or pamguard")],
    out: Annotated[Path, typer.Option(help="the folder for its files")],
    json: AsJson = False,
) -> None:
    """A detector for other programs, front end inside. Example: whalelib export my/run --to onnx --out exported"""
    from whalelib import exporting, stages

    files = exporting.export(stages.detector_of(trained(model)), to, out)
    if json:
        as_json({"folder": str(out), "files": [file.name for file in files]})
        return
    typer.echo(f"Wrote {', '.join(file.name for file in files)} into {near(out)}.")
