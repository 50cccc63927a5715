"""Reading ahead: the next blocks of a recording are read and resampled while the network is at work."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterator
from typing import Any, TypeVar

Item = TypeVar("Item")


def ahead(items: Iterator[Item], most: int = 2) -> Generator[Item, None, None]:
    """The same items, made by a thread that works ahead by `most` of them.

    What goes wrong there is raised here, in its place. A consumer that stops early stops the thread, too.
    """
    waiting: queue.Queue[tuple[str, Any]] = queue.Queue(most)
    stopped = threading.Event()

    def work() -> None:
        try:
            for item in items:
                waiting.put(("item", item))
                if stopped.is_set():
                    break
            waiting.put(("end", None))
        except BaseException as error:
            waiting.put(("error", error))
        finally:
            if hasattr(items, "close"):
                items.close()  # a file that is half read is closed by whoever reads it

    thread = threading.Thread(target=work, name="reading ahead", daemon=True)
    thread.start()
    try:
        while True:
            kind, value = waiting.get()
            if kind == "item":
                yield value
            elif kind == "error":
                raise value
            else:
                return
    finally:
        stopped.set()
        while thread.is_alive():  # it may be waiting for room
            with waiting.mutex:
                waiting.queue.clear()
                waiting.not_full.notify()
            thread.join(0.01)
