"""The notebooks: thin, without outputs, their knobs real and at their defaults."""

import ast
import re
from pathlib import Path

import nbformat
import pytest

from whalelib import config, experiment

NOTEBOOKS = [experiment.notebook_path(stage) for stage in experiment.STAGES]


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def notebook(request):
    return nbformat.read(request.param, 4)


def code(notebook):
    return [cell.source for cell in notebook.cells if cell.cell_type == "code"]


def parameters(notebook):
    """The cell that papermill puts its own after, as names and values."""
    (cell,) = [c for c in notebook.cells if "parameters" in c.metadata.get("tags", [])]
    return {s.targets[0].id: ast.literal_eval(s.value) for s in ast.parse(cell.source).body}


def test_every_stage_has_its_notebook():
    assert [path.stem[:2] for path in NOTEBOOKS] == ["01", "02", "03", "04", "05", "06", "07"]


def test_notebooks_are_thin(notebook):
    cells = code(notebook)
    tree = ast.parse("\n".join(cells))
    assert len(cells) <= 25
    assert sum(len(cell.splitlines()) for cell in cells) <= 150
    assert not any(isinstance(node, ast.ClassDef) for node in ast.walk(tree))
    assert sum(isinstance(node, ast.FunctionDef) for node in ast.walk(tree)) <= 2


def test_notebooks_are_committed_without_outputs(notebook):
    for cell in notebook.cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


def test_parameters_are_knobs_at_their_defaults(notebook):
    given = parameters(notebook)
    assert given.pop("run_folder") == ""
    defaults = config.resolve().flat()
    assert given == {name: defaults[name] for name in given}


def test_parameter_lines_have_one_equals_sign(notebook):
    (cell,) = [c for c in notebook.cells if "parameters" in c.metadata.get("tags", [])]
    assert all(line.count("=") == 1 for line in cell.source.splitlines())


def test_every_code_cell_is_introduced_by_words(notebook):
    """At most two code cells in a row: a paragraph, then a picture or a table."""
    kinds = "".join("c" if cell.cell_type == "code" else "m" for cell in notebook.cells)
    assert kinds.startswith("m")
    assert max(len(run) for run in re.findall("c+", kinds)) <= 3


def test_notebooks_name_no_place_of_this_machine(notebook):
    text = nbformat.writes(notebook)
    assert str(Path.home()) not in text
    assert "/tmp/" not in text


def test_no_name_of_a_knob_is_used_for_anything_else(notebook):
    """A cell that is run again would take it for the knob's value."""
    knobs = config.resolve().flat()
    for cell in notebook.cells:
        if cell.cell_type == "code" and "parameters" not in cell.metadata.get("tags", []):
            tree = ast.parse(cell.source)
            own = [comprehension for node in ast.walk(tree) for comprehension in getattr(node, "generators", [])]
            inner = {id(name) for c in own for name in ast.walk(c.target)}
            stored = [n for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]
            assert not {n.id for n in stored if id(n) not in inner} & set(knobs)
