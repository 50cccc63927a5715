"""What a cluster costs against a plain loop: the same short runs on two Dask workers, and in two processes by turns."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from whalelib import experiment

RUNS, SECONDS = 24, 5.0


def grid_overhead(folder: Path) -> None:
    """Seconds of both, each on results of its own, and their ratio."""
    import distributed

    from whalelib.experiment.cluster import Dask

    loop = _laid(folder / "loop")
    begin = time.perf_counter()
    halves = [
        subprocess.Popen([sys.executable, "-m", "whalelib.bench", name, str(loop)], stdout=subprocess.DEVNULL)
        for name in ("_grid_even", "_grid_odd")
    ]
    assert [half.wait() for half in halves] == [0, 0]
    plain = time.perf_counter() - begin
    asked = experiment.load_experiment(_laid(folder / "dask"))
    os.environ["WHALELIB_HOME"] = str(folder / "dask")
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        begin = time.perf_counter()
        experiment.run_grid(asked, dealer=Dask(cluster.scheduler_address))
        dealt = time.perf_counter() - begin
    del os.environ["WHALELIB_HOME"]
    print(f"{RUNS} runs of a notebook that takes {SECONDS:g} s, two at a time, each with a kernel of its own")
    print(f"  two processes by turns: {plain:6.1f} s")
    print(f"  two Dask workers:       {dealt:6.1f} s, {dealt / plain:.3f} times as long")


def even(path: Path) -> tuple[float, ...]:
    return _half(path, 0)


def odd(path: Path) -> tuple[float, ...]:
    return _half(path, 1)


def _half(path: Path, first: int) -> tuple[float, ...]:
    os.environ["WHALELIB_HOME"] = str(path.parents[1])
    for run in experiment.runs(experiment.load_experiment(path))[first::2]:
        experiment.run_one(run)
    return ()


def _laid(home: Path) -> Path:
    """A home with a notebook that only takes its time, and an experiment of it."""
    import nbformat

    cells = (
        "import time\nfrom whalelib import config, experiment\nknobs = config.from_notebook(globals())\n"
        f"time.sleep({SECONDS})\nexperiment.record(run_folder, 'train', knobs, score=float(knobs.seed))"
    )
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    parameters = nbformat.v4.new_code_cell('run_folder = ""', metadata={"tags": ["parameters"]})
    book = nbformat.v4.new_notebook(cells=[parameters, nbformat.v4.new_code_cell(cells)], metadata=kernel)
    (home / "notebooks").mkdir(parents=True)
    (home / "experiments").mkdir()
    nbformat.write(book, home / "notebooks" / "03_train.ipynb")
    path = home / "experiments" / "short.yaml"
    says = {name: name for name in ("title", "question", "expectation")}
    path.write_text(json.dumps({**says, "metric": "score", "stages": ["train"], "seeds": list(range(RUNS))}))
    return path
