"""Runs on a real mlflow server on the loopback; and what a server costs that is not there."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import warnings
from types import SimpleNamespace

import pytest

from whalelib import experiment, tracking
from whalelib.config import resolve

mlflow = pytest.importorskip("mlflow")
BOUND_SECONDS = 120


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """Its address, and a client to look with."""
    folder = tmp_path_factory.mktemp("mlflow")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        sys.executable, "-m", "mlflow", "server", "--backend-store-uri", f"sqlite:///{folder}/runs.db",
        "--artifacts-destination", str(folder / "artifacts"), "--host", "127.0.0.1", "--port", str(port),
        "--workers", "1",
    ]  # fmt: skip
    with (folder / "log.txt").open("w") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, start_new_session=True)
    url, plain = f"http://127.0.0.1:{port}", urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for _ in range(2 * BOUND_SECONDS):
        with contextlib.suppress(OSError):
            plain.open(f"{url}/health", timeout=2).close()
            break
        if process.poll() is not None:
            break
        time.sleep(0.5)
    else:
        process.terminate()
        pytest.fail(f"the server did not start: {(folder / 'log.txt').read_text()[-2000:]}")
    assert process.poll() is None, (folder / "log.txt").read_text()[-2000:]
    yield SimpleNamespace(url=url, client=mlflow.MlflowClient(tracking_uri=url))
    os.killpg(process.pid, signal.SIGKILL)  # it is slow to go by itself
    process.wait(20)


@pytest.fixture(autouse=True)
def no_run_of_anyone_else(monkeypatch):
    for name in ("MLFLOW_RUN_ID", "MLFLOW_TRACKING_URI", "http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def unused():
    """An address at which nobody answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"


def runs(server, name):
    number = server.client.get_experiment_by_name(name).experiment_id
    return {run.info.run_name: run for run in server.client.search_runs([number])}


def artifacts(server, run, place=None):
    found = set()
    for one in server.client.list_artifacts(run.info.run_id, place):
        found |= artifacts(server, run, one.path) if one.is_dir else {one.path}
    return found


def test_a_training_alone_is_a_run_with_knobs_curve_and_model(server, small_store, tmp_path):
    from test_train_tricks import fit, tiny

    found = fit(tiny(small_store), tmp_path / "fit", mlflow_server=server.url, mlflow_experiment="alone", ema=0.5)
    (run,) = runs(server, "alone").values()
    assert run.info.status == "FINISHED"
    assert run.data.params["ema"] == "0.5"
    assert run.data.params["model"] == "small_cnn"
    curve = server.client.get_metric_history(run.info.run_id, "eval_ap")
    assert [point.value for point in curve] == pytest.approx(found.history["validation_ap"].tolist())
    assert [point.step for point in curve] == [3, 6, 9]
    assert {"model/model.safetensors", "model/config.json", "history.csv"} <= artifacts(server, run)


def test_a_training_that_fails_is_a_run_that_failed(server):
    with pytest.raises(RuntimeError), tracking.training(server.url, "failing", "x", {"seed": 1}):
        raise RuntimeError
    (run,) = runs(server, "failing").values()
    assert run.info.status == "FAILED"


@pytest.fixture
def grid(server, tmp_path, monkeypatch):
    """A grid of two runs whose one notebook is a real one, as small as can be."""
    monkeypatch.setenv("WHALELIB_HOME", str(tmp_path))
    (tmp_path / "experiments").mkdir()
    cell = (
        "import os\nfrom pathlib import Path\nfrom whalelib import config, experiment, tracking\n"
        "knobs = config.from_notebook(globals())\n"
        "with tracking.training(mlflow_server, mlflow_experiment, 'detector', {}) as run:\n"
        "    run.metrics({'eval_ap': 0.1}, 1), run.metrics({'eval_ap': 0.2 + seed}, 2)\n"
        "figures = Path(run_folder) / 'figures'\nfigures.mkdir(exist_ok=True)\n"
        "(figures / 'sea.png').write_bytes(b'png')\n"
        "experiment.record(run_folder, 'train', knobs, test_ap=0.5 + seed, left_out=[])\n"
        "assert n_mels != 13"
    )
    import nbformat

    tagged = nbformat.v4.new_code_cell("run_folder = ''", metadata={"tags": ["parameters"]})
    kernel = {"kernelspec": {"name": "python3", "language": "python", "display_name": "Python 3"}}
    book = nbformat.v4.new_notebook(cells=[tagged, nbformat.v4.new_code_cell(cell)], metadata=kernel)
    (tmp_path / "notebooks").mkdir()
    nbformat.write(book, tmp_path / "notebooks" / "03_train.ipynb")
    content = {
        "title": "Bands", "question": "How many?", "expectation": "More.", "metric": "test_ap", "stages": ["train"],
        "grid": {"n_mels": [8, 13]}, "seeds": [0],
        "base": {"mlflow_server": server.url, "mlflow_experiment": "whales"},
    }  # fmt: skip
    path = tmp_path / "experiments" / "bands.yaml"
    path.write_text(json.dumps(content))
    return path


def test_a_notebook_run_is_a_run_nested_under_its_grid(server, grid, monkeypatch):
    import functools

    asked = experiment.load_experiment(grid)
    experiment.run_grid(asked, around=functools.partial(tracking.notebook, grid=asked.name))
    found = runs(server, "whales")
    parent, good, bad = found["bands"], found["n_mels=8,seed=0/train"], found["n_mels=13,seed=0/train"]
    assert {run.data.tags.get("mlflow.parentRunId") for run in (good, bad)} == {parent.info.run_id}
    assert (good.info.status, bad.info.status) == ("FINISHED", "FAILED")
    knobs = resolve({"n_mels": 8, "mlflow_server": server.url, "mlflow_experiment": "whales"}).flat()
    assert good.data.params == {name: str(value) for name, value in knobs.items()}
    assert good.data.metrics["test_ap"] == 0.5
    history = server.client.get_metric_history(good.info.run_id, "eval_ap")  # from inside the notebook
    assert [(point.step, point.value) for point in history] == [(1, 0.1), (2, 0.2)]
    assert {"03_train.ipynb", "figures/sea.png", "train.json"} <= artifacts(server, good)
    assert "03_train.ipynb" in artifacts(server, bad)  # with its traceback
    assert "MLFLOW_RUN_ID" not in os.environ
    # A grid that is gone on with has one parent still.
    experiment.run_grid(asked, retry=True, around=functools.partial(tracking.notebook, grid=asked.name))
    assert len([run for run in runs(server, "whales") if run == "bands"]) == 1


def test_a_server_that_is_not_there_costs_a_warning_and_not_the_run(unused, tmp_path):
    knobs = resolve({"mlflow_server": unused}).flat()
    with (
        pytest.warns(UserWarning, match=f"mlflow at {unused} does not answer .*: the run is not tracked") as said,
        tracking.notebook("train", knobs, tmp_path),
    ):
        (tmp_path / "train.json").write_text('{"values": {"ap": 1.0}}')
    assert len(said) == 1
    with pytest.warns(UserWarning) as said, tracking.training(unused, "x", "y", {"seed": 1}) as run:
        run.metrics({"ap": 1.0}, 1)
        run.keep(tmp_path)
    assert len(said) == 1


def test_a_server_that_dies_costs_a_warning_and_not_the_run(server, monkeypatch, unused, tmp_path):
    with (
        pytest.warns(UserWarning, match="does not answer") as said,
        tracking.training(server.url, "dying", "y", {"seed": 1}) as run,
    ):
        run.metrics({"ap": 1.0}, 1)
        run.client = mlflow.MlflowClient(tracking_uri=unused)
        for step in range(2, 5):
            run.metrics({"ap": 1.0}, step)
    assert len(said) == 1


def test_without_a_server_nothing_is_tracked(tmp_path, monkeypatch):
    monkeypatch.setattr(tracking, "_client", None)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with tracking.training("", "x", "y", {}) as run:
            assert run is None
        with tracking.notebook("train", resolve({}).flat(), tmp_path):
            pass
