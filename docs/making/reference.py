"""The reference pages, written from the code each time the site is built, so that nothing is typed twice.

A page holds `<!-- generated: NAME -->` where the text of `GENERATED[NAME]` goes.
"""

from __future__ import annotations

import inspect
import re
import tokenize
from collections.abc import Callable, Iterable, Iterator, Sequence
from io import StringIO
from typing import Any

_MARK = re.compile(r"^<!-- generated: (\w+) -->$", re.MULTILINE)


def filled(text: str) -> str:
    """A page with every generated part in its place."""
    return _MARK.sub(lambda found: GENERATED[found[1]](), text)


def marks(text: str) -> list[str]:
    """The names of the parts that a page asks for."""
    return _MARK.findall(text)


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A Markdown table; bars in cells are masked."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def _cell(value: Any) -> str:
    return " ".join(_plain(str(value)).replace("|", "\\|").split())


def _plain(text: str) -> str:
    """A sentence of the code as Markdown: a star outside of code is a star."""
    parts = text.split("`")
    parts[::2] = [part.replace("*", "\\*") for part in parts[::2]]
    return "`".join(parts)


def code(value: Any) -> str:
    """As code, or nothing."""
    text = str(value)
    return f"`{text}`" if text else ""


# Knobs


def knobs() -> str:
    """Every section with its knobs."""
    from whalelib import config

    parts = []
    for section, kind in config.SECTIONS.items():
        mine = [knob for knob in config.knobs() if knob.section == section]
        rows = [(_named(k.name), _value(k.default), k.unit, _bounded(kind, k), _said(k)) for k in mine]
        head = ["knob", "default", "unit", "values", "what it does"]
        parts += [f"## {section}", inspect.cleandoc(kind.__doc__ or ""), table(head, rows)]
    return "\n\n".join(parts)


def _named(name: str) -> str:
    """A name that can be pointed to."""
    return f'<span id="{name}"></span>`{name}`'


def _value(default: Any) -> str:
    if default is None or default == "":
        return "empty"
    if isinstance(default, bool):
        return "yes" if default else "no"
    return code(default)


def _said(knob: Any) -> str:
    return knob.says if knob.signed else f"{knob.says} (changes no result)"


def _bounded(section: type, knob: Any) -> str:
    """The type of a knob with the bounds that its page sets."""
    field = section.__pydantic_fields__[knob.name]  # type: ignore[attr-defined]
    words = {"ge": "from {}", "gt": "above {}", "le": "to {}", "lt": "below {}", "multiple_of": "by {}"}
    said = [
        word.format(f"{bound:g}")
        for name, word in words.items()
        for rule in field.metadata
        if (bound := getattr(rule, name, None)) is not None
    ]
    choices = knob.type.split(" | ")
    kind = ", ".join(map(code, choices)) if len(choices) > 1 else knob.type
    return " ".join([kind, *said])


def products() -> str:
    """What each product of the path depends on."""
    from whalelib import config

    return table(
        ["product", "its signature hashes"], [(name, ", ".join(parts)) for name, parts in config.PRODUCTS.items()]
    )


# Tables


def tables() -> str:
    """The columns of the four tables, with the comments that stand beside them in the code."""
    from whalelib import tables as room

    said = _comments(room)
    parts = []
    for name in ("RECORDINGS", "EVENTS", "CLIPS", "SCORES"):
        rows = [(code(column), kind, said[name, column]) for column, kind in getattr(room, name).items()]
        parts += [f"## {name.lower()}", table(["column", "type", "what it is"], rows)]
    return "\n\n".join(parts)


def _comments(module: Any) -> dict[tuple[str, str], str]:
    """The comment behind each entry of each dictionary that a module defines at its top."""
    found, name, entry = {}, "", ""
    for token in tokenize.generate_tokens(StringIO(inspect.getsource(module)).readline):
        if token.type == tokenize.NAME and token.start[1] == 0:
            name, entry = token.string, ""
        elif token.type == tokenize.STRING and not entry:
            entry = token.string.strip("\"'")
        elif token.type == tokenize.COMMENT and entry:
            found[name, entry] = token.string.lstrip("# ")
        elif token.type in (tokenize.NL, tokenize.NEWLINE):
            entry = ""
    return found


# Formats, sources, models, augmentations


def formats() -> str:
    """What the room of formats says of itself."""
    from whalelib import formats as room

    return _docstring(room)


def written_detections() -> str:
    """What `write_detections` writes."""
    from whalelib import formats

    return _docstring(formats.write_detections)


def _docstring(thing: Any) -> str:
    """A docstring without its first line, which is its title."""
    return inspect.cleandoc(thing.__doc__).partition("\n")[2].strip()


def sources() -> str:
    """Every source: what it is, what it needs, where such data is had, what it takes."""
    from whalelib import sources as register

    lines = []
    for name, entry in register.names().items():
        taken = [option for option in inspect.signature(entry.load).parameters if option != "folder"]
        said = f"{entry.says} Needs {entry.needs}. From {entry.origin}."
        lines.append(f"- **{name}**: {_plain(said)} Options: {', '.join(map(code, taken))}.")
    return "\n".join(lines)


def models() -> str:
    """Every registered network."""
    from whalelib import models as register

    rows = [
        (code(row.name), "?" if row.parameters is None else f"{row.parameters:,}", row.expects, row.says)
        for row in register.listing()
    ]
    return table(["model", "parameters", "expects", "what it is"], rows)


def augmentations() -> str:
    """Every augmentation with its settings and their defaults."""
    from whalelib import augment

    rows = []
    for entry, says in augment.names().items():
        name, _, settings = entry.partition(" ")
        rows.append((code(name), code(settings), says))
    return table(["name", "settings and their defaults", "what it does"], rows)


# Commands


def commands() -> str:
    """Every command of the command line: what it does, its arguments and its options."""
    import typer

    from whalelib import cli

    parts = []
    for words, command in _commands(typer.main.get_command(cli.app)):
        says, _, example = inspect.cleandoc(command.help or "").partition("Example:")
        example, _, more = example.partition("\n")
        parts += [f"## whalelib {' '.join(words)}", says.strip()]
        if example:
            parts.append(f"```bash\n{example.strip()}\n```")
        if more.strip():
            parts.append(more.strip())
        rows = [row for parameter in command.params if (row := _parameter(parameter))]
        if rows:
            parts.append(table(["", "default", "what it is"], rows))
    return "\n\n".join(parts)


def _commands(group: Any, before: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, command in sorted(group.commands.items()):
        if hasattr(command, "commands"):
            yield from _commands(command, (*before, name))
        elif not command.hidden:
            yield (*before, name), command


def _parameter(parameter: Any) -> tuple[str, str, str] | None:
    """A row of an argument or an option; --help has none."""
    if parameter.name == "help":
        return None
    if parameter.param_type_name == "argument":
        name = parameter.name.upper() + ("..." if parameter.nargs == -1 else "")
    else:
        name = ", ".join([*parameter.opts, *parameter.secondary_opts])
    silent = parameter.default is None or parameter.default is False or callable(parameter.default)
    default = "needed" if parameter.required else "" if silent else code(parameter.default)
    return code(name), default, parameter.help or ""


GENERATED: dict[str, Callable[[], str]] = {
    "knobs": knobs,
    "products": products,
    "tables": tables,
    "formats": formats,
    "written_detections": written_detections,
    "sources": sources,
    "models": models,
    "augmentations": augmentations,
    "commands": commands,
}
