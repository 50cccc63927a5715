"""One file of a Hugging Face data set, parquet or a stream of Arrow: its columns, what they mean, its rows."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from whalelib.errors import InputError

ROWS_AT_ONCE = 16  # rows of sound in memory


class BrokenShard(InputError):
    """A file of a data set that cannot be read; the others may be."""


@dataclass(frozen=True)
class Shard:
    """An opened file; `features` is what the set's maker wrote of its columns."""

    path: Path
    place: str  # where it comes from, which sentences name
    columns: dict[str, Any]  # name to Arrow type
    features: dict[str, Any]

    @classmethod
    def opened(cls, path: Path, place: str) -> Shard:
        """The shard of a local file, or of the local copy of a file elsewhere."""
        with _told(place):
            reader = cls(path, place, {}, {})._reader()
            schema = reader.schema_arrow if _is_parquet(path) else reader.schema
            columns = {field.name: field.type for field in schema}
            about = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
        info = about.get("info") if isinstance(about, dict) else None
        features = info.get("features") if isinstance(info, dict) else None
        return cls(path, place, columns, features if isinstance(features, dict) else {})

    def rows(self, *columns: str) -> Iterator[dict[str, Any]]:
        """The cells of these columns, or of parts of them (as in "audio.path"), row by row."""
        wanted = [name for name in columns if name]
        with _told(self.place):
            reader = self._reader()
            if _is_parquet(self.path):  # of which only what is wanted is read; an Arrow stream is mapped, not read
                reader = reader.iter_batches(ROWS_AT_ONCE, columns=wanted or [next(iter(self.columns))])
            for batch in reader:
                batch.validate(full=True)  # a changed byte may point outside of the file
                for first in range(0, batch.num_rows, ROWS_AT_ONCE):
                    few = batch.slice(first, ROWS_AT_ONCE)
                    values = {name: self._cells(few, name).to_pylist() for name in wanted}
                    yield from ({name: values[name][row] for name in wanted} for row in range(few.num_rows))

    def file_names(self, sound: str, number: int) -> list[str]:
        """A name for each row's sound, without ending: its number in the data set and the name that it came with."""
        path = f"{sound}.path" if self.holds(sound, "path") else ""
        named = [row.get(path) or "" for row in self.rows(path)]
        stems = [PurePosixPath(name.replace("\\", "/")).stem for name in named]
        safe = [re.sub(r"[^\w.-]+", "_", stem)[:80] for stem in stems]
        return [f"{number + row:06d}-{stem}" if stem else f"{number + row:06d}" for row, stem in enumerate(safe)]

    def check_lengths(self, *columns: Sequence[Any]) -> None:
        """Refuse a file whose columns were found to have different numbers of rows."""
        if len(set(map(len, columns))) > 1:
            raise BrokenShard(f"{self.place} has columns of different lengths: fetch or save the data set again.")

    def holds(self, column: str, part: str) -> bool:
        """Has this column a part of this name?"""
        import pyarrow as pa

        kind = self.columns[column]
        return pa.types.is_struct(kind) and kind.get_field_index(part) >= 0

    def is_audio(self, column: str) -> bool:
        """Did the set's maker mark this column as sound?"""
        feature = self.features.get(column)
        return isinstance(feature, dict) and feature.get("_type") == "Audio"

    def class_names(self, column: str) -> list[str]:
        """The names behind the numbers of a column of class labels, or of lists of them; empty if it has none."""
        feature = self.features.get(column)
        while isinstance(feature, list) or (isinstance(feature, dict) and "feature" in feature):
            feature = (feature[0] if feature else None) if isinstance(feature, list) else feature["feature"]
        if not isinstance(feature, dict) or feature.get("_type") != "ClassLabel":
            return []
        names = feature.get("names")
        return [str(name) for name in names] if isinstance(names, list) else []

    def _cells(self, batch: Any, name: str) -> Any:
        if name in self.columns:
            return batch.column(name)
        column, _, part = name.rpartition(".")
        return batch.column(column).field(part)

    def _reader(self) -> Any:
        import pyarrow as pa
        import pyarrow.parquet as pq

        if _is_parquet(self.path):
            return pq.ParquetFile(self.path)
        return pa.ipc.open_stream(pa.memory_map(str(self.path)))


@contextmanager
def _told(place: str) -> Iterator[None]:
    """Whatever a reader of columns raises about a file is one sentence."""
    import pyarrow as pa

    try:
        yield
    except (OSError, ValueError, LookupError, pa.ArrowException) as error:
        reason = " ".join(str(error).split()).rstrip(".")
        raise BrokenShard(f"{place} cannot be read ({reason}): fetch or save the data set again.") from None


def _is_parquet(path: Path) -> bool:
    return path.suffix == ".parquet"
