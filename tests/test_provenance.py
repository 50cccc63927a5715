"""Which code made a result: marks that change when what it does may have, and are the same everywhere."""

import ast
import json

import pytest
from test_structure import FILES, room_of, rooms_imported

from whalelib import experiment, provenance

SOURCE = """
def f(x):
    if x < 0:
        raise ValueError(f"{x} is below zero")
    return x + 1
"""


@pytest.mark.parametrize(
    "same",
    [
        SOURCE.replace("def f(x):", "def f(x):  # adds one"),
        SOURCE.replace("def f(x):", 'def f(x):\n    """Adds one."""'),
        SOURCE.replace("is below zero", "may not be below zero"),
        SOURCE.replace("x + 1", "(x  +  1)"),
    ],
)
def test_what_is_only_said_better_leaves_the_mark(same):
    assert same != SOURCE
    assert provenance.shape(same) == provenance.shape(SOURCE)


@pytest.mark.parametrize(
    "other",
    [
        SOURCE.replace("x + 1", "x + 2"),
        SOURCE.replace("x + 1", "x - 1"),
        SOURCE.replace("x + 1", "x + 1.0"),
        SOURCE.replace("x < 0", "x <= 0"),
        SOURCE.replace("ValueError", "TypeError"),
        SOURCE.replace("return x + 1", "return f'{x}'"),
        SOURCE + "y = 'a'",
    ],
)
def test_what_is_done_otherwise_changes_the_mark(other):
    assert provenance.shape(other) != provenance.shape(SOURCE)


def test_every_stage_names_all_rooms_that_its_code_goes_through():
    imports = {}
    within, joined = {}, {}
    for path in FILES:
        if path.parent.name == "stages":
            named = [n.module for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.ImportFrom)]
            within[f"stages/{path.stem}"] = {
                f"stages/{name.rpartition('.')[2]}" for name in named if (name or "").startswith("whalelib.stages.")
            }
        package = ["whalelib", *path.relative_to(FILES[0].parent).parts[:-1]]
        rooms = rooms_imported(ast.parse(path.read_text()), package)
        imports.setdefault(room_of(path), set()).update(rooms)
        if path.parent.name == "stages":
            joined[f"stages/{path.stem}"] = rooms - {"stages"}
    assert set(provenance.ROOMS) == set(experiment.STAGES)
    for stage, rooms in provenance.ROOMS.items():
        behind = set().union(*(imports.get(room) or within[room] for room in rooms))
        if "predict" in rooms:  # before, little is asked of what the stages' common files may ask for
            behind |= set().union(*(joined.get(room, set()) for room in rooms))
        missing = behind - set(rooms) - provenance.WITHOUT_EFFECT
        assert not missing, f"provenance.ROOMS[{stage!r}] lacks {missing}, which its rooms import."


@pytest.fixture
def afresh(monkeypatch):
    monkeypatch.setattr(provenance, "_behind", {})


def test_a_cached_product_keeps_the_code_it_was_begun_by(tmp_path, monkeypatch, afresh):
    now = provenance.code(["train"])
    provenance.stamp(tmp_path / "detector-1", "train")
    assert provenance.behind("train") == now
    (note,) = tmp_path.rglob("*.json")
    note.write_text(json.dumps(now | {"models": "earlier"}))
    provenance.stamp(tmp_path / "detector-1", "train")
    assert provenance.behind("train") == now | {"models": "earlier"}


def test_a_product_that_nobody_noted_is_of_unknown_code(tmp_path, afresh):
    (tmp_path / "detector-1").mkdir()
    provenance.stamp(tmp_path / "detector-1", "train")
    assert set(provenance.behind("train").values()) == {provenance.UNKNOWN}


def test_the_code_of_a_run_is_the_earliest_of_its_stages():
    now = provenance.code(["inference"])
    train = provenance.code(["train"]) | {"models": "earlier"}
    assert provenance.together([train, now]) == now | {"models": "earlier"}
    assert provenance.together([now, train]) == now | {"models": "earlier"}
    assert provenance.together([now, None]) is None
