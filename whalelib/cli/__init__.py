"""The command line: `whalelib ...`. It parses, calls the library, prints; every error a user can cause is one line."""

from __future__ import annotations

import sys

import typer

from whalelib import experiment
from whalelib.cli import data, exporting, listing, running, scanning, training  # each adds its commands
from whalelib.cli.shared import app
from whalelib.errors import InputError

__all__ = ["app", "data", "exporting", "listing", "main", "running", "scanning", "training"]


def main() -> None:
    """Entry point: what a user did wrong is one sentence on standard error and exit status 2, never a traceback."""
    try:
        app()
    except (InputError, experiment.StageFailed) as error:
        typer.secho(f"whalelib: {error}", err=True, fg=typer.colors.RED)
        sys.exit(2)
