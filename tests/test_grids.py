"""Grids in several processes and on a cluster: all runs, none twice, whoever dies, and how far they have come."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections import Counter

import psutil
import pytest
from toys import PLAN, begun, ended, lay, told, written

from whalelib import experiment
from whalelib.errors import InputError
from whalelib.experiment.dealing import Processes

LONG = 120  # seconds until a test gives up waiting


@pytest.fixture
def toy(tmp_path, monkeypatch):
    return lay(tmp_path, monkeypatch)


def whalelib(*words, **environment):
    """The command line as a process of its own."""
    command = [sys.executable, "-m", "whalelib.cli", *map(str, words)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen(command, env={**os.environ, **environment}, start_new_session=True, **pipes)


def until(true):
    deadline = time.monotonic() + LONG
    while not true():
        assert time.monotonic() < deadline, "it never came to pass"
        time.sleep(0.05)


def states(toy):
    return [row.state for row in experiment.status(experiment.load_experiment(toy))]


ALL = ["wrap 0", "wrap 1", "zeros 0", "zeros 1"]


def test_several_processes_do_all_runs_once(toy):
    grid = whalelib("grid", toy, "--jobs", 2, TOY_SECONDS="0.5")
    said, _ = grid.communicate(timeout=LONG)
    assert grid.returncode == 0, said
    assert sorted(begun(toy)) == sorted(ended(toy)) == ALL
    assert "4 of 4 runs are done" in said
    assert re.search(r"\d of 4 runs left, about \d+ s", said)
    runs = experiment.runs(experiment.load_experiment(toy))
    assert all((run.folder / "03_train.ipynb").exists() for run in runs)


def test_a_failed_run_ends_no_other_and_the_exit_status_says_so(toy):
    grid = whalelib("grid", toy, "--jobs", 2, TOY_FAILS="wrap 1")
    said, _ = grid.communicate(timeout=LONG)
    assert grid.returncode == 1, said
    assert "1 failed, the first being padding=wrap,seed=1" in said
    assert sorted(ended(toy)) == ["wrap 0", "zeros 0", "zeros 1"]
    failed = experiment.runs(experiment.load_experiment(toy))[1]
    assert failed.result["stage"] == "train"
    assert "the toy broke" in failed.result["reason"]
    assert "the toy broke" in (failed.folder / failed.result["notebook"]).read_text()


def test_a_run_whose_process_is_killed_is_begun_again(toy, monkeypatch):
    monkeypatch.setenv("TOY_DIES", "zeros 0")
    monkeypatch.setenv("TOY_DEATHS", "1")
    runs = experiment.run_grid(experiment.load_experiment(toy), dealer=Processes(2))
    assert [run.result["status"] for run in runs] == ["done"] * 4
    assert sorted(ended(toy)) == ALL
    assert Counter(begun(toy))["zeros 0"] == 2


def test_a_run_that_kills_every_process_has_failed(toy, monkeypatch, capsys):
    plan = {**PLAN, "grid": {"padding": ["zeros"]}}
    monkeypatch.setenv("TOY_DIES", "zeros 0")
    monkeypatch.setenv("TOY_DEATHS", "9")
    runs = experiment.run_grid(experiment.load_experiment(written(toy, plan)), dealer=Processes(2))
    assert [run.result["status"] for run in runs] == ["failed", "done"]
    assert "signal 9" in runs[0].result["reason"]
    assert capsys.readouterr().out.count("begun again") == 2


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_grid_leaves_nothing_behind_and_goes_on(toy, jobs, sent):
    grid = whalelib("grid", toy, "--jobs", jobs, TOY_SECONDS="60")
    until(lambda: len(begun(toy)) == jobs)
    family = psutil.Process(grid.pid).children(recursive=True)
    assert len(family) >= jobs
    assert states(toy).count("running") == jobs
    grid.send_signal(sent)
    said, _ = grid.communicate(timeout=LONG)
    assert grid.returncode == 130, said
    assert "goes on where it stopped" in said
    until(lambda: not any(process.is_running() and process.status() != "zombie" for process in family))
    assert states(toy) == ["waiting"] * 4  # an interrupted run has not failed
    if jobs == 2 and sent == signal.SIGTERM:
        experiment.run_grid(experiment.load_experiment(toy), dealer=Processes(2))
        assert sorted(ended(toy)) == ALL


def test_two_grids_of_one_experiment_share_its_runs(toy):
    grids = [whalelib("grid", toy, TOY_SECONDS="0.5") for _ in range(2)]
    for grid in grids:
        said, _ = grid.communicate(timeout=LONG)
        assert grid.returncode == 0, said
        assert "4 of 4 runs are done" in said
    assert sorted(begun(toy)) == ALL


def test_status_tells_what_is_done_failed_running_stale_and_waiting(toy):
    plan = {**PLAN, "grid": {"padding": ["wrap"]}, "seeds": [0, 1, 2]}
    grid = whalelib("grid", written(toy, plan), TOY_FAILS="wrap 1")
    grid.communicate(timeout=LONG)
    grid = whalelib("grid", written(toy, {**plan, "seeds": [0, 1, 2, 3, 4]}), TOY_SECONDS="60")
    until(lambda: "wrap 3" in begun(toy))
    told_by = whalelib("status", toy, "--json")
    rows = json.loads(told_by.communicate(timeout=LONG)[0])
    assert [row["state"] for row in rows] == ["done", "failed", "done", "running", "waiting"]
    assert [row["figure"] for row in rows] == [0.5, None, 2.5, None, None]
    assert rows[1]["reason"].startswith("RuntimeError: the toy broke")
    assert rows[3]["where"].startswith(socket.gethostname())
    grid.kill()
    grid.communicate()
    until(lambda: states(toy)[3] == "waiting")  # the dead run nothing
    assert "2 done, 1 failed, 2 waiting; about" in whalelib("status", toy).communicate(timeout=LONG)[0]
    written(toy, {**plan, "base": {"epochs": 2}})
    assert states(toy) == ["stale"] * 3


class Cluster:
    """A Dask scheduler and its workers, each a process on the loopback."""

    def __init__(self, folder, workers):
        self.folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
        port = self.address.rsplit(":", 1)[1]
        self.processes = [self.start("scheduler", "--host", "127.0.0.1", "--port", port, "--no-dashboard")]
        self.processes += [
            self.start("worker", self.address, "--no-nanny", "--nthreads", "1", "--no-dashboard")
            for _ in range(workers)
        ]

    def start(self, kind, *words):
        command = [sys.executable, "-m", "dask", kind, *words]
        with (self.folder / f"{kind}.log").open("a") as log:
            return subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=log, start_new_session=True)

    def stop(self):
        for process in self.processes:
            process.kill()
            process.wait(10)


def killed_half_way(toy, tmp_path, runs, monkeypatch):
    """A grid on two workers, one of which is killed when half of the runs are done; what it said."""
    monkeypatch.setenv("TOY_SECONDS", "0.3")
    cluster = Cluster(tmp_path, 2)
    grid = whalelib("grid", toy, "--dask", cluster.address)
    try:
        until(lambda: (len(ended(toy)) >= runs // 2 and len(begun(toy)) > len(ended(toy))) or grid.poll() is not None)
        cluster.processes[1].kill()
        said, _ = grid.communicate(timeout=5 * LONG)
        assert grid.returncode == 0, said
        return said
    finally:
        grid.kill()
        cluster.stop()


def test_a_killed_worker_costs_no_run_and_makes_none_twice(toy, tmp_path, monkeypatch):
    written(toy, {**PLAN, "seeds": [0, 1, 2]})
    said = killed_half_way(toy, tmp_path, 6, monkeypatch)
    assert "6 of 6 runs are done" in said
    assert Counter(ended(toy)) == Counter(f"{padding} {seed}" for padding in ("wrap", "zeros") for seed in range(3))
    assert len(begun(toy)) in (6, 7)  # what the dead worker was at is begun again


@pytest.mark.slow
def test_twenty_four_runs_on_two_workers_one_of_which_is_killed(toy, tmp_path, monkeypatch):
    written(toy, {**PLAN, "seeds": list(range(12))})
    said = killed_half_way(toy, tmp_path, 24, monkeypatch)
    assert "24 of 24 runs are done" in said
    assert Counter(ended(toy)) == Counter(f"{padding} {seed}" for padding in ("wrap", "zeros") for seed in range(12))
    assert len(begun(toy)) in (24, 25)


def test_an_address_without_a_scheduler_is_one_sentence(toy, monkeypatch):
    from whalelib.experiment import cluster

    monkeypatch.setattr(cluster, "_ANSWER_SECONDS", 0.5)
    with pytest.raises(InputError, match="no Dask scheduler answers at tcp://127.0.0.1:9"):
        cluster.Dask("tcp://127.0.0.1:9")
    assert told(toy) == []


def test_work_on_one_place_is_done_by_one_process_and_the_dead_hold_nothing(tmp_path, toy):
    script = (
        "import sys, time; from pathlib import Path; from whalelib import experiment\n"
        "place, diary, seconds = Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])\n"
        "with experiment.alone(place):\n"
        "    with diary.open('a') as file: file.write('in\\n')\n"
        "    time.sleep(seconds)\n"
        "    with diary.open('a') as file: file.write('out\\n')\n"
    )
    place, diary = tmp_path / "product", tmp_path / "order.txt"

    def work(seconds):
        return subprocess.Popen([sys.executable, "-c", script, str(place), str(diary), str(seconds)])

    first = work(60)
    until(lambda: diary.exists() and diary.read_text() == "in\n")
    assert experiment.holder(place)["pid"] == first.pid
    others = [work(0.2) for _ in range(3)]
    first.kill()
    first.wait()
    assert [other.wait(LONG) for other in others] == [0, 0, 0]
    assert diary.read_text() == "in\n" + 3 * "in\nout\n"
    assert experiment.holder(place) is None


def test_the_rest_takes_what_its_case_took_or_what_all_did():
    def row(case, state, seconds=None):
        return experiment.Row("", case, state, seconds, None)

    waiting = [row("short", "waiting"), row("long", "waiting"), row("new", "waiting")]
    assert experiment.seconds_left(waiting, 1) is None
    done = [row("short", "done", 10), row("short", "done", 20), row("long", "done", 120), row("long", "failed", 1)]
    assert experiment.seconds_left([*done, *waiting], 1) == 15 + 120 + 50
    assert experiment.seconds_left([*done, *waiting], 2) == 120  # the longest cannot be shared
    assert experiment.seconds_left([*done, row("long", "running", 100)], 1) == 20
    assert experiment.seconds_left([*done, row("long", "running", 500)], 1) == 0
    assert experiment.seconds_left(done, 1, undrawn=2) == 100
