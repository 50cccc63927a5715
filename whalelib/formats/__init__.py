"""File formats of annotation tools, to and from the events table.

A reader gives a `Read`: the events, and one sentence for every row that had to be left out. A file that cannot be read
at all is an `InputError`; one bad row never is. A writer replaces its file in one step, and what it wrote it reads back
to the same bytes. What a format has no place for is refused or gets a column of its own, never dropped without a word;
the last column says what remains. Blanks around a cell mean nothing in either direction, except in the plain tables.

| name | format | reader and writer | what it cannot hold |
|---|---|---|---|
| `raven` | Raven selection table | `read_raven`, `write_raven` | unknown frequencies, once recordings are given |
| `noaa` | NOAA detection log | `read_noaa_log`, `write_noaa_log` | times finer than a microsecond |
| `audacity` | Audacity label file | `read_audacity`, `write_audacity` | refused: see below |
| `birdnet` | BirdNET's CSV file | `read_birdnet`, `write_birdnet` | - |
| `birdnet_raven` | BirdNET's Raven table | `read_birdnet_raven`, `write_birdnet_raven` | as Raven; the label `nocall` |
| `csv` | the events table | `read_csv`, `write_csv` | line breaks: refused; an empty text beside NaN |
| `parquet` | the events table | `read_parquet`, `write_parquet` | - |

A label track has a place for times, label, frequencies and score. So `write_audacity` refuses a second recording, any
channel but the first, and events that are possible or absent: written, they would come back as present.

Every reader can be called as `reader(path, recordings)` and every writer as `writer(path, events, recordings)`;
`READERS` and `WRITERS` find them by name. The plain tables, `csv` and `parquet`, keep the order of the rows and columns
of one's own; the other formats sort events by recording and onset and know no more than the events table does.
`read_recordings` and `write_recordings` are the same for the recordings table, as CSV or Parquet. `write_detections`
writes what a scan found, in several of these formats, into a folder.
"""

from collections.abc import Callable

from whalelib.formats.audacity import read_audacity, write_audacity
from whalelib.formats.birdnet import read_birdnet, read_birdnet_raven, write_birdnet, write_birdnet_raven
from whalelib.formats.naming import FilePath, recording_of_table
from whalelib.formats.noaa import CONFIDENCES, NOAA_COLUMNS, read_noaa_log, write_noaa_log
from whalelib.formats.plain import (
    read_csv,
    read_parquet,
    read_recordings,
    write_csv,
    write_parquet,
    write_recordings,
)
from whalelib.formats.publishing import ONE_A_RECORDING, check_kinds, clear_others, table_of, write_detections
from whalelib.formats.raven import RAVEN_COLUMNS, read_raven, write_raven
from whalelib.formats.text import Read

READERS: dict[str, Callable[..., Read]] = {
    "raven": read_raven,
    "noaa": read_noaa_log,
    "audacity": read_audacity,
    "birdnet": read_birdnet,
    "birdnet_raven": read_birdnet_raven,
    "csv": read_csv,
    "parquet": read_parquet,
}
WRITERS: dict[str, Callable[..., None]] = {
    "raven": write_raven,
    "noaa": write_noaa_log,
    "audacity": write_audacity,
    "birdnet": write_birdnet,
    "birdnet_raven": write_birdnet_raven,
    "csv": write_csv,
    "parquet": write_parquet,
}

__all__ = [
    "CONFIDENCES",
    "NOAA_COLUMNS",
    "ONE_A_RECORDING",
    "RAVEN_COLUMNS",
    "READERS",
    "WRITERS",
    "FilePath",
    "Read",
    "check_kinds",
    "clear_others",
    "read_audacity",
    "read_birdnet",
    "read_birdnet_raven",
    "read_csv",
    "read_noaa_log",
    "read_parquet",
    "read_raven",
    "read_recordings",
    "recording_of_table",
    "table_of",
    "write_audacity",
    "write_birdnet",
    "write_birdnet_raven",
    "write_csv",
    "write_detections",
    "write_noaa_log",
    "write_parquet",
    "write_raven",
    "write_recordings",
]
