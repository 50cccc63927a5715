"""Results to EXPERIMENT_LOG.md: what was asked, what was measured, and a sentence that is true of the numbers."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from whalelib.experiment import FOLDS, STAGES, Experiment, Run, experiments, runs

HEAD = """# Experiment log

Newest first. Written by `whalelib log` from the results under experiments/ and the notes in the experiment files; do
not edit it by hand. Every number is a mean over seeds with a 95 % interval (Student's t). Differences are paired by
seed against the first row, and their intervals are widened for the number of rows compared (Bonferroni), so that the
chance of any false "beats" in one table is at most 5 %. The folds of a cross-validation count like seeds, although
their detectors share most of what they learnt from; the table of all held-out clips below is the one to trust.
"""
# What stands beside the experiment's own metric, where the runs measured it.
BESIDE = ("test_ap", "event_f1", "event_precision", "event_recall", "false_per_hour")
LOWER_IS_BETTER = ("false_per_hour", "seconds", "loss")


@dataclass(frozen=True)
class Estimate:
    """A mean with its interval; without a second value there is no interval."""

    mean: float
    half_width: float
    n: int

    def __str__(self) -> str:
        if math.isnan(self.mean):
            return "–"
        spread = "" if math.isnan(self.half_width) else f" ± {self.half_width:.3f}"
        return f"{self.mean:.3f}{spread}"


def estimate(values: Sequence[float], comparisons: int = 1) -> Estimate:
    """Mean and half-width of the 95 % t-interval, widened for a number of simultaneous comparisons."""
    from scipy.stats import t

    n = len(values)
    if n == 0:
        return Estimate(math.nan, math.nan, 0)
    mean = math.fsum(values) / n
    if n == 1:
        return Estimate(mean, math.nan, 1)
    spread = math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (n - 1))
    return Estimate(mean, float(t.ppf(1 - 0.025 / comparisons, n - 1)) * spread / math.sqrt(n), n)


def paired(case: dict[Any, float], reference: dict[Any, float], comparisons: int = 1) -> Estimate:
    """The difference case - reference over the seeds (and folds) that both have."""
    both = sorted(case.keys() & reference.keys())
    return estimate([case[key] - reference[key] for key in both], comparisons)


def verdict(name: str, reference: str, difference: Estimate, matters: float, metric: str) -> tuple[str, bool]:
    """One true sentence on a difference, and whether it is one that matters."""
    if difference.n < 2:
        return f"{name} against {reference}: {difference.n} common seed(s), too few for a statement.", False
    low, high = difference.mean - difference.half_width, difference.mean + difference.half_width
    span = f"{low:+.3f} to {high:+.3f}"
    if low <= 0 <= high:
        seen = f"one beyond {difference.half_width:.3f} would have been"
        return f"No difference seen between {name} and {reference} ({span}); {seen}.", False
    lower_is_better = any(word in metric for word in LOWER_IS_BETTER)
    better = (difference.mean > 0) != lower_is_better
    word = "beats" if better else "loses to"
    sentence = f"{name} {word} {reference} by {abs(difference.mean):.3f} ({span})"
    if abs(difference.mean) < matters:
        return f"{sentence}, less than the {matters:g} that would matter.", False
    return f"{sentence}.", True


def write_log(home: Path) -> Path:
    """Rebuild EXPERIMENT_LOG.md in `home` from everything under its experiments folder."""
    path = home / "EXPERIMENT_LOG.md"
    temporary = path.with_name(path.name + ".part")
    temporary.write_text(render(home), encoding="utf-8")
    temporary.replace(path)
    return path


def render(home: Path) -> str:
    """The log's text: it depends on the results and the experiment files alone."""
    entries = [(finished, text) for e in experiments(home / "experiments") if (entry := render_one(e, home)) for
               finished, text in [entry]]  # fmt: skip
    newest_first = sorted(entries, reverse=True)
    return "\n".join([HEAD, *(text for _, text in newest_first)])


def render_one(experiment: Experiment, home: Path) -> tuple[str, str] | None:
    """When an experiment was last run, and its entry; None if it was never run."""
    tried = [run for run in runs(experiment) if run.result]
    if not tried:
        return None
    done = [run for run in tried if run.result and run.result["status"] == "done"]
    failed = [run for run in tried if run not in done]
    missing = len(runs(experiment)) - len(tried)
    finished = max(str(run.result["finished"]) for run in tried if run.result)
    rows, sentences, matters = _table(experiment, done)
    negative = " (negative)" if experiment.grid and sentences and not matters else ""
    lines = [f"## {finished[:10]} · {experiment.title}{negative}", "", f"**Asked:** {experiment.question}", ""]
    lines += [f"**Expected:** {experiment.expectation}", ""]
    lines += [*rows, ""] if rows else []
    lines += [" ".join(sentences), ""] if sentences else []
    lines += _folds(experiment)
    stale = [run for run in done if not run.fresh]
    if stale:
        lines += [f"**Stale:** {len(stale)} of these runs were made with other knobs than the ones now.", ""]
    for run in failed:
        lines += [f"**Failed:** `{run.label}`: {run.result['reason'] if run.result else ''}", ""]
    if missing:
        lines += [f"**Not run yet:** {missing} of {len(tried) + missing} runs.", ""]
    if experiment.note:
        lines += [f"**Note:** {experiment.note}", ""]
    lines += [f"Notebooks: {_links(tried, experiment, home)}. File: [{experiment.path.name}]"
              f"({experiment.path.relative_to(home).as_posix()}).", ""]  # fmt: skip
    return finished, "\n".join(lines)


def _table(experiment: Experiment, done: list[Run]) -> tuple[list[str], list[str], bool]:
    """Markdown rows, one sentence a comparison, and whether any of them matters."""
    if not done:
        return [], [], False
    cases: dict[str, list[Run]] = {}
    for run in done:
        cases.setdefault(_case(run), []).append(run)
    metric = experiment.metric
    measured = {name for run in done for name in _values(run)}
    beside = [name for name in BESIDE if name in measured and name != metric]
    names = list(cases)
    compare = len(names) > 1
    crossed = "validation_fold" in experiment.grid
    head = [
        "case",
        "seeds and folds" if crossed else "seeds",
        metric,
        *(["difference"] if compare else []),
        *beside,
        "minutes a run",
    ]
    rows = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    sentences, matters = [], False
    reference = {_pair(run): _values(run)[metric] for run in cases[names[0]] if metric in _values(run)}
    for name in names:
        of_pair = {_pair(run): _values(run)[metric] for run in cases[name] if metric in _values(run)}
        cells = [name, str(len(of_pair)), str(estimate(list(of_pair.values())))]
        if compare and name == names[0]:
            cells.append("reference")
        elif compare:
            difference = paired(of_pair, reference, len(names) - 1)
            cells.append(f"{difference.mean:+.3f} ± {difference.half_width:.3f}" if difference.n > 1 else "–")
            sentence, important = verdict(name, names[0], difference, experiment.matters, metric)
            sentences.append(sentence)
            matters |= important
        cells += [str(estimate([_values(r)[b] for r in cases[name] if b in _values(r)])) for b in beside]
        seconds = [float(r.result["seconds"]) for r in cases[name] if r.result]
        rows.append(f"| {' | '.join([*cells, f'{sum(seconds) / len(seconds) / 60:.1f}'])} |")
    return rows, sentences, matters


def _case(run: Run) -> str:
    """What is compared. The folds of a cross-validation are no cases: they repeat one, as seeds do."""
    return ", ".join(f"{k} {v}" for k, v in run.case.items() if k != "validation_fold") or "as given"


def _pair(run: Run) -> tuple[int, int]:
    """What a run of one case has in common with its like of another."""
    return run.seed, int(run.case.get("validation_fold", 0))


def _folds(experiment: Experiment) -> list[str]:
    """The table of a cross-validation: all clips, each judged by the detector that had not heard it."""
    path = experiment.folder / FOLDS
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    measures = [name for name in table[0] if f"{name}_low" in table[0]]
    head = ["case", "seed", "folds", "clips", *measures]
    rows = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    for row in table:
        spans = [
            f"{float(row[m]):.4f} ({float(row[m + '_low']):.4f} to {float(row[m + '_high']):.4f})" for m in measures
        ]
        rows.append(f"| {' | '.join([*(row[name] for name in head[:4]), *spans])} |")
    says = "All held-out clips judged together, 95 % intervals by drawing groups:"
    return [says, "", *rows, ""]


def _values(run: Run) -> dict[str, float]:
    values: dict[str, Any] = (run.result or {}).get("values", {})
    return {name: v for name, v in values.items() if isinstance(v, (int, float)) and not isinstance(v, bool)}


def _links(tried: list[Run], experiment: Experiment, home: Path) -> str:
    links = []
    for run in tried:
        notebook = run.folder / f"{STAGES[experiment.stages[-1]][0]}.ipynb"
        target = (notebook if notebook.exists() else run.folder).relative_to(home).as_posix()
        links.append(f"[{run.label}](<{target}>)")
    return ", ".join(links)
