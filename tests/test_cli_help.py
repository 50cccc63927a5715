"""What the command line says of itself, and how its mistakes look."""

import importlib.util
import json
import sys

import pandas as pd
import pytest
import typer
from typer.testing import CliRunner

from whalelib import cli, doctor, experiment
from whalelib.cli import commands as all_commands
from whalelib.cli import running
from whalelib.cli.findings import told
from whalelib.cli.shared import trained
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


@pytest.mark.parametrize(("words", "says"), [
    ("run all --confg x", "`whalelib run` has no option '--confg'; did you mean '--config'?"),
    ("publish --lic x", "did you mean '--licence'?"),
    ("scan a b --qqqqqq", "`whalelib scan` has no option '--qqqqqq'; `whalelib scan --help` lists what there is."),
    ("run train --n_mels 32", "knobs are written without dashes, as n_mels=..."),
    ("run train --sample-rate=2000", "knobs are written without dashes, as sample_rate=..."),
    ("rum all", "there is no command 'rum'; did you mean 'run'?"),
    ("store buld", "there is no command 'buld'; did you mean 'build'?"),
    ("xyzzy", "there is no command 'xyzzy'; `whalelib --help` lists what there is."),
    ("run", "`whalelib run` needs STAGE (all, or one of eda"),
    ("scan a b", "`whalelib scan` needs --out (the folder"),
    ("scan a b --out", "`whalelib scan`: option '--out' requires an argument"),
    ("app x --port 99999", "--port of `whalelib app` cannot be that: "),
    ("knobs a b", "`whalelib knobs --help` has an example."),
    ("run train absent_tables=noise", 'write "absent_tables=[noise]"'),
])  # fmt: skip
def test_words_that_nobody_knows_are_one_sentence(monkeypatch, capsys, words, says):
    monkeypatch.setattr(sys, "argv", ["whalelib", *words.split()])
    with pytest.raises(SystemExit) as status:
        cli.main()
    assert status.value.code == 2
    said = capsys.readouterr().err
    assert says in said
    assert said.startswith("whalelib: ") and said.count("\n") == 1
    assert not said.endswith("?.\n")


def test_without_a_word_the_help_is_shown():
    shown = CliRunner().invoke(cli.app, [], env={"COLUMNS": "300", "TERM": "dumb"})
    assert "Usage: " in shown.output and "Find calls in recordings" in shown.output


def test_the_version_is_told():
    from whalelib import __version__

    assert CliRunner().invoke(cli.app, ["--version"]).output.strip() == f"whalelib {__version__}"


def test_every_command_has_its_place_in_the_help():
    listed = typer.main.get_command(cli.app)
    shown = [name for name in listed.list_commands(None) if not listed.get_command(None, name).hidden]
    assert shown == [name for names in all_commands.PANELS.values() for name in names]


@pytest.mark.parametrize(("module", "extra"), [
    ("torch", "train"), ("iterstrat.ml_stratifiers", "train"), ("papermill", "notebooks"), ("gradio", "app"),
    ("dask_jobqueue", "cluster"), ("timm", "models"), ("onnx", "export"),
])  # fmt: skip
def test_a_package_that_is_not_there_names_its_extra(monkeypatch, capsys, module, extra):
    def broken():
        raise ModuleNotFoundError(f"No module named {module!r}", name=module)

    monkeypatch.setattr(cli, "app", broken)
    with pytest.raises(SystemExit) as status:
        cli.main()
    assert status.value.code == 2
    assert f"is not installed: install it with `pip install 'whalelib[{extra}]'`." in capsys.readouterr().err


def test_a_module_of_nobody_is_an_error_of_ours(monkeypatch):
    def broken():
        raise ModuleNotFoundError("No module named 'whalelib.sea'", name="whalelib.sea")

    monkeypatch.setattr(cli, "app", broken)
    with pytest.raises(ModuleNotFoundError):
        cli.main()


def test_what_notebooks_lack_is_said_before_anything_is_written(monkeypatch, tmp_path):
    monkeypatch.setenv("WHALELIB_HOME", str(tmp_path))
    there = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name in ("papermill", "torch") else there(name)
    )
    with pytest.raises(InputError, match=r"papermill and torch are not .*'whalelib\[notebooks,train\]'`"):
        running.run("eda")
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_says_what_becomes_of_the_work(monkeypatch, tmp_path):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setenv("WHALELIB_HOME", str(tmp_path))
    monkeypatch.setattr(experiment, "run_stages", interrupted)
    shown = CliRunner().invoke(cli.app, ["run", "eda"])
    assert shown.exit_code == 130
    assert shown.output.strip() == "Interrupted: the same command goes on where it stopped."


def test_a_run_says_what_comes_next_and_can_be_named(monkeypatch, tmp_path):
    monkeypatch.setenv("WHALELIB_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    folders = []
    monkeypatch.setattr(experiment, "run_stages", lambda chosen, stages, folder, *_, **__: folders.append(folder))
    shown = CliRunner().invoke(cli.app, ["run", "eda", "n_mels=32", "--name", "my sea"])
    assert folders[-1] == tmp_path / "experiments/runs/base/my sea"
    assert "Next: `whalelib run train n_mels=32 --name 'my sea'`." in shown.output
    shown = CliRunner().invoke(cli.app, ["run", "all", "n_mels=32"])
    assert "Next: `whalelib scan experiments/runs/base/n_mels=32 RECORDINGS --out found`" in shown.output
    for folder in ("a" * 300, "b" * 300):
        CliRunner().invoke(cli.app, ["run", "all", f"data_path={folder}"])
    assert folders[-1] != folders[-2] and max(len(folder.name) for folder in folders) < 200


def test_the_doctors_rows_are_as_many_as_are_asked_for():
    problems = pd.DataFrame({"problem": [f"tape_{k}.wav cannot be read {'by anyone ' * 20}" for k in range(9)]})
    calls = pd.DataFrame({"recording": ["a", "long_name"], "onset": [1.0, 22.5]})
    found = [
        doctor.Finding("note", "odd", "Calls are odd.", "look", calls, 2),
        doctor.Finding("warning", "left-out", "Something was left out.", "mend it", problems, 9),
    ]
    few = told(found, 3)
    assert few.index("left-out") < few.index("[odd]")  # the worst first
    assert "... and 6 more" in few and few.endswith("--rows 50.")
    assert max(map(len, few.splitlines())) <= 120
    every = told(found, 50)
    assert all(f"tape_{k}.wav" in every for k in range(9)) and "more" not in every
    assert "    | a" in every and every.endswith("0 errors, 1 warning, 1 note.")
    assert told([], 3) == doctor.render([])


def test_a_folder_that_is_not_there_is_no_name_of_the_hub(monkeypatch, tmp_path):
    run = tmp_path / "experiments" / "demo" / "seed=0"
    run.mkdir(parents=True)
    (run / "config.yaml").write_text("")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("WHALELIB_HOME", raising=False)
    assert trained("experiments/demo/seed=0") == "experiments/demo/seed=0"
    assert trained("someone/whales") == "someone/whales"
    for name in ("experiments/demo/seed=1", "experiments/dmo", "demo/seed=0/x"):
        with pytest.raises(InputError, match=f"there is no folder {name}; did you mean 'experiments/demo/seed=0'"):
            trained(name)
    with pytest.raises(InputError, match="there is no folder /nowhere; name the folder of a run"):
        trained("/nowhere")
