"""Stages, runs and grids: notebooks executed by papermill, each run a folder named by what differs.

A run's folder holds its executed notebooks, `config.yaml`, one JSON file a stage and, when all stages are done,
`result.json`. What is finished is never done again; what failed is kept with its traceback.
"""

from whalelib.experiment.executing import (
    Around,
    StageFailed,
    can_run,
    keep_knobs,
    left_out,
    parse_stages,
    record,
    recorded,
    run_stages,
    stage_signature,
    unwatched,
)
from whalelib.experiment.files import EXPERIMENT_KEYS, Experiment, experiments, load_experiment
from whalelib.experiment.grid import Here, run_grid, run_one
from whalelib.experiment.places import (
    FOLDS,
    PATH,
    STAGES,
    cache,
    cache_root,
    enter_home,
    folder_name,
    home,
    notebook_path,
    notebooks,
    recipe,
)
from whalelib.experiment.planning import Run, check, lacking_places, runs
from whalelib.experiment.probing import Expected, at_once, expected
from whalelib.experiment.sharing import alone, holder
from whalelib.experiment.watching import STATES, Row, duration, seconds_left, status

__all__ = [
    "EXPERIMENT_KEYS",
    "FOLDS",
    "PATH",
    "STAGES",
    "STATES",
    "Around",
    "Expected",
    "Experiment",
    "Here",
    "Row",
    "Run",
    "StageFailed",
    "alone",
    "at_once",
    "cache",
    "cache_root",
    "can_run",
    "check",
    "duration",
    "enter_home",
    "expected",
    "experiments",
    "folder_name",
    "holder",
    "home",
    "keep_knobs",
    "lacking_places",
    "left_out",
    "load_experiment",
    "notebook_path",
    "notebooks",
    "parse_stages",
    "recipe",
    "record",
    "recorded",
    "run_grid",
    "run_one",
    "run_stages",
    "runs",
    "seconds_left",
    "stage_signature",
    "status",
    "unwatched",
]
