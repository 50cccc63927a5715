"""Processes that stand ready for runs: what they load once, what each fork has for itself, and how all of it ends."""

import os
import signal
import time

import psutil
import pytest

from whalelib.experiment import standing

# What stands ready here does orders such as {"do": "exit", "status": 3}, and writes what it is into a file.
PROGRAM = """
import os, signal, sys, time
from whalelib.experiment import standing

def do(order):
    with open(order["diary"], "a") as diary:
        print(os.getpid(), os.getppid(), "papermill" in sys.modules, os.environ.get("SEA", ""), file=diary)
    print("0")  # what a run prints is no answer
    if order["do"] == "exit":
        sys.exit(order["status"])
    if order["do"] == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if order["do"] == "wait":
        sys.stdin.read()
        sys.exit(130)
    if order["do"] == "raise":
        raise ValueError("the sea is rough")

standing.stand_ready(do)
"""


@pytest.fixture
def one():
    ready = standing.Standing("-c", PROGRAM)
    yield ready
    ready.end()


def order(tmp_path, do="well", **more):
    return {"do": do, "diary": str(tmp_path / "diary.txt"), "environment": more.pop("environment", {}), **more}


def never():
    return False


def test_each_order_is_a_process_of_its_own_with_what_was_loaded_before(one, tmp_path):
    assert one.do(order(tmp_path, environment={"SEA": "north"}), never) == 0
    assert one.do(order(tmp_path), never) == 0
    first, second = (line.split() for line in (tmp_path / "diary.txt").read_text().splitlines())
    assert first[0] != second[0] and first[1] == second[1] == str(one.process.pid)
    assert first[2] == second[2] == "True"
    assert first[3:] == ["north"] and second[3:] == []  # nothing stays of an order's environment


@pytest.mark.parametrize(
    ("how", "status", "says"),
    [
        ({"do": "exit", "status": 3}, 3, ""),
        ({"do": "die"}, -signal.SIGKILL, ""),
        ({"do": "raise"}, 1, "ValueError: the sea is rough"),
    ],
)
def test_a_fork_that_ends_badly_is_told_of_and_the_next_one_is_done(one, tmp_path, how, status, says):
    assert one.do(order(tmp_path, **how), never) == status
    assert one.last_words() == says
    assert one.do(order(tmp_path), never) == 0
    assert one.last_words() == ""


def test_what_nobody_wants_any_more_is_ended(one, tmp_path):
    begun = time.monotonic()
    assert one.do(order(tmp_path, "wait"), lambda: (tmp_path / "diary.txt").exists()) != 0
    assert time.monotonic() - begun < standing.GRACE_SECONDS
    assert one.process.poll() is not None
    fork = int((tmp_path / "diary.txt").read_text().split()[0])
    assert not psutil.pid_exists(fork)


def test_a_fork_ends_with_whoever_ordered_it_though_what_stood_ready_was_killed(one, tmp_path):
    def killed():
        if (tmp_path / "diary.txt").exists():
            one.process.kill()
        return False

    assert one.do(order(tmp_path, "wait"), killed) == -signal.SIGKILL
    fork = int((tmp_path / "diary.txt").read_text().split()[0])
    deadline = time.monotonic() + 30
    while psutil.pid_exists(fork) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not psutil.pid_exists(fork)


def test_an_idle_one_serves_the_next_order_and_a_dead_one_does_not(monkeypatch, tmp_path):
    made = []

    class Counted(standing.Standing):
        def __init__(self):
            super().__init__("-c", PROGRAM)
            made.append(self)

    monkeypatch.setattr(standing, "Standing", Counted)
    assert standing.in_own_process(order(tmp_path), never) == ""
    assert standing.in_own_process(order(tmp_path, "die"), never) == "signal 9 ended its process"
    assert len(made) == 1
    os.kill(made[0].process.pid, signal.SIGKILL)
    assert "signal 9" in standing.in_own_process(order(tmp_path), never)
    assert standing.in_own_process(order(tmp_path), never) == ""
    assert len(made) == 2
    standing.dismiss()
    assert made[1].process.poll() is not None
