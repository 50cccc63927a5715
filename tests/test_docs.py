"""The documentation is true: its code runs or is held against the code, its links lead somewhere, its site builds."""

import contextlib
import doctest
import io
import os
import re
import subprocess
import sys

import documents
import fences
import pytest
import reference
import worldly

PAGES = fences.pages()
BLOCKS = [block for page in PAGES for block in fences.blocks(page)]
LINKED = [*PAGES, *(fences.ROOT / name for name in ("CONTRIBUTING.md", "CHANGELOG.md", "experiments/README.md"))]


def name_of(page):
    return page.relative_to(fences.ROOT).as_posix()


def tried():
    """Pages whose code is run: at once, or among the slow tests if one of its blocks is."""
    for page in PAGES:
        run = [block for block in fences.blocks(page) if is_run(block)]
        if run:
            slow = any("slow" in block.how for block in run)
            yield pytest.param(page, id=name_of(page), marks=[pytest.mark.slow] if slow else [])


def is_run(block):
    return block.language in ("bash", "python") and "checked" not in block.how


# Blocks that are run


@pytest.mark.parametrize("page", list(tried()))
def test_the_code_of_a_page_runs_from_top_to_bottom(page, tmp_path, monkeypatch):
    blocks = fences.blocks(page)
    wanted = dict.fromkeys(name for block in blocks if is_run(block) for name in block.stand_ins)
    monkeypatch.chdir(tmp_path)
    with contextlib.ExitStack() as stack:
        environment = worldly.prepared(tmp_path, wanted, stack, monkeypatch)
        names, printed = {"__name__": "__main__"}, ""
        for block in blocks:
            if "output" in block.how:
                same = doctest.OutputChecker().check_output(block.text, printed, doctest.ELLIPSIS)
                assert same, f"{block.place} says\n{block.text}but it prints\n{printed}"
            elif "title" in block.how:
                target = tmp_path / block.how["title"]
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(block.text, encoding="utf-8")
            elif is_run(block):
                printed = in_shell(block, environment) if block.language == "bash" else in_python(block, names)


def in_shell(block, environment):
    command = ["bash", "-euo", "pipefail", "-c", block.text]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, f"{block.place}:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


def in_python(block, names):
    """Blocks of a page share their names, as cells of a notebook do; a traceback names the line of the page."""
    with contextlib.redirect_stdout(io.StringIO()) as said:
        exec(compile("\n" * (block.line - 1) + block.text, str(block.page), "exec"), names)
    return said.getvalue()


# All blocks


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.place)
def test_a_block_says_nothing_that_the_code_does_not_know(block, tmp_path):
    made = {b.how["title"] for b in fences.blocks(block.page) if "title" in b.how and b.line < block.line}
    assert set(block.how) <= fences.WORDS
    if block.language == "bash":
        for words in documents.programs(block.text):
            documents.check_program(words, made)
    elif block.language == "python":
        documents.check_python(block.text)
    elif block.language == "yaml":
        documents.check_yaml(block, tmp_path)


def test_what_is_not_run_says_why():
    for block in BLOCKS:
        if "checked" in block.how:
            assert len(block.how["checked"].split()) >= 2, f"{block.place} does not say what it needs"
            assert f'title="checked, not run: {block.how["checked"]}"' in fences.shown(block.page.read_text())


@pytest.mark.parametrize(
    ("line", "mistake"),
    [
        ("whalelib scam x --out y", "no command 'scam'"),
        ("whalelib scan x", "Missing"),
        ("whalelib run train n_mel=3", "n_mels"),
        ("whalelib run all -c nowhere.yaml", "makes no file"),
        ("FOO=1 whalelib run trian", "no stage"),
        ("sbatch --wrap 'p=1; whalelib scan a b --outt c'", "No such option"),
        ("torchrun --nproc-per-node 2 -m whalelib.cli fit epochs=0", "epochs cannot be 0"),
        ("python -m whalelib.bench tea", "no benchmark"),
        ("make tea", "no target"),
    ],
)
def test_a_wrong_command_line_is_seen(line, mistake):
    with pytest.raises(Exception, match=mistake):
        for words in documents.programs(line):
            documents.check_program(words)


def test_wrong_names_are_seen():
    documents.check_python("from whalelib import formats\nformats.read_raven\nfrom whalelib.models import Detector")
    for text in ("from whalelib import format", "from whalelib import formats\nformats.read_rave()"):
        with pytest.raises((AssertionError, ImportError)):
            documents.check_python(text)


# Links


@pytest.mark.parametrize("page", LINKED, ids=name_of)
def test_links_lead_somewhere(page):
    text = page.read_text(encoding="utf-8")
    for link in documents.links(text):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{name_of(page)} points to {link}, which is not there"
        if anchor and target.suffix == ".md":
            found = documents.anchors(reference.filled(target.read_text(encoding="utf-8")))
            assert anchor in found, f"{name_of(page)} points to {link}; {path or 'it'} has no such heading"
        if fences.DOCS in page.parents:
            assert fences.DOCS in target.parents, f"{name_of(page)} points to {link}, which the site does not hold"


# Reference


def test_every_generated_part_is_asked_for_once():
    asked = [mark for page in PAGES for mark in reference.marks(page.read_text(encoding="utf-8"))]
    assert sorted(asked) == sorted(reference.GENERATED)


def test_the_reference_holds_what_the_code_holds():
    from whalelib import config, sources, tables

    knobs = reference.knobs()
    assert all(f"`{knob.name}`" in knobs and knob.says.replace("|", "\\|") in knobs for knob in config.knobs())
    assert "whole number from 1 to 3650" in knobs
    columns = reference.tables()
    for schema in (tables.RECORDINGS, tables.EVENTS, tables.CLIPS, tables.SCORES):
        assert all(re.search(rf"^\| `{name}` \| .+ \| .+ \|$", columns, re.MULTILINE) for name in schema)
    assert all(f"- **{name}**: " in reference.sources() for name in sources.names())
    commands = reference.commands()
    assert "## whalelib store build" in commands and "| `-c, --config` |" in commands and "stand-ready" not in commands


def test_every_environment_variable_is_told_of():
    told = (fences.DOCS / "reference" / "commands.md").read_text()
    asked = {
        name
        for path in (fences.ROOT / "whalelib").rglob("*.py")
        for name in re.findall(r"WHALELIB_[A-Z0-9_]*[A-Z0-9]", path.read_text(encoding="utf-8"))
    }
    assert asked == set(re.findall(r"`(WHALELIB_\w+)`", told))


# The site


@pytest.mark.slow
def test_the_site_builds_without_a_warning_and_fetches_nothing(tmp_path):
    pytest.importorskip("material", reason="the site is built by mkdocs-material (extra docs)")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")]
    environment = {**os.environ, "PYTHONPATH": str(fences.ROOT)}
    done = subprocess.run(command, cwd=fences.ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    pages = list((tmp_path / "site").rglob("*.html"))
    assert len(pages) > 20
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert not re.findall(r"<(?:script|img|iframe)[^>]+src=\"(?:https?:)?//[^\"]+", text)
        assert not re.findall(r"<link[^>]+rel=\"(?:stylesheet|preconnect|icon)\"[^>]+href=\"(?:https?:)?//[^\"]+", text)
        assert "generated:" not in text
