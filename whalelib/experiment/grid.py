"""An experiment run: every run that is not done, and what becomes of one that fails."""

from __future__ import annotations

import time
import traceback
from datetime import datetime, timezone
from typing import Any

from whalelib import __version__
from whalelib.errors import InputError
from whalelib.experiment.executing import Around, StageFailed, left_out, made_by, recorded, run_stages, unwatched
from whalelib.experiment.files import Experiment
from whalelib.experiment.keeping import write, write_json
from whalelib.experiment.planning import Run, runs


def run_grid(experiment: Experiment, retry: bool = False, around: Around = unwatched) -> list[Run]:
    """Do every run that is not done. A failed run does not stop the others; it is tried again only with `retry`."""
    planned = runs(experiment)
    for number, run in enumerate(planned, 1):
        status = run.result["status"] if run.result and run.fresh else None
        if status == "done" or (status == "failed" and not retry):
            continue
        print(f"[{number}/{len(planned)}] {experiment.name}: {run.label}", flush=True)
        run_one(run, around)
    return planned


def run_one(run: Run, around: Around = unwatched) -> dict[str, Any]:
    """All stages of one run; writes and returns its result, finished or failed."""
    begin = time.perf_counter()
    stages = run.experiment.stages
    (run.folder / "result.json").unlink(missing_ok=True)
    (run.folder / "failure.txt").unlink(missing_ok=True)
    result: dict[str, Any] = {"case": run.case, "seed": run.seed, "signature": run.signature, "whalelib": __version__}
    try:
        run_stages(run.config, stages, run.folder, around=around)
        result["left_out"] = left_out(run.folder, stages)
        result["values"] = recorded(run.folder, stages)
        result |= made_by(run.folder, stages)
        result["status"] = "done"
    except Exception as error:  # one broken run must not end a grid of a hundred
        write(run.folder / "failure.txt", traceback.format_exc())  # the cell's own traceback is in its notebook
        result["status"], result["reason"] = "failed", _last_line(error)
        print(f"  failed: {result['reason']} (the traceback is in failure.txt and in the notebook)", flush=True)
    result["finished"] = datetime.now(timezone.utc).replace(microsecond=0).isoformat()
    result["seconds"] = round(time.perf_counter() - begin, 1)
    write_json(run.folder / "result.json", result)
    return result


def _last_line(error: Exception) -> str:
    """What a failure says for itself, in one line."""
    text = str(error) if isinstance(error, (InputError, StageFailed)) else f"{type(error).__name__}: {error}"
    return " ".join(text.split())
