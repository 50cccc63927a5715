"""What the command line says of itself, and how its mistakes look."""

import json
import sys

import pytest
import typer
from typer.testing import CliRunner

from whalelib import cli
from whalelib.errors import InputError


def commands(group=None, before=()):
    """Every command with the words that call it."""
    group = group or typer.main.get_command(cli.app)
    for name, command in group.commands.items():
        words = (*before, name)
        if hasattr(command, "commands"):
            yield from commands(command, words)
        elif not command.hidden:
            yield pytest.param(words, id=" ".join(words))


@pytest.mark.parametrize("words", list(commands()))
def test_every_help_has_an_example_of_that_command(words):
    shown = CliRunner().invoke(cli.app, [*words, "--help"], env={"COLUMNS": "300", "TERM": "dumb"})
    assert shown.exit_code == 0
    example = " ".join(shown.output.split()).partition("Example: ")[2]
    assert example.startswith("whalelib ") or "-m whalelib.cli" in example
    assert " ".join(words) in example.split("--help")[0][:200]


@pytest.fixture
def mistaken(monkeypatch):
    """The command line with a command that finds a mistake of its user."""

    def run(*words):
        def broken():
            raise InputError("the sea is empty: fill it.")

        monkeypatch.setattr(cli, "app", broken)
        monkeypatch.setattr(sys, "argv", ["whalelib", *words])
        cli.main()

    return run


def test_a_mistake_is_one_line(mistaken, capsys):
    with pytest.raises(SystemExit) as status:
        mistaken("run", "all")
    assert status.value.code == 2
    assert capsys.readouterr().err == "whalelib: the sea is empty: fill it.\n"


def test_its_traceback_is_shown_to_who_asks(mistaken, capsys):
    with pytest.raises(SystemExit) as status:
        mistaken("--traceback", "run", "all")
    assert status.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("Traceback")
    assert said.endswith("whalelib: the sea is empty: fill it.\n")
    assert "--traceback" not in sys.argv


@pytest.mark.parametrize(("command", "holds"), [
    ("knobs", {"name": "n_mels"}), ("sources", {"name": "raven"}),
    ("augmentations", {"name": "gain"}),
])  # fmt: skip
def test_lists_are_json_for_scripts(command, holds):
    shown = CliRunner().invoke(cli.app, [command, "--json"])
    assert shown.exit_code == 0
    rows = json.loads(shown.output)
    assert any(holds.items() <= row.items() and row["says"] for row in rows)


def test_a_shell_can_complete(monkeypatch):
    """The names of commands, as a shell asks for them."""
    monkeypatch.setenv("_WHALELIB_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "whalelib kn")
    monkeypatch.setenv("COMP_CWORD", "1")
    shown = CliRunner().invoke(cli.app, [], prog_name="whalelib")
    assert shown.output.split() == ["knobs"]
