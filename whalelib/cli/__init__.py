"""The command line: `whalelib ...`. It parses, calls the library, prints; every error a user can cause is one line."""

from __future__ import annotations

import sys
import traceback

import typer

from whalelib import experiment
from whalelib.cli import (  # each adds its commands
    cropping,
    data,
    exporting,
    gathering,
    grids,
    lab,
    listing,
    log,
    miniature,
    page,
    running,
    scanning,
    training,
    transcribing,
)
from whalelib.cli.commands import lacking
from whalelib.cli.shared import TRACEBACK, app
from whalelib.errors import InputError

__all__ = [
    "app",
    "cropping",
    "data",
    "exporting",
    "gathering",
    "grids",
    "lab",
    "listing",
    "log",
    "main",
    "miniature",
    "page",
    "running",
    "scanning",
    "training",
    "transcribing",
]


def main() -> None:
    """Entry point: what a user did wrong is one sentence on standard error and exit status 2, never a traceback.

    Unless it is asked for: `--traceback` may stand anywhere among the words.
    """
    asked = TRACEBACK in sys.argv
    sys.argv = [word for word in sys.argv if word != TRACEBACK]
    try:
        app()
    except ModuleNotFoundError as error:
        if (said := lacking(error)) is None:
            raise
        _refuse(said, asked)
    except (InputError, experiment.StageFailed, OSError) as error:  # a full disk, a file that may not be written
        _refuse(error, asked)


def _refuse(error: Exception, asked: bool) -> None:
    if asked:
        traceback.print_exc()
    typer.secho(f"whalelib: {error}", err=True, fg=typer.colors.RED)
    sys.exit(2)
