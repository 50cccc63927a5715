"""The notebooks: thin, without outputs, their knobs real and at their defaults."""

import ast
import re
from pathlib import Path

import nbformat
import pytest

from whalelib import config, experiment, formats, synth

FOLDER = Path(__file__).parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
QUICKSTART = FOLDER / "00_quickstart.ipynb"
OTHERWISE = {"00_quickstart": {"exhaustive": True}}  # so its example is annotated; for other folders it is asked there


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def notebook(request):
    return nbformat.read(request.param, 4)


def code(notebook):
    return [cell.source for cell in notebook.cells if cell.cell_type == "code"]


def parameters(notebook):
    """The cell that papermill puts its own after, as names and values."""
    (cell,) = [c for c in notebook.cells if "parameters" in c.metadata.get("tags", [])]
    return {s.targets[0].id: ast.literal_eval(s.value) for s in ast.parse(cell.source).body}


def test_every_notebook_is_a_stage_or_the_quick_way_through_them():
    stages = [experiment.notebook_path(stage) for stage in experiment.STAGES]
    assert [path.name for path in NOTEBOOKS] == [QUICKSTART.name, *(path.name for path in stages)]
    assert [path.stem[:2] for path in NOTEBOOKS] == [f"{k:02d}" for k in range(len(NOTEBOOKS))]


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


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_parameters_are_knobs_at_their_defaults(path):
    given = parameters(nbformat.read(path, 4))
    assert given.pop("run_folder") == ""
    defaults = config.resolve().flat() | OTHERWISE.get(path.stem, {})
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


def test_from_ones_own_folder_to_a_detector_on_one_page(tmp_path, monkeypatch):
    """By hand: from the folder of notebooks, with sliders, and with a path as it is written in the home."""
    from papermill import execute_notebook

    (tmp_path / "experiments").mkdir()
    (tmp_path / "notebooks").mkdir()
    synth.ocean(tmp_path / "tapes", ocean_days=4, ocean_minutes=0.5, ocean_density=2.0)
    monkeypatch.delenv("WHALELIB_HOME", raising=False)
    monkeypatch.delenv("WHALELIB_CACHE", raising=False)
    executed = execute_notebook(
        str(QUICKSTART),
        str(tmp_path / "notebooks" / "mine.ipynb"),
        parameters={"data_path": "tapes", "epochs": 1},
        cwd=str(tmp_path / "notebooks"),
        kernel_name="python3",
        progress_bar=False,
    )
    widgets = "application/vnd.jupyter.widget-view+json"
    assert any(widgets in output.get("data", {}) for cell in executed.cells for output in cell.get("outputs", []))

    left = tmp_path / "experiments" / "quickstart"
    tables = list((left / "raven").glob("*.txt"))
    assert len(tables) == 2  # two moorings on the one test day
    assert len(formats.read_csv(left / "detections.csv").events) == sum(
        len(formats.read_raven(table, recording=table.name.split(".")[0]).events) for table in tables
    )
    monkeypatch.chdir(tmp_path)
    from whalelib import stages

    ear = stages.listener(str(left), {})  # what `whalelib scan` and `whalelib app` take
    assert sorted(ear.detector.classes) == sorted(ear.decided.thresholds)


def test_a_home_is_given_the_notebooks_that_it_lacks_and_keeps_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("WHALELIB_HOME", str(tmp_path))
    own = tmp_path / "notebooks" / "03_train.ipynb"
    own.parent.mkdir()
    own.write_text("mine")
    assert experiment.notebooks() == own.parent
    assert sorted(path.name for path in own.parent.iterdir()) == [path.name for path in NOTEBOOKS]
    assert own.read_text() == "mine"
    assert (own.parent / QUICKSTART.name).read_bytes() == QUICKSTART.read_bytes()


def test_a_notebook_works_in_its_home_wherever_it_lies(tmp_path, monkeypatch):
    monkeypatch.delenv("WHALELIB_HOME", raising=False)
    (tmp_path / "experiments").mkdir()
    (tmp_path / "notebooks" / "tries").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "notebooks" / "tries")
    for _ in range(2):  # a cell that is run again
        experiment.enter_home()
        assert Path.cwd() == tmp_path.resolve()


def test_every_notebook_enters_its_home_before_it_reads_its_knobs(notebook):
    (begins,) = [cell for cell in code(notebook) if "config.from_notebook(" in cell]
    assert begins.index("experiment.enter_home()") < begins.index("config.from_notebook(")
