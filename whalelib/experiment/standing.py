"""Processes that stand ready for runs: each has loaded what all runs need, and every run is a fork of one.

A run has a process of its own, so that one which is killed, or eats the memory, takes no other with it. To load
papermill and what it needs takes some two seconds of a processor, which a fork does not take again.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import select
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from typing import Any

GRACE_SECONDS = 15.0  # for a run to end by itself, kernel and all

_idle: queue.LifoQueue[Standing] = queue.LifoQueue()  # of this process; they end when it does


class Standing:
    """One of them, seen from the process that gives the orders. It does one run at a time."""

    def __init__(self, *words: str) -> None:
        self.errors = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115 - lives as long as the process
        self.process = subprocess.Popen(
            [sys.executable, *(words or ("-m", "whalelib.cli", "stand-ready"))],
            stdin=subprocess.PIPE,  # all of it ends when this closes, and this closes when we die, however we die
            stdout=subprocess.PIPE,
            stderr=self.errors,
            start_new_session=True,
        )
        assert self.process.stdin and self.process.stdout
        self.orders, self.answers = self.process.stdin, self.process.stdout

    def do(self, order: Mapping[str, Any], given_up: Callable[[], bool]) -> int:
        """The status of a fork that did what is ordered, or minus the signal that ended it. Never 0 if given up."""
        self.errors.seek(0)
        self.errors.truncate()
        with contextlib.suppress(BrokenPipeError):  # a dead one says so below
            self.orders.write(json.dumps(order).encode() + b"\n")
            self.orders.flush()
        answered = False
        while not answered and not given_up():
            answered = bool(select.select([self.answers], [], [], 1.0)[0])
        answer = self.answers.readline() if answered else b""
        return int(answer) if answer else self.end() or 1

    def last_words(self) -> str:
        """The last line that the last run wrote to standard error."""
        self.errors.seek(0)
        return (self.errors.read().strip().splitlines() or [""])[-1]

    def end(self) -> int:
        """End it and what it does; its status."""
        with contextlib.suppress(BrokenPipeError):
            self.orders.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(GRACE_SECONDS)
        self.process.kill()
        return self.process.wait()


def in_own_process(order: Mapping[str, Any], given_up: Callable[[], bool]) -> str:
    """Have an order done by a process of its own, until nobody wants it any more: how that died, or nothing."""
    try:
        one = _idle.get_nowait()
    except queue.Empty:
        one = Standing()
    status, said = one.do(order, given_up), one.last_words()
    if one.process.poll() is None:
        _idle.put(one)
    if status == 0:
        return ""
    how = f"signal {-status} ended its process" if status < 0 else f"its process ended with status {status}"
    return f"{how}{': ' + said if said else ''}"


def dismiss() -> None:
    """End those that have nothing to do."""
    with contextlib.suppress(queue.Empty):
        while True:
            _idle.get_nowait().end()


def stand_ready(do: Callable[[Mapping[str, Any]], None]) -> None:
    """In such a process: fork for every order that comes in, and tell how the fork ended.

    Whoever gives the orders keeps the pipe open that they come through. A fork holds its other end, too: while it works
    no order comes, so that all it can read there is the end.
    """
    import papermill  # noqa: F401 - what takes long to load

    with open(0, "rb", buffering=0, closefd=False) as orders:  # nothing may be read ahead of what is asked for
        while line := orders.readline():
            fork = os.fork()
            if not fork:
                os.setsid()
                os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what it prints is no answer
                order = json.loads(line)
                os.environ.update(order["environment"])
                do(order)
                sys.stderr.flush()
                os._exit(0)  # at once: to take down what was loaded, bit by bit, takes half a second
            _, ended = os.waitpid(fork, 0)
            os.write(1, b"%d\n" % os.waitstatus_to_exitcode(ended))
