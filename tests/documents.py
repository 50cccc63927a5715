"""What the documentation says, held against the code: command lines, knobs, names, links."""

import ast
import importlib
import re
import shlex
from pathlib import Path

import typer
import yaml
from fences import ROOT, without_code

from whalelib import cli, config, experiment

_OPERATORS = ";&|()<>"
_ELSEWHERE = {"store_path", "teachers", "ensemble", "background_path"}  # knobs that name what lies on a reader's disk
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def programs(text):
    """The words of each program that a shell script calls, those in a quoted script among them."""
    for line in text.replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars=_OPERATORS)
        lexer.whitespace_split = True
        words = []
        for word in [*lexer, ";"]:
            if set(word) <= set(_OPERATORS):
                while words and re.match(r"\w+=|^(!|do|then|else)$", words[0]):
                    words = words[1:]
                if words:
                    yield words
                words = []
            else:
                if "whalelib " in word:
                    yield from programs(word)
                words.append(word)


def check_program(words, files=()):
    """Raise where a program of ours would not understand these words; `files` are those that the page made before."""
    if words[0] == "make":
        unknown = {word for word in words[1:] if "=" not in word} - TARGETS
        assert not unknown, f"the Makefile has no target {unknown}"
    elif words[0].endswith("whalelib"):
        check_command(words[1:], files)
    elif "-m" in words:
        module, *rest = words[words.index("-m") + 1 :]
        if module == "whalelib.cli":
            check_command(rest, files)
        elif module == "whalelib.bench":
            check_bench(rest)
        elif module.startswith("whalelib"):
            importlib.import_module(module)


def check_bench(names):
    from whalelib.bench.__main__ import BENCHMARKS

    assert set(names) <= set(BENCHMARKS), f"there is no benchmark {set(names) - set(BENCHMARKS)}"


def check_command(words, files=()):
    """Parse a command line as click does, without running it, and look at the knobs and files it names."""
    command, name = typer.main.get_command(cli.app), "whalelib"
    while hasattr(command, "commands"):
        if words[0].startswith("-"):
            return  # an option of the whole program
        name, *words = words
        assert name in command.commands, f"there is no command {name!r}"
        command = command.commands[name]
    given = command.make_context(name, [word for word in words if word not in ("--help", "--traceback")]).params
    knobs = [word for word in given.get("paths") or [] if re.match(r"\w+=", word)]
    knobs += [*(given.get("overrides") or []), *(given.get("knob") or [])]
    file = given.get("config")
    known = file and (ROOT / file).exists()
    assert not file or known or str(file) in files, f"the page makes no file {file}"
    check_knobs({**(config.read_yaml(ROOT / file) if known else {}), **config.parse_overrides(knobs)})
    if "stage" in given:
        experiment.parse_stages([given["stage"]])
    if name in ("grid", "status") and str(given["file"]) not in files:
        assert (ROOT / given["file"]).exists(), f"there is no experiment file {given['file']}"


def check_knobs(given):
    config.resolve({name: value for name, value in given.items() if name not in _ELSEWHERE}, where="the page")
    assert set(given) <= {knob.name for knob in config.knobs()}


def check_yaml(block, folder):
    """A block of knobs, or an experiment, is one that could be run; other YAML is YAML."""
    content = yaml.safe_load(block.text)
    if not block.how.get("title", "").endswith(".yaml"):
        return
    if "question" in content:
        path = folder / Path(block.how["title"]).name
        path.write_text(block.text, encoding="utf-8")
        experiment.load_experiment(path)
    else:
        check_knobs(content)


def check_python(text):
    """A script that compiles, and takes from the library only what is there."""
    tree = ast.parse(text)
    compile(tree, "block", "exec")
    known = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "whalelib":
            for alias in node.names:
                known[alias.asname or alias.name] = _named(node.module, alias.name)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in known:
            assert hasattr(known[node.value.id], node.attr), f"{node.value.id} has no {node.attr}"


def _named(module, name):
    try:
        return getattr(importlib.import_module(module), name)
    except AttributeError:
        return importlib.import_module(f"{module}.{name}")


def links(text):
    """Where a page points to: Markdown's links and pictures, and those of HTML."""
    plain = without_code(text)
    return re.findall(r"\]\(<?([^)\s>]+)>?[^)]*\)", plain) + re.findall(r"(?:src|href)=\"([^\"]+)\"", plain)


def anchors(text):
    """The anchors of a page: its headings, as GitHub and the site make them, and those that it sets itself."""
    plain = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    found = set(re.findall(r"id=\"([^\"]+)\"", plain))
    for heading in re.findall(r"^#+ +(.+?) *#*$", plain, re.MULTILINE):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        found.add(re.sub(r"[^\w\- ]", "", words.lower()).strip().replace(" ", "-"))
    return found
