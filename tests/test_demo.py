"""The demo keeps its promise, and the built package carries what it needs to do so without a clone."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pandas as pd
import pytest

from whalelib import formats

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """The demo, run from the beginning in a home of its own; what it printed, and its home."""
    home = tmp_path_factory.mktemp("home")
    (home / "experiments").mkdir()
    for name in ("base.yaml", "demo.yaml"):
        shutil.copy(ROOT / "experiments" / name, home / "experiments" / name)
    command = [sys.executable, "-m", "whalelib.cli", "demo"]
    environment = {**os.environ, "WHALELIB_HOME": str(home)}
    environment.pop("WHALELIB_CACHE", None)
    done = subprocess.run(command, cwd=home, env=environment, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr
    return done.stdout, home


@pytest.mark.slow
def test_the_demo_finds_the_calls_of_days_it_never_saw(demo):
    values = json.loads((demo[1] / "experiments/demo/seed=0/result.json").read_text())["values"]
    assert values["event_f1"] >= 0.8
    assert values["test_ap"] >= 0.9
    assert values["loudness_auc"] < 0.7
    assert f"{values['test_ap']:.3f}" in demo[0]


@pytest.mark.slow
def test_the_demo_leaves_what_it_says(demo):
    printed, home = demo
    folder = home / "experiments" / "demo" / "seed=0"
    notebooks = ["01_eda", "02_features", "03_train", "04_inference", "05_postprocess"]
    assert all((folder / f"{name}.ipynb").exists() for name in notebooks)
    assert {path.stem for path in (folder / "figures").iterdir()} >= {"detections", "precision_recall", "scores"}
    found = pd.concat([formats.read_raven(path).events for path in sorted((folder / "raven").glob("*.txt"))])
    counted = json.loads((folder / "result.json").read_text())["values"]["events_by_class"][-1]
    assert len(found) >= counted["hits"] + counted["false"]
    assert "experiments/demo/seed=0/raven/" in printed
    assert "· The whole path on the demo ocean" in (home / "experiments/demo/log.md").read_text()
    for path in [*folder.glob("*.ipynb"), *folder.glob("*.json")]:
        assert str(home) not in path.read_text(), f"{path.name} carries a path of this machine"


@pytest.mark.slow
def test_the_wheel_holds_notebooks_and_recipes(tmp_path):
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(tmp_path), str(ROOT)]
    subprocess.run(command, check=True, timeout=300)
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {f"whalelib/notebooks/{path.name}" for path in (ROOT / "notebooks").glob("*.ipynb")} <= names
    assert {"whalelib/recipes/demo.yaml", "whalelib/recipes/base.yaml", "whalelib/py.typed"} <= names
