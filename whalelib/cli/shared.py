"""What the commands share: the application itself, knobs from the command line, and how paths are said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from whalelib import config as knobs

TRACEBACK = "--traceback"  # anywhere among the words; `cli.main` takes it out

app = typer.Typer(
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    help="From hydrophone recordings and their annotations to a trusted whale-call detector. "
    f"With {TRACEBACK} an error shows where it arose.",
)

Overrides = Annotated[list[str] | None, typer.Argument(help="knobs to set, as knob=value", show_default=False)]
ConfigFile = Annotated[Path | None, typer.Option("-c", "--config", help="a YAML file of knobs to start from")]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON, for scripts")]


def resolved(overrides: list[str] | None, config: Path | None, **more: Any) -> knobs.Config:
    """The knobs of a file, with those given by hand over them, and `more` over both."""
    given = {**(knobs.read_yaml(config) if config else {}), **knobs.parse_overrides(overrides or []), **more}
    return knobs.resolve(given, where=str(config or "the command line"))


def as_json(rows: Any) -> None:
    """Rows for a script."""
    typer.echo(json.dumps(rows, indent=1, default=str))


def near(path: Path) -> str:
    """A path as short as it can be said from here."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)
