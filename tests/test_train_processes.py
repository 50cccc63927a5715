"""Two processes on the CPU: the same detector as one makes, judged on the same clips, written once."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from test_train_tricks import fit, same, tiny

from whalelib import clips, metrics, train
from whalelib.models import build

pytestmark = pytest.mark.usefixtures("one_thread")
# Forty clips in steps of sixteen: the last step of an epoch is a half one. Thirty-one judged: one process has one less.
KNOBS = {"epochs": 2, "accumulation": 2, "ema": 0.5, "clip_gradient": 0.1}


def few(store):
    return tiny(store, validation_clips=31)


def one_of_two(store_folder, folder):
    """What each process runs."""
    torch.set_num_threads(1)
    store, gathered = few(clips.open_store(store_folder)), []
    report = metrics.clip_report

    def looked(targets, scores, classes, **more):
        gathered.append(len(scores))
        return report(targets, scores, classes, **more)

    metrics.clip_report = looked
    written, write = [], Path.write_text
    Path.write_text = lambda self, *a, **k: (written.append(self.name), write(self, *a, **k))[1]
    fit(store, folder, build(classes=store.classes, width=4, dropout=0.0), **KNOBS)
    told = {"gathered": gathered, "written": written, "world": train.processes().num_processes}
    write(Path(folder).parent / f"told-{train.processes().process_index}.json", json.dumps(told))


@pytest.fixture(scope="module")
def by_two(small_store, tmp_path_factory):
    folder = tmp_path_factory.mktemp("two")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    code = "import sys, test_train_processes; test_train_processes.one_of_two(*sys.argv[1:])"
    script = folder / "script.py"
    script.write_text(code)
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", str(port)]
    here = Path(__file__).parent
    path = os.pathsep.join([str(Path(train.__file__).parents[2]), str(here)])
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    command = [*launcher, str(script), str(small_store.folder), str(folder / "fit")]
    child = subprocess.run(command, cwd=here, env=environment, capture_output=True, text=True, timeout=300)
    assert child.returncode == 0, child.stderr[-4000:]
    return folder


def test_two_processes_make_the_detector_that_one_makes(by_two, small_store, tmp_path):
    store = few(small_store)
    one = fit(store, tmp_path / "fit", build(classes=store.classes, width=4, dropout=0.0), **KNOBS)
    same(train.load(by_two / "fit"), one, rtol=1e-3, atol=1e-4)


def test_each_clip_is_judged_once(by_two):
    for told in (json.loads((by_two / f"told-{rank}.json").read_text()) for rank in (0, 1)):
        assert told["world"] == 2
        assert told["gathered"] == [31, 31]


def test_the_first_process_alone_writes(by_two):
    first, second = (json.loads((by_two / f"told-{rank}.json").read_text())["written"] for rank in (0, 1))
    assert any(name.startswith("fitted.json") for name in first)
    assert second == []
    history = pd.read_csv(by_two / "fit" / "history.csv")
    assert history["epoch"].tolist() == [1, 2]
    assert np.isfinite(history).all(axis=None)
