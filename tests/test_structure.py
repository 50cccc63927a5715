"""How the library is built: imports run one way, files stay small, and torch waits until it is needed."""

import ast
from pathlib import Path

import pytest

import whalelib

ROOT = Path(whalelib.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))

LEAVES = {
    "errors", "config", "tables", "audio", "filters", "features", "losses", "samplers", "augment", "tracking",
    "provenance", "sessions", "wheels",
}  # fmt: skip
LISTENING = {"likeness"}  # what doctor and clips both ask: is this sound there twice?
ABOVE_LEAVES = {
    "formats", "synth", "sources", "doctor", "clips", "models", "metrics", "post", "ensembles", "exporting", "mistakes",
    "activity", "playing",
}  # fmt: skip
ABOVE_THOSE = {"train", "predict", "pseudo", "transcribe"}
BESIDE = {"experiment", "ledger", "card"}
TOP = {"plots", "widgets", "demo", "cli", "app", "bench"}  # cli imports demo and app; app and widgets draw with plots

# What each room may import. A package is one room, and inside it modules import each other freely.
LOWER = LEAVES | LISTENING | ABOVE_LEAVES | ABOVE_THOSE | BESIDE
ROOMS: dict[str, frozenset[str]] = {
    **dict.fromkeys(LEAVES, frozenset({"errors"})),
    **dict.fromkeys(LISTENING, frozenset(LEAVES)),
    **dict.fromkeys(ABOVE_LEAVES, frozenset(LEAVES)),
    **dict.fromkeys(ABOVE_THOSE, frozenset(LEAVES | ABOVE_LEAVES)),
    **dict.fromkeys(BESIDE, frozenset({"config", "tables", "errors", "provenance"})),
    # The one place that unpacks a configuration into the arguments of all the others.
    "stages": frozenset(LEAVES | LISTENING | ABOVE_LEAVES | ABOVE_THOSE | {"experiment"}),
    # Beside it: the runs of a cross-validation, taken together.
    "crossing": frozenset({"config", "ensembles", "experiment", "stages"}),
    **dict.fromkeys(TOP, frozenset(LOWER | {"stages", "crossing"})),
}
ROOMS["features"] |= {"filters"}
ROOMS["synth"] |= {"formats"}
ROOMS["sources"] |= {"formats", "synth"}
ROOMS["doctor"] |= {"likeness"}
ROOMS["clips"] |= {"likeness"}
ROOMS["post"] |= {"metrics"}
ROOMS["ensembles"] |= {"metrics"}
ROOMS["exporting"] |= {"models"}
ROOMS["mistakes"] |= {"metrics", "models"}
ROOMS["activity"] |= {"metrics"}
ROOMS["pseudo"] |= {"train"}
ROOMS["transcribe"] |= {"train"}
ROOMS["ledger"] |= {"experiment"}
ROOMS["cli"] |= {"demo", "app"}
ROOMS["app"] |= {"plots"}
ROOMS["widgets"] |= {"plots"}
ROOMS["config"] |= {"augment"}  # a list of augmentations is checked with the other knobs, before anything starts
ROOMS["plots"] = frozenset()  # tables in, axes out

MAY_LOAD_TORCH = {
    "features", "losses", "samplers", "models", "exporting", "train", "predict", "augment", "transcribe",
}  # fmt: skip
MOST_LINES = 450


def name_of(path):
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def room_of(path):
    return name_of(path).split(".")[0]


def rooms_imported(tree, package):
    """The rooms of whalelib that a module imports, anywhere in it; `package` is the package it lies in."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            source = ".".join([*base, *([node.module] if node.module else [])])
            names = [f"{source}.{alias.name}" for alias in node.names]
        else:
            continue
        parts = [name.split(".") for name in names]
        found |= {part[1] for part in parts if part[0] == "whalelib" and len(part) > 1 and not part[1].startswith("__")}
    return found


def loads_torch(tree):
    """Is torch imported as soon as the module is? What only type checkers see does not count."""
    for node in tree.body:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        for inner in ast.walk(node) if not isinstance(node, ast.FunctionDef | ast.ClassDef) else []:
            names = [alias.name for alias in inner.names] if isinstance(inner, ast.Import) else []
            names += [inner.module or ""] if isinstance(inner, ast.ImportFrom) else []
            if any(name.split(".")[0] in ("torch", "torchaudio", "torchvision") for name in names):
                return True
    return False


def parsed(text):
    return ast.parse(text)


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_imports_run_one_way(path):
    room = room_of(path)
    if room == "__init__":
        assert rooms_imported(parsed(path.read_text(encoding="utf-8")), ["whalelib"]) == set()
        return
    assert room in ROOMS, f"whalelib/{room} is new: give it a room in tests/test_structure.py, with what it may import."
    package = ["whalelib", *path.relative_to(ROOT).parts[:-1]]
    imported = rooms_imported(parsed(path.read_text(encoding="utf-8")), package)
    forbidden = imported - ROOMS[room] - {room}
    assert not forbidden, f"{name_of(path)} imports {', '.join(sorted(forbidden))}, against the order of the rooms."


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_torch_waits_until_it_is_needed(path):
    if loads_torch(parsed(path.read_text(encoding="utf-8"))):
        assert room_of(path) in MAY_LOAD_TORCH, f"{name_of(path)} loads torch: import it inside the function."


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_files_are_small_and_say_what_they_are(path):
    text = path.read_text(encoding="utf-8")
    lines = text.count("\n")
    assert lines <= MOST_LINES, f"{name_of(path)} has {lines} lines: make it a package with the same import path."
    assert ast.get_docstring(parsed(text)), f"{name_of(path)} has no docstring."
    assert path.name != "utils.py", "utils.py says nothing: name a module by what it does."


def test_rooms_have_no_circles():
    done, left = set(), {room: allowed - {room} for room, allowed in ROOMS.items()}
    while ready := {room for room, allowed in left.items() if allowed <= done}:
        done |= ready
        left = {room: allowed for room, allowed in left.items() if room not in ready}
    assert left == {}


@pytest.mark.parametrize(
    ("text", "rooms"),
    [
        ("import whalelib", set()),
        ("import whalelib.synth.noise as n", {"synth"}),
        ("from whalelib import audio, tables", {"audio", "tables"}),
        ("from whalelib import __version__", set()),
        ("from whalelib.models.heads import Head", {"models"}),
        ("def f():\n    from whalelib import train", {"train"}),
        ("if TYPE_CHECKING:\n    from whalelib.train import Fitted", {"train"}),
        ("from . import heads", {"models"}),
        ("from .. import plots", {"plots"}),
        ("from ..plots import waves", {"plots"}),
        ("import numpy", set()),
    ],
)
def test_imports_are_seen_in_every_form(text, rooms):
    assert rooms_imported(parsed(text), ["whalelib", "models"]) == rooms


@pytest.mark.parametrize(
    ("text", "loads"),
    [
        ("import torch", True),
        ("from torch.nn import functional", True),
        ("try:\n    import torchaudio\nexcept ImportError:\n    pass", True),
        ("def f():\n    import torch", False),
        ("if TYPE_CHECKING:\n    import torch", False),
        ("import torchmetrics", False),
    ],
)
def test_torch_is_seen_where_it_loads(text, loads):
    assert loads_torch(parsed(text)) == loads
