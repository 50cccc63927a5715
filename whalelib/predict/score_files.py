"""Files of scores: one Parquet a recording and channel, which says how it was made and is there only when whole."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from whalelib import audio, tables
from whalelib.errors import InputError

_OLD_SECONDS = 24 * 3600  # a part of another machine's process that has not grown for so long has no process any more
_HOST = socket.gethostname().replace(".", "-")
LONGEST_NAME = 200  # bytes; file systems hold 255, and endings are added

Cells = Iterable[tuple[np.ndarray, np.ndarray, np.ndarray]]


def path_of(folder: str | Path, recording: str, channel: audio.Channel | None = None) -> Path:
    """Where the scores of a recording lie; those of one `channel` of several lie beside the others'."""
    which = "" if channel is None else f".channel{channel}"
    return Path(folder) / f"{recording}{which}.parquet"


def refuse_names(recordings: Iterable[str]) -> None:
    """Raise for a recording whose name cannot be a file's, or that is there twice."""
    known = set()
    for name in recordings:
        if name in known:
            raise InputError(f"the recording {name!r} is there twice: give every recording its own id.")
        known.add(name)
        if not name or set("/\\\0") & set(name) or len(name.encode()) > LONGEST_NAME:
            raise InputError(
                f"the recording {name[:80]!r} cannot give its name to a file of scores: give it an id without slashes "
                f"of at most {LONGEST_NAME} bytes."
            )


def write(target: Path, recording: str, classes: Sequence[str], cells: Cells, about: dict[str, Any]) -> None:
    """Write stretches of scores as they come, and with them what `about` holds when the last one has come."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema(
        [("recording", pa.dictionary(pa.int32(), pa.string())), ("onset", pa.float64()), ("offset", pa.float64())]
        + [(name, pa.float32()) for name in classes]
    )
    with replacing(target) as part, pq.ParquetWriter(part, schema) as writer:
        for onset, offset, scores in cells:
            name = pa.DictionaryArray.from_arrays(np.zeros(len(onset), np.int32), [recording])
            columns = [name, onset, offset, *np.ascontiguousarray(scores.T)]
            writer.write_batch(pa.record_batch([pa.array(c) for c in columns], schema=schema))
        writer.add_key_value_metadata({"whalelib": json.dumps(about)})


def about(target: Path) -> dict[str, Any] | None:
    """What a file of scores says of itself; None if there is none, or none that is whole."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return json.loads(pq.read_metadata(target).metadata[b"whalelib"])
    except (OSError, pa.ArrowInvalid, KeyError, TypeError, ValueError):
        return None


def read(path: Path) -> pd.DataFrame:
    """The scores in one of these files."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.read_table(path).to_pandas()
    except (OSError, pa.ArrowInvalid) as error:
        path.unlink(missing_ok=True)  # its end, by which a file counts as done, may be whole
        raise InputError(
            f"{path} could not be read ({error}) and was removed: scan again, which makes it anew."
        ) from None


def read_scores(folder: str | Path, recordings: Sequence[str]) -> pd.DataFrame:
    """The scores of these recordings; those that the receipt calls failed have none."""
    parts = [read(path) for path in (path_of(folder, name) for name in recordings) if path.exists()]
    if not parts:
        raise InputError(f"{folder} holds no scores of these recordings: scan them first.")
    scores = pd.concat(parts, ignore_index=True)
    return tables.check_scores(scores, [c for c in scores.columns if c not in tables.SCORES], str(folder))


@contextlib.contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """A file to write to that becomes `target` when all went well, and is gone otherwise."""
    part = target.with_name(f"{target.name}.{_HOST}.{os.getpid()}.part")
    try:
        yield part
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def sweep(folder: Path) -> None:
    """Remove what killed processes have left half written in a folder; what living ones are writing stays."""
    for part in folder.glob("*.part"):
        with contextlib.suppress(OSError):
            if not _being_written(part):
                part.unlink()


def _being_written(part: Path) -> bool:
    """Does the process live that its name tells of? Of another machine's it can only be seen whether it still grows."""
    *_, host, process, _ = f"..{part.name}".split(".")
    if host != _HOST or os.name != "posix" or not process.isdigit():
        return time.time() - part.stat().st_mtime < _OLD_SECONDS
    if int(process) == os.getpid():
        return False  # this one has not begun yet
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
