"""The command that writes detectors for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from whalelib.cli.shared import app, near


@app.command()
def export(
    model: Annotated[str, typer.Argument(help="a run's folder, a saved detector, or a repository of the hub")],
    to: Annotated[str, typer.Option(help="onnx, openvino or pamguard")],
    out: Annotated[Path, typer.Option(help="the folder for its files")],
) -> None:
    """A detector for other programs, front end inside. Example: whalelib export my/run --to onnx --out exported"""
    from whalelib import exporting, stages

    files = exporting.export(stages.detector_of(model), to, out)
    typer.echo(f"Wrote {', '.join(file.name for file in files)} into {near(out)}.")
