"""Notebooks in the cloud: their first cells agree, installing leaves torch alone, and a session's work outlives it."""

import os
import shutil
from pathlib import Path

import cloud_machine
import nbformat
import pytest
from cloud_machine import install_cell, run_first_cell, wheel

from whalelib import experiment, sessions

try:
    import tomllib
except ImportError:  # Python 3.10
    tomllib = pytest.importorskip("tomli")

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
REPOSITORY = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]["Repository"]


def cells(path):
    return nbformat.read(path, 4).cells


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_badges_open_this_notebook_of_this_repository(path):
    place = f"{REPOSITORY.removeprefix('https://github.com/')}/blob/main/notebooks/{path.name}"
    badges = cells(path)[0].source
    assert f"](https://colab.research.google.com/github/{place})" in badges
    assert f"](https://kaggle.com/kernels/welcome?src=https://github.com/{place})" in badges


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_install_cell_is_the_same_and_comes_before_the_knobs(path):
    first, *later = [cell for cell in cells(path) if cell.cell_type == "code"]
    assert first.source == install_cell()
    assert f"git+{REPOSITORY}" in first.source
    assert "parameters" in later[0].metadata.get("tags", [])


def test_the_readme_names_this_repository():
    named = [line for line in (ROOT / "README.md").read_text().splitlines() if "git+https://" in line]
    assert named and all(f"git+{REPOSITORY}" in line for line in named)


@pytest.fixture(scope="module")
def kaggle(tmp_path_factory):
    return cloud_machine.with_old_torch(tmp_path_factory.mktemp("kaggle"))


OURS = {"whalelib/sessions.py": (ROOT / "whalelib" / "sessions.py").read_text()}


def test_a_torch_that_is_too_old_is_an_error_and_not_replaced(kaggle, tmp_path):
    folder = tmp_path / "datasets" / "me" / "wheels"  # Kaggle's longer form of a data set's path
    wheel(folder, "torch", "2.9.0")
    wheel(folder, "whalelib", "0.1.0", ["torch>=2.7; extra == 'train'"], OURS)
    done, torch = run_first_cell(kaggle, tmp_path)
    assert done.returncode != 0 and "torch" in done.stderr
    assert torch == "2.6.0+cu124"


def test_the_package_is_installed_from_a_wheel_folder_once_and_torch_stays(kaggle, tmp_path):
    folder = tmp_path / "wheels"
    wheel(folder, "torch", "2.9.0")
    wheel(folder, "whalelib", "0.1.0", ["torch>=2.4; extra == 'train'"], OURS)
    done, torch = run_first_cell(kaggle, tmp_path)
    assert done.returncode == 0, done.stderr
    assert torch == "2.6.0+cu124"
    shutil.rmtree(folder)
    done, torch = run_first_cell(kaggle, tmp_path)  # with nothing to install from
    assert (done.returncode, done.stdout, done.stderr, torch) == (0, "", "", "2.6.0+cu124")


@pytest.fixture
def cloud(tmp_path, monkeypatch):
    """A root of paths of its own, and none of the variables that tell where we are."""
    for name in ("WHALELIB_HOME", "COLAB_RELEASE_TAG", "KAGGLE_KERNEL_RUN_TYPE"):
        monkeypatch.setenv(name, "")  # so that what the session sets is taken back
        monkeypatch.delenv(name)
    (tmp_path / "content").mkdir()
    monkeypatch.chdir(tmp_path / "content")
    return tmp_path


def test_elsewhere_nothing_is_done(cloud, capsys):
    sessions.begin(cloud)
    assert "WHALELIB_HOME" not in os.environ
    assert capsys.readouterr().out == ""


def test_a_home_that_is_chosen_stays(cloud, monkeypatch):
    monkeypatch.setenv("COLAB_RELEASE_TAG", "release")
    monkeypatch.setenv("WHALELIB_HOME", "mine")
    sessions.begin(cloud)
    assert os.environ["WHALELIB_HOME"] == "mine"
    monkeypatch.delenv("WHALELIB_HOME")
    (cloud / "content" / "experiments").mkdir()  # the runner's, or a clone
    sessions.begin(cloud)
    assert "WHALELIB_HOME" not in os.environ


def test_colab_keeps_on_drive(cloud, monkeypatch):
    monkeypatch.setenv("COLAB_RELEASE_TAG", "release")
    (cloud / "content" / "drive" / "MyDrive").mkdir(parents=True)
    sessions.begin(cloud)
    assert experiment.home() == cloud / "content" / "drive" / "MyDrive" / "whalelib"


def test_drive_is_mounted_where_it_is_not(cloud):
    place = cloud / "content" / "drive"
    assert sessions.on_drive(place, lambda point: Path(point, "MyDrive").mkdir(parents=True))
    assert (place / "MyDrive").is_dir()


def test_without_drive_the_session_goes_on_and_says_so(cloud, monkeypatch, capsys):
    monkeypatch.setenv("COLAB_RELEASE_TAG", "release")
    sessions.begin(cloud)  # there is no google.colab here to ask
    assert "WHALELIB_HOME" not in os.environ
    assert "ends with the session" in capsys.readouterr().out


@pytest.mark.parametrize("earlier", ["run-of-yesterday", "notebooks/me/run-of-yesterday"])
def test_kaggle_goes_on_from_the_output_of_an_earlier_version(cloud, monkeypatch, earlier):
    monkeypatch.setenv("KAGGLE_KERNEL_RUN_TYPE", "Batch")
    (cloud / "kaggle" / "working").mkdir(parents=True)
    left = cloud / "kaggle" / "input" / earlier
    (left / "experiments").mkdir(parents=True)
    (left / "cache" / "detector-0123").mkdir(parents=True)
    (left / "cache" / "detector-0123" / "weights").write_text("learnt")
    sessions.begin(cloud)
    assert experiment.home() == cloud / "kaggle" / "working"
    kept = cloud / "kaggle" / "working" / "cache" / "detector-0123" / "weights"
    assert kept.read_text() == "learnt"
    kept.write_text("learnt more")
    os.environ.pop("WHALELIB_HOME")
    sessions.begin(cloud)  # the cell again: what was made since stays
    assert kept.read_text() == "learnt more"
    assert {path.name for path in (cloud / "kaggle" / "working").iterdir()} == {"experiments", "cache"}
