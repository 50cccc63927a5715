"""What happens to sessions in the cloud, for real: one dies in its training, and one has an older torch."""

import json
import signal
import subprocess
import time
from pathlib import Path

import cloud_machine
import pandas as pd
import psutil
import pytest
from cloud_machine import all_cells

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
BRIEF = {"epochs": 1, "transcriber_width": 16, "transcriber_layers": 1}
NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
TRAIN = experiment.notebook_path("train")
WHOLE = "cache/detector-*/checkpoints/checkpoint-*/trainer_state.json"  # what a checkpoint ends with
MARK = 0.123456789
STAYS = "torch|numpy$|triton|nvidia-"


def killed_in_training(home, start):
    """Start it, wait for its first whole checkpoint, take the machine away, and leave a mark in what is kept of it.

    What is there then: files of clips with their times, and the detector's folder.
    """
    earlier = set(home.glob("cache/detector-*"))  # that of the quickstart, say
    process = start()
    try:
        while not (whole := [state for state in home.glob(WHOLE) if not earlier & set(state.parents)]):
            assert process.poll() is None, "the training ended before it could be killed"
            time.sleep(0.02)
    finally:
        kill(process)
    (detector,) = {state.parents[2] for state in whole}
    for state in detector.glob(WHOLE.split("/", 2)[2]):
        mark(state)
    return {path: path.stat().st_mtime_ns for path in home.glob("cache/clips-*/*") if path.is_file()}, detector


def kill(process):
    """As when a machine is taken away: the kernel, what it has started, and who has started it."""
    for each in [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]:
        each.send_signal(signal.SIGKILL)
    assert process.wait(60) == -signal.SIGKILL


def mark(state):
    """Write into a checkpoint's history what no training would: only one that goes on from it has it, too."""
    content = json.loads(state.read_text())
    for row in content["log_history"]:
        row.update({name: MARK for name in row if name == "eval_accuracy"})
    state.write_text(json.dumps(content))


def went_on(begun, detector):
    """Did it go on from the checkpoint, to the last epoch, without cutting the clips again?"""
    history = pd.read_csv(detector / "history.csv")
    assert begun and begun == {path: path.stat().st_mtime_ns for path in begun}
    assert history["epoch"].tolist() == list(range(1, KNOBS["epochs"] + 1))
    accuracy = history["validation_accuracy"]
    return accuracy.iloc[0] == MARK and accuracy.iloc[-1] != MARK


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
def test_a_notebook_whose_session_died_in_training_goes_on_when_its_cells_are_run_again(tmp_path):
    (tmp_path / "experiments").mkdir()
    begun = killed_in_training(tmp_path, lambda: all_cells(TRAIN, tmp_path / "first.ipynb", tmp_path, KNOBS))
    assert all_cells(TRAIN, tmp_path / "second.ipynb", tmp_path, KNOBS).wait(400) == 0
    assert went_on(*begun)


@pytest.fixture(scope="module")
def spring(tmp_path_factory):
    """A machine nobody has installed anything on."""
    return cloud_machine.with_packages(tmp_path_factory.mktemp("spring"), *SPRING_2025)


@pytest.mark.colab
def test_every_notebook_runs_as_it_is_opened_and_a_session_that_died_goes_on_on_another_machine(spring, tmp_path):
    """Nothing but its cells: the first one installs. The new machine has of the old one what lies on the Drive."""
    package = wheels.own_wheel(tmp_path)
    had = cloud_machine.versions(spring, STAYS)
    assert had["torch"].split("+")[0] == "2.6.0" and had["numpy"] == "2.0.2"
    home = tmp_path / "drive"
    (home / "experiments").mkdir(parents=True)
    machine = cloud_machine.another(spring, tmp_path / "first")
    books = {path.stem[:2]: cloud_machine.opened(path, tmp_path / "opened", package) for path in NOTEBOOKS}

    def run(number, knobs):
        return all_cells(books[number], tmp_path / f"{number}.ipynb", home, knobs, machine)

    for number in ("00", "01", "02"):
        assert run(number, BRIEF if number == "00" else KNOBS).wait(1800) == 0, number
    begun = killed_in_training(home, lambda: run("03", KNOBS))
    assert cloud_machine.versions(machine, STAYS) == had
    machine = cloud_machine.another(spring, tmp_path / "second")
    assert run("03", KNOBS).wait(1800) == 0
    assert went_on(*begun)
    for number in ("04", "05", "06", "07"):
        assert run(number, KNOBS | BRIEF if number == "07" else KNOBS).wait(1800) == 0, number
    assert cloud_machine.versions(machine, STAYS) == had


@pytest.mark.colab
def test_the_command_line_runs_beside_an_older_torch(spring, tmp_path):
    """As the README has it, with the extra for notebooks."""
    package = wheels.own_wheel(tmp_path)
    machine = cloud_machine.another(spring, tmp_path / "machine")
    python = cloud_machine.its_python(machine)
    asked = f"whalelib[train,models,notebooks] @ {package.as_uri()}"
    subprocess.run([python, "-m", "pip", "install", "--quiet", asked], check=True, env=cloud_machine.clean())
    assert cloud_machine.versions(machine, STAYS) == cloud_machine.versions(spring, STAYS)
    home = tmp_path / "home"
    (home / "experiments").mkdir(parents=True)
    environment = {**cloud_machine.clean(), "WHALELIB_HOME": str(home)}
    ask = [python, "-c", "from whalelib import experiment; print(experiment.recipe('smoke'))"]
    smoke = subprocess.run(ask, cwd=home, env=environment, check=True, capture_output=True, text=True).stdout.strip()
    run = [python.with_name("whalelib"), "run", "all", "-c", smoke, "--json"]
    ran = subprocess.run(run, cwd=home, env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout)
    assert told["stages"] == list(experiment.PATH) and told["values"]["test_hours"] > 0


@pytest.mark.colab
def test_a_notebook_trains_where_there_is_no_network(spring, tmp_path):
    """As on Kaggle: a folder with what a session lacks by its own list is an input, and nothing else is asked."""
    freeze = subprocess.run(
        [cloud_machine.its_python(spring), "-m", "pip", "freeze"], check=True, capture_output=True, text=True
    )
    (tmp_path / "has.txt").write_text(freeze.stdout)
    shelf = wheels.gather(
        tmp_path / "inputs" / "shelf",
        python=cloud_machine.its_minor(spring),
        has=wheels.frozen(tmp_path / "has.txt"),
    )
    assert not any(path.name.startswith(("torch", "nvidia", "triton", "numpy")) for path in shelf)
    machine = cloud_machine.another(spring, tmp_path / "machine")
    book = cloud_machine.opened(TRAIN, tmp_path / "opened", shelf[0], tmp_path / "inputs")
    home = tmp_path / "working"
    (home / "experiments").mkdir(parents=True)
    trains = all_cells(book, tmp_path / "03.ipynb", home, KNOBS | BRIEF, machine, network=False)
    assert trains.wait(1800) == 0
    assert cloud_machine.versions(machine, STAYS) == cloud_machine.versions(spring, STAYS)
