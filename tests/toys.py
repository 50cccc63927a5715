"""A toy experiment: its training notebook takes a moment, and fails or dies as the environment says."""

import nbformat
import yaml

PLAN = {
    "title": "A toy",
    "question": "Does it run?",
    "expectation": "Yes.",
    "base": {"epochs": 1},
    "grid": {"padding": ["wrap", "zeros"]},
    "seeds": [0, 1],
    "stages": ["train"],
    "metric": "score",
}
# It tells its knobs when it begins, and again when it ends.
CELLS = """
from pathlib import Path
import os, signal, time
from whalelib import config, experiment
knobs = config.from_notebook(globals())
me = f"{knobs.padding} {knobs.seed}"
def tell(what):
    with open(os.environ["TOY_DIARY"], "a") as diary:
        diary.write(what + "\\n")
tell(me)
time.sleep(float(os.environ.get("TOY_SECONDS", 0)))
if me == os.environ.get("TOY_FAILS"):
    raise RuntimeError("the toy broke")
deaths = Path(os.environ["TOY_DIARY"]).with_name("deaths")
if me == os.environ.get("TOY_DIES") and len(list(deaths.parent.glob("deaths*"))) < int(os.environ["TOY_DEATHS"]):
    deaths.with_name(f"deaths{time.time_ns()}").touch()
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(30)
experiment.record(run_folder, "train", knobs, score=knobs.seed + 0.5)
tell("end " + me)
"""


def lay(tmp_path, monkeypatch):
    """The home, and in it the experiment."""
    home = tmp_path / "home"
    (home / "experiments").mkdir(parents=True)
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    notebook = nbformat.v4.new_notebook(metadata=kernel)
    parameters = nbformat.v4.new_code_cell('run_folder = ""', metadata={"tags": ["parameters"]})
    notebook.cells = [parameters, nbformat.v4.new_code_cell(CELLS)]
    (home / "notebooks").mkdir()
    nbformat.write(notebook, home / "notebooks" / "03_train.ipynb")
    monkeypatch.setenv("WHALELIB_HOME", str(home))
    monkeypatch.delenv("WHALELIB_CACHE", raising=False)
    monkeypatch.setenv("TOY_DIARY", str(tmp_path / "diary.txt"))
    return written(home / "experiments" / "toy.yaml", PLAN)


def written(path, plan):
    path.write_text(yaml.safe_dump(plan, sort_keys=False))
    return path


def told(toy):
    path = toy.parents[2] / "diary.txt"
    return path.read_text().splitlines() if path.exists() else []


def begun(toy):
    return [line for line in told(toy) if not line.startswith("end ")]


def ended(toy):
    return [line.removeprefix("end ") for line in told(toy) if line.startswith("end ")]
