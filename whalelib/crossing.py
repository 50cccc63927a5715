"""Cross-validation: what the detectors of all folds say of the clips that each has not heard, judged together."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from whalelib import ensembles, experiment, stages
from whalelib.config import Config
from whalelib.experiment import Experiment
from whalelib.stages import Split


def keep_held_out(config: Config, parts: Split, run_folder: str) -> None:
    """In a run of a cross-validation, leave what its detector says of the fold held out, for `judge_folds`."""
    if config.n_folds and run_folder:
        ensembles.save(stages.held_out(config, parts, "validation"), run_folder)


def judge_folds(asked: Experiment) -> Path | None:
    """A table of all held-out clips judged together, a row for each case and seed; None where there are no folds.

    Runs that differ in their validation fold alone belong together. With several seeds there is one more row a case, of
    their detectors' mean answers. The table stands beside the runs, for the log.
    """
    said: dict[str, dict[int, dict[int, pd.DataFrame]]] = {}  # by case, seed and fold
    for run in experiment.runs(asked):
        done = run.fresh and run.result and run.result["status"] == "done"
        if done and "validation_fold" in run.case and (run.folder / ensembles.FILE).exists():
            case = ", ".join(f"{name} {value}" for name, value in run.case.items() if name != "validation_fold")
            folds = said.setdefault(case or "as given", {}).setdefault(run.seed, {})
            folds[run.config.validation_fold] = ensembles.read(run.folder)
    rows = []
    for case, seeds in said.items():
        for seed, folds in seeds.items():
            rows.append(_judged(case, f"{seed}", list(folds.values())))
        common = set.intersection(*(set(folds) for folds in seeds.values()))
        if len(seeds) > 1 and common:
            means = [ensembles.together([folds[k] for folds in seeds.values()]) for k in sorted(common)]
            rows.append(_judged(case, "all together", means))
    if not rows:
        return None
    path = asked.folder / experiment.FOLDS
    pd.DataFrame(rows).to_csv(path, index=False)
    return path


def _judged(case: str, seed: str, parts: list[pd.DataFrame]) -> dict[str, object]:
    report = ensembles.report(ensembles.out_of_fold(parts))
    mean = report[(report["fold"] == "all") & (report["class"] == "mean")].iloc[0].drop(["fold", "class", "positives"])
    return {"case": case, "seed": seed, "folds": len(parts), **mean.to_dict()}
