"""What the commands share: the application itself, knobs from the command line, and how paths are said."""

from __future__ import annotations

import contextlib
import json
import re
import sys
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Annotated, Any

import typer

from whalelib import config as knobs
from whalelib.cli.commands import Commands
from whalelib.errors import InputError, suggestion
from whalelib.experiment import home
from whalelib.experiment.keeping import jsonable

TRACEBACK = "--traceback"  # anywhere among the words; `cli.main` takes it out

app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    help="From hydrophone recordings and their annotations to a trusted whale-call detector. "
    f"With {TRACEBACK} an error shows where it arose.",
)


def _tell_version(asked: bool) -> None:
    if asked:
        from whalelib import __version__

        typer.echo(f"whalelib {__version__}")
        raise typer.Exit


@app.callback()
def _all_commands(
    version: Annotated[
        bool, typer.Option("--version", help="show the version and exit", callback=_tell_version, is_eager=True)
    ] = False,
) -> None: ...


Overrides = Annotated[list[str] | None, typer.Argument(help="knobs to set, as knob=value", show_default=False)]
ConfigFile = Annotated[Path | None, typer.Option("-c", "--config", help="a YAML file of knobs to start from")]


_out: ContextVar[Any] = ContextVar("what a script reads")


@contextlib.contextmanager
def _json_alone() -> Iterator[None]:
    """What is printed on the way goes to standard error; standard output is kept for `as_json`."""
    before = _out.set(sys.stdout)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        _out.reset(before)


def _for_scripts(context: typer.Context, json: bool) -> bool:
    if json:
        context.with_resource(_json_alone())
    return json


AsJson = Annotated[bool, typer.Option("--json", help="print JSON, for scripts", callback=_for_scripts)]


def resolved(overrides: list[str] | None, config: Path | None, **more: Any) -> knobs.Config:
    """The knobs of a file, with those given by hand over them, and `more` over both."""
    given = {**(knobs.read_yaml(config) if config else {}), **knobs.parse_overrides(overrides or []), **more}
    return knobs.resolve(given, where=str(config or "the command line"))


def trained(model: str) -> str:
    """The name of a detector or transcriber as it was given, unless it can only be that of a folder that is not there.

    What is no folder may be a repository of the hub, OWNER/NAME; but one of a run's folders, mistyped, is none.
    """
    place = Path(model).expanduser()
    if place.exists():
        return str(place)
    hub = re.fullmatch(r"[\w.-]+/[\w.-]+", model) and not Path(place.parts[0]).is_dir()
    if hub:
        return model
    runs = [near(f.parent) for depth in ("*/*", "*/*/*") for f in (home() / "experiments").glob(f"{depth}/config.yaml")]
    end = suggestion(model, runs, "name the folder of a run (`whalelib run` says which), or a repository of the hub")
    raise InputError(f"there is no folder {model}{end if end.endswith('?') else end + '.'}")


def as_json(content: Any) -> None:
    """Rows or figures for a script; a number that is none is null."""
    words = json.dumps(jsonable(content), indent=1, default=str, allow_nan=False)
    typer.echo(words, file=_out.get())


def left_out(sentences: Iterable[str]) -> list[str]:
    """What could not be used, each sentence once: said on standard error, and given back for a script."""
    once = list(dict.fromkeys(sentences))
    for sentence in once:
        typer.secho(f"left out: {sentence}", err=True, fg=typer.colors.YELLOW)
    return once


def near(path: Path) -> str:
    """A path as short as it can be said from here."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)
