"""The register of benchmarks, and the process that runs them."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from whalelib.bench import augmenting, decoding, grids, pictures, scan_speed, scanning, storing, training

BENCHMARKS: dict[str, Callable[[Path], None]] = {
    "augment": augmenting.augment_cost,
    "decode": decoding.decode_speed,
    "features": pictures.front_end_speed,
    "grid": grids.grid_overhead,
    "scan": scan_speed.scan_speed,
    "scan_memory": scanning.scan_memory,
    "store": storing.store_speed,
    "copies": storing.copies_speed,
    "store_memory": storing.store_memory,
    "store_reading": storing.store_reading,
    "training": training.training,
}
# Parts of benchmarks that run in a process of their own and print their figures for it.
PROCESSES: dict[str, Callable[[Path], tuple[float, ...]]] = {
    "_grid_even": grids.even,
    "_grid_odd": grids.odd,
    "_scan": scanning.scan_cost,
    "_store": storing.store_cost,
    "_read": storing.reading_speed,
    "_epochs": training.epoch_cost,
    "_batches": training.batch_cost,
}


def main() -> None:
    """Print the benchmarks named, or all; the names that begin with an underscore are processes of their own."""
    if len(sys.argv) > 2 and sys.argv[1] in PROCESSES:
        print(*PROCESSES[sys.argv[1]](Path(sys.argv[2])))
        return
    wanted = sys.argv[1:] or list(BENCHMARKS)
    unknown = [name for name in wanted if name not in BENCHMARKS]
    if unknown:
        sys.exit(f"there is no benchmark {unknown[0]!r}: there are {', '.join(BENCHMARKS)}.")
    for name in wanted:
        with tempfile.TemporaryDirectory() as folder:
            BENCHMARKS[name](Path(folder))


if __name__ == "__main__":
    main()
