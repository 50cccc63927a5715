"""Scores from outside (a leaderboard, a held-out site) beside those of local validation: do they order the runs alike?

They are kept by hand in `outside.csv` in the experiment's folder: run,score,where,when. A run is named by its folder; a
case, which stands for the mean over its seeds, by that name without the seed. More is better in every score.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass

from whalelib.errors import InputError
from whalelib.experiment import Experiment
from whalelib.ledger import figures, markdown
from whalelib.ledger.results import Case, values
from whalelib.ledger.sentences import decimals, less_is_better, number, ordering
from whalelib.ledger.statistics import agreement

FILE = "outside.csv"
COLUMNS = ("run", "score", "where", "when")


@dataclass(frozen=True)
class Outside:
    """One line of the file, with what was measured here."""

    run: str
    here: float
    score: float
    where: str
    when: str


def read(experiment: Experiment, shown: Sequence[Case]) -> list[Outside]:
    """The outside scores of an experiment, in the order of the file; none where it has no such file."""
    path = experiment.folder / FILE
    if not path.exists():
        return []
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = csv.DictReader(file)
            rows, columns = list(lines), lines.fieldnames or []
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} cannot be read ({error}): save it as comma-separated text in UTF-8.") from None
    if missing := [name for name in COLUMNS if name not in columns]:
        raise InputError(f"{path} lacks the column {missing[0]!r}: its first line is {','.join(COLUMNS)}.")
    here = _measured(shown, experiment.metric)
    return [_checked(row, here, f"{path}, line {number}") for number, row in enumerate(rows, 2)]


def _checked(row: dict[str, str | None], here: dict[str, float], where: str) -> Outside:
    name = (row["run"] or "").strip()
    if name not in here:
        known = ", ".join(list(here)[:3])
        raise InputError(f"{where}: there is no finished run {name!r} that measured the metric; there are {known}.")
    try:
        score = float(row["score"] or "")
    except ValueError:
        score = math.nan
    if not math.isfinite(score):
        raise InputError(f"{where}: {row['score']!r} is no score: write a number, as in 0.912.")
    return Outside(name, here[name], score, (row["where"] or "").strip(), (row["when"] or "").strip())


def _measured(shown: Sequence[Case], metric: str) -> dict[str, float]:
    """What was measured of each run, and of each case over its seeds, by the names that the file may use."""
    found: dict[str, float] = {}
    of_case: dict[str, list[float]] = {}
    for case in shown:
        for run in case.runs:
            if metric in (measured := values(run)):
                found[run.label] = measured[metric]
                of_case.setdefault(run.label.rpartition("seed=")[0].rstrip(","), []).append(measured[metric])
    return found | {name: sum(seeds) / len(seeds) for name, seeds in of_case.items() if name}


def places(outside: Sequence[Outside]) -> list[tuple[str, list[Outside]]]:
    """The lines by where they were scored: scores of two places do not compare."""
    return [
        (where, [row for row in outside if row.where == where]) for where in dict.fromkeys(r.where for r in outside)
    ]


def tell(outside: Sequence[Outside], metric: str) -> list[str]:
    """Table and sentences; the figures are drawn by `figure`."""
    in_order = sorted(outside, key=lambda row: (row.where, -row.score, row.run))
    told = [[row.run, _number(row.here), _number(row.score), row.where, row.when] for row in in_order]
    lines = markdown.table(["run", f"{metric} here", "score outside", "where", "when"], told)
    sign = -1 if less_is_better(metric) else 1
    for where, rows in places(outside):
        found = agreement([sign * row.here for row in rows], [row.score for row in rows])
        lines += ["", ordering(found, metric, where)]
    return lines


def figure(rows: Sequence[Outside], metric: str) -> str:
    """Here against there, for the lines of one place."""
    return figures.scatter([(row.here, row.score) for row in rows], metric, rows[0].where)


def _number(value: float) -> str:
    return number(value, decimals(value))
