"""One Arrow file of a store: written block by block from arrays, as large as memory, and told by size and checksum."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from types import TracebackType
from typing import Any

import numpy as np

# How an Arrow stream ends; a file that was cut short does not.
END_OF_STREAM = b"\xff\xff\xff\xff\x00\x00\x00\x00"


def schema(length: int, classes: int, cells: int) -> Any:
    """The columns of a shard of clips."""
    import pyarrow as pa

    return pa.schema(
        [
            ("waveform", pa.list_(pa.int16(), length)),
            ("targets", pa.list_(pa.float32(), classes)),
            ("frames", pa.list_(pa.int8(), cells * classes)),
            ("weight", pa.float32()),
            ("recording", pa.string()),
            ("onset", pa.float64()),
            ("seconds", pa.float64()),
            ("channel", pa.int32()),
            ("group", pa.string()),
        ]
    )


class Writer:
    """Writes blocks of rows to a file of this name and `.tmp`."""

    def __init__(self, path: Path, schema: Any) -> None:
        self.path, self.schema = path, schema

    def __enter__(self) -> Writer:
        import pyarrow as pa

        self.sink = pa.OSFile(str(_unfinished(self.path)), "wb")
        self.stream = pa.ipc.new_stream(self.sink, self.schema)
        return self

    def write(self, **columns: Any) -> None:
        """A block: one array (or list) a column, their first axis the rows."""
        import pyarrow as pa

        if not len(columns[self.schema.names[0]]):
            return
        arrays = []
        for field in self.schema:
            values = columns[field.name]
            if pa.types.is_fixed_size_list(field.type):
                flat = pa.array(np.ascontiguousarray(values).reshape(-1), field.type.value_type)
                arrays.append(pa.FixedSizeListArray.from_arrays(flat, type=field.type))
            else:
                arrays.append(pa.array(values, field.type))
        self.stream.write_batch(pa.record_batch(arrays, schema=self.schema))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stream.close()
        self.sink.close()


# Threads and not processes: resampling, decoding, checksums and waits for a disk go on side by side in them, and they
# start at once. (Many small files of the right rate on a fast disk gain nothing, for opening them is Python's own work;
# a fork would be faster there, and is not safe beside the threads of torch and Arrow.)
def written_at_once(
    work: Iterable[Any], write: Callable[[Any], dict[str, Any]], workers: int, stop: Event
) -> list[dict[str, Any]]:
    """The receipts of all shards, in order. Where one cannot be written, `stop` tells the others, and none is begun."""
    with ThreadPoolExecutor(workers) as pool:
        waiting = [pool.submit(write, one) for one in work]
        try:
            return [one.result() for one in waiting]
        except BaseException:
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def finish(path: Path, problems: list[str]) -> dict[str, Any]:
    """Give a written shard its name, and a receipt beside it: clips, bytes, checksum, and what was left out."""
    import pyarrow as pa

    written = _unfinished(path)
    with pa.memory_map(str(written)) as source:
        clips = sum(batch.num_rows for batch in pa.ipc.open_stream(source))
    receipt = {"clips": clips, "bytes": written.stat().st_size, "sha256": checksum(written), "problems": problems}
    written.rename(path)
    aside = receipt_of(path).with_suffix(".tmp")
    aside.write_text(json.dumps(receipt), encoding="utf-8")
    aside.rename(receipt_of(path))
    return receipt


def finished(path: Path) -> dict[str, Any] | None:
    """The receipt of a shard that an earlier build finished, if it is there and whole."""
    try:
        receipt = json.loads(receipt_of(path).read_text(encoding="utf-8"))
        whole = path.stat().st_size == receipt["bytes"] and checksum(path) == receipt["sha256"]
    except (OSError, ValueError, KeyError):
        return None
    return receipt if whole else None


def receipt_of(path: Path) -> Path:
    """Where the receipt of a shard lies while the store is built."""
    return path.with_suffix(".json")


def checksum(path: Path) -> str:
    """SHA-256 of a file."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def ends_well(path: Path) -> bool:
    """Is the end of the Arrow stream there?"""
    with open(path, "rb") as file:
        file.seek(0, 2)
        file.seek(max(file.tell() - len(END_OF_STREAM), 0))
        return file.read() == END_OF_STREAM


def _unfinished(path: Path) -> Path:
    return path.with_name(f"{path.name}.tmp")
