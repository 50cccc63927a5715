"""What happens to sessions in the cloud, for real: one dies in its training, and one has an older torch."""

import json
import os
import signal
import subprocess
import sys
import time

import pandas as pd
import psutil
import pytest
from cloud_machine import run_first_cell

from whalelib import experiment, wheels

# As a Colab of spring 2025 had them.
SPRING_2025 = [
    "torch==2.6.0",
    "torchvision==0.21.0",
    "numpy==2.0.2",
    "pandas==2.2.2",
    "pyarrow==18.1.0",
    "matplotlib==3.10.0",
    "scipy==1.14.1",
    "scikit-learn==1.6.1",
    "transformers==4.51.3",
    "accelerate==1.6.0",
    "huggingface-hub==0.31.2",
    "timm==1.0.15",
    "peft==0.15.2",
    "ipykernel==6.17.1",
    "ipywidgets==7.7.1",
]
KNOBS = {
    "ocean_days": 3,
    "ocean_minutes": 0.5,
    "clips_per_call": 1,
    "width": 8,
    "n_mels": 32,
    "epochs": 20,
    "profile_batches": 0,
}
WHOLE = "cache/detector-*/checkpoints/checkpoint-*/trainer_state.json"  # what a checkpoint ends with
MARK = 0.123456789


def all_cells(home, out):
    """A process that runs every cell of notebook 03, as a hand would: no run's folder, only the home that is kept."""
    given = [word for name, value in KNOBS.items() for word in ("-p", name, str(value))]
    command = [sys.executable, "-m", "papermill", experiment.notebook_path("train"), out, "-k", "python3", *given]
    return subprocess.Popen([str(word) for word in command], cwd=home, env={**os.environ, "WHALELIB_HOME": str(home)})


def kill(process):
    """As when a machine is taken away: the kernel, what it has started, and who has started it."""
    for each in [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]:
        each.send_signal(signal.SIGKILL)
    assert process.wait(60) == -signal.SIGKILL


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
def test_a_notebook_whose_session_died_in_training_goes_on_when_its_cells_are_run_again(tmp_path):
    (tmp_path / "experiments").mkdir()
    first = all_cells(tmp_path, tmp_path / "first.ipynb")
    try:
        while not list(tmp_path.glob(WHOLE)):
            assert first.poll() is None, "the training ended before it could be killed"
            time.sleep(0.02)
    finally:
        kill(first)
    begun = {path: path.stat().st_mtime_ns for path in tmp_path.glob("cache/clips-*/*") if path.is_file()}
    for state in tmp_path.glob(WHOLE):
        mark(state)
    assert all_cells(tmp_path, tmp_path / "second.ipynb").wait(400) == 0

    assert begun == {path: path.stat().st_mtime_ns for path in begun}  # the clips were not cut again
    history = pd.read_csv(next(tmp_path.glob("cache/detector-*/history.csv")))
    assert history["epoch"].tolist() == list(range(1, KNOBS["epochs"] + 1))
    accuracy = history["validation_accuracy"]
    assert accuracy.iloc[0] == MARK and accuracy.iloc[-1] != MARK  # it went on, and did not begin at the first again


def mark(state):
    """Write into a checkpoint's history what no training would: only one that goes on from it has it, too."""
    content = json.loads(state.read_text())
    for row in content["log_history"]:
        row.update({name: MARK for name in row if name == "eval_accuracy"})
    state.write_text(json.dumps(content))


@pytest.mark.colab
def test_an_older_torch_stays_and_the_notebooks_run_beside_it(tmp_path):
    """WHALELIB_COLAB_PYTHON names another Python than this one, as python3.12."""
    python = tmp_path / "python" / "bin" / "python"
    subprocess.run(
        [os.environ.get("WHALELIB_COLAB_PYTHON", sys.executable), "-m", "venv", tmp_path / "python"], check=True
    )
    subprocess.run([python, "-m", "pip", "install", "--quiet", *SPRING_2025], check=True)
    done, torch = run_first_cell(tmp_path, package=wheels.own_wheel(tmp_path))
    assert done.returncode == 0, done.stderr
    assert torch.split("+")[0] == "2.6.0"

    subprocess.run([python, "-m", "pip", "install", "--quiet", "papermill"], check=True)
    home = tmp_path / "home"
    (home / "experiments").mkdir(parents=True)
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | {"WHALELIB_HOME": str(home)}
    ask = [python, "-c", "from whalelib import experiment; print(experiment.recipe('smoke'))"]
    smoke = subprocess.run(ask, cwd=home, env=environment, check=True, capture_output=True, text=True).stdout.strip()
    run = [python.with_name("whalelib"), "run", "all", "-c", smoke, "--json"]
    ran = subprocess.run(run, cwd=home, env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout)
    assert told["stages"] == list(experiment.PATH) and told["values"]["test_hours"] > 0
