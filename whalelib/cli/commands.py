"""All commands together: their order, words that none of them knows, packages that are not there, and Ctrl-C."""

from __future__ import annotations

import contextlib
import difflib
import re
from collections.abc import Iterator, Mapping
from importlib import metadata
from typing import Any

import typer
import typer.core
from packaging.requirements import Requirement

from whalelib import config as knobs
from whalelib.errors import InputError, needs_extra, suggestion

# Typer brings its own click or uses the one that is installed; the class that both derive their mistakes from is this.
UsageError: type[Exception] = next(c for c in typer.BadParameter.__mro__ if c.__name__ == "UsageError")

# Every command, in the order in which a newcomer meets them.
PANELS = {
    "From recordings to a detector": ("demo", "doctor", "run", "lab", "scan", "app", "publish", "export"),
    "Questions and their log": ("grid", "status", "log"),
    "What there is": ("knobs", "sources", "models", "augmentations"),
    "More": ("crop", "transcribe", "store", "fit", "miniature", "wheels"),
}
_PANEL = {name: panel for panel, names in PANELS.items() for name in names}
_GO_ON = ("demo", "run", "scan", "transcribe", "fit")  # where they were interrupted, when they are given again
_DISTRIBUTIONS = {"iterstrat": "iterative-stratification"}  # whose name is not that of what is imported


class Commands(typer.core.TyperGroup):
    """All commands, in their order; what was mistyped is an `InputError`."""

    def list_commands(self, ctx: Any) -> list[str]:
        known, order = super().list_commands(ctx), list(_PANEL)
        return sorted(known, key=lambda name: order.index(name) if name in order else len(order))

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        command = super().get_command(ctx, cmd_name)
        if command is not None and cmd_name in _PANEL:
            command.rich_help_panel = _PANEL[cmd_name]  # type: ignore[attr-defined]
        return command

    def make_context(self, *args: Any, **more: Any) -> Any:
        with _one_sentence():
            return super().make_context(*args, **more)

    def invoke(self, ctx: Any) -> Any:
        try:
            with _one_sentence(ctx):  # the words of the command itself are read here, too
                return super().invoke(ctx)
        except KeyboardInterrupt:
            if ctx.invoked_subcommand in _GO_ON:
                typer.echo("\nInterrupted: the same command goes on where it stopped.", err=True)
            raise typer.Exit(130) from None


@contextlib.contextmanager
def _one_sentence(above: Any = None) -> Iterator[None]:
    try:
        yield
    except UsageError as error:
        if type(error).__name__ == "NoArgsIsHelpError":  # nothing was said: that shows the help
            raise
        invoked = getattr(above, "invoked_subcommand", None)
        raise InputError(sentence(error, f"whalelib {invoked}" if invoked else "whalelib")) from None


def sentence(error: Any, command: str = "whalelib") -> str:
    """What was mistyped, where, and what to write in its place; `command` is told where the error does not know it."""
    context = getattr(error, "ctx", None)
    if context:  # however it was started, as by `python -m whalelib.cli`
        command = "whalelib" + context.command_path.removeprefix(str(context.find_root().info_name))
    parameter = getattr(error, "param", None)
    said = str(error.format_message()).strip().rstrip(".")
    unknown = re.match(r"No such command '(.*?)'", said)
    if hasattr(error, "option_name") and said.startswith("No such option"):
        return f"`{command}` has no option {error.option_name!r}{_option_meant(error.option_name, context, command)}"
    if unknown:
        known = context.command.list_commands(context) if context else []
        return f"there is no command {unknown[1]!r}{_mended(unknown[1], known, command)}"
    if type(error).__name__ == "MissingParameter" and parameter is not None:
        what = f" ({parameter.help})" if getattr(parameter, "help", None) else ""
        return f"`{command}` needs {_name(parameter)}{what}; `{command} --help` has an example."
    if parameter is not None:
        return f"{_name(parameter)} of `{command}` cannot be that: {_lower(str(error.message).rstrip('.'))}."
    return f"`{command}`: {_lower(said)}; `{command} --help` has an example."


def _name(parameter: Any) -> str:
    """What it is called in the help: --option, or ARGUMENT."""
    return max(parameter.opts, key=len) if parameter.param_type_name == "option" else str(parameter.name).upper()


def _lower(words: str) -> str:
    return words[:1].lower() + words[1:]


def _option_meant(name: str, context: Any, command: str) -> str:
    """The nearest option, or the one that begins so; a knob is no option."""
    parameters = context.command.params if context else []
    options = [option for parameter in parameters for option in parameter.opts if option.startswith("--")]
    begun = [option for option in options if len(name) > 3 and option.startswith(name)]
    end = _mended(name, begun or options, command)
    word, there = name.lstrip("-").replace("-", "_"), [knob.name for knob in knobs.knobs()]
    takes_knobs = {"overrides", "paths"} & {parameter.name for parameter in parameters}
    if takes_knobs and (word in there or (not end.endswith("?") and "did you mean" in suggestion(word, there, ""))):
        return f": knobs are written without dashes, as {difflib.get_close_matches(word, there, n=1)[0]}=..."
    return end


def _mended(word: str, known: list[str], command: str) -> str:
    """The end of a sentence on an unknown word: the nearest that there is, or where all are listed."""
    end = suggestion(word, known, f"`{command} --help` lists what there is")
    return end if end.endswith("?") else f"{end}."


def lacking(error: ModuleNotFoundError) -> InputError | None:
    """The sentence for a package of an extra that is not installed; None where it is nobody's extra."""
    module = (error.name or "").partition(".")[0]
    return None if not module or (extra := extras().get(_distribution(module))) is None else needs_extra(module, extra)


def _distribution(module: str) -> str:
    return _DISTRIBUTIONS.get(module, module).replace("_", "-").lower()


def extras() -> Mapping[str, str]:
    """Packages that are not always installed, each with the smallest extra that brings it."""
    found: dict[str, str] = {}
    try:
        stated = metadata.requires("whalelib") or []
    except metadata.PackageNotFoundError:  # run from a folder of source, without an installation
        stated = []
    for requirement in map(Requirement, stated):
        named = re.search(r"extra == ['\"]([\w-]+)['\"]", str(requirement.marker))
        if named and named[1] not in ("all", "dev") and requirement.name != "whalelib":
            found.setdefault(requirement.name.replace("_", "-").lower(), named[1])
    return found
