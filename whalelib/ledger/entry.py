"""One experiment's entry in the log."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from whalelib.experiment import FOLDS, Experiment, Run, runs
from whalelib.ledger import figures, markdown, outside, searching, staleness
from whalelib.ledger.results import (
    FOLD,
    Case,
    case_name,
    cases,
    finished,
    held_out,
    notebook,
    plain,
    result,
    unlike_defaults,
    values,
    varied,
)
from whalelib.ledger.sentences import Verdict, alone, mean_and_interval, summary, verdict
from whalelib.ledger.statistics import Estimate, estimate, paired, units

FIGURE = "summary.svg"
# What stands beside the experiment's own metric, where the runs measured it.
_BESIDE = ("test_ap", "event_f1", "event_precision", "event_recall", "false_per_hour")


@dataclass(frozen=True)
class Entry:
    """An entry's text, the figures it shows, and when its newest run ended."""

    name: str
    finished: str
    text: str
    figures: dict[Path, str] = field(default_factory=dict)


def entry(experiment: Experiment, start: Path, code: Mapping[str, str]) -> Entry | None:
    """The entry as it reads in a log that lies in `start`; None if the experiment was never run.

    `code` is that of now, by which results of earlier code are told.
    """
    planned = runs(experiment)
    tried = [run for run in planned if run.result]
    if not tried:
        return None
    done = [run for run in tried if result(run).get("status") == "done"]
    shown = cases([run for run in done if experiment.metric in values(run)])
    newest = max(finished(run) for run in tried)
    verdicts = _verdicts(experiment, planned, shown)
    drawn: dict[Path, str] = {}
    parts = [
        [f"## {newest[:10]} · {experiment.title}{_flags(experiment, shown, verdicts)}"],
        [f"**Asked:** {experiment.question}"],
        [f"**Expected:** {experiment.expectation}"],
        _changed(experiment, planned),
        _rows(experiment, planned, shown, start, code),
        _figure(experiment, shown, start, drawn),
        _found(experiment, shown, verdicts),
        _folds(experiment),
        _outside(experiment, shown, start, drawn),
        [f"**How made:** {' '.join(said)}"] if (said := staleness.sentences(shown, code)) else [],
        *_trouble(planned, tried, done, experiment.metric, start),
        [f"**Note:** {experiment.note}"] if experiment.note else [],
        [f"Experiment file: {markdown.link(experiment.path.name, experiment.path, start)}."],
    ]
    return Entry(experiment.name, newest, "\n\n".join("\n".join(part) for part in parts if part) + "\n", drawn)


def _flags(experiment: Experiment, shown: Sequence[Case], verdicts: Sequence[Verdict]) -> str:
    """What the title says at once: that nothing that matters was found, or that it is not as it would be made now."""
    kinds = {said.kind for said in verdicts}
    flags = ["(negative)"] if kinds & {"none", "small"} and not kinds & {"better", "worse"} else []
    flags += ["(stale)"] if any(case.stale for case in shown) else []
    return "".join(f" {flag}" for flag in flags)


def _changed(experiment: Experiment, planned: Sequence[Run]) -> list[str]:
    """What was varied, and what all runs have in common that is not the default."""
    choices = varied(planned)
    if searching.is_search(experiment):
        lines = [f"**Searched:** {'; '.join(searching.span(name, tried) for name, tried in choices.items())}."]
    else:
        spans = [f"{name} ({', '.join(map(plain, tried))})" for name, tried in choices.items() if name != FOLD]
        lines = [f"**Varied:** {'; '.join(spans)}. The first row is the reference."] if spans else []
    common = [f"{name} {plain(value)}" for name, value in unlike_defaults(experiment.base, choices).items()]
    lines += [f"**Unlike the defaults:** {', '.join(common)}."] if common else []
    return ["\n\n".join(lines)] if lines else []


def _rows(
    experiment: Experiment, planned: Sequence[Run], shown: Sequence[Case], start: Path, code: Mapping[str, str]
) -> list[str]:
    """The table: a row a case; of a search, its best trials."""
    if not shown:
        return []
    if searching.is_search(experiment):
        listed = searching.best_first(experiment, shown)[: searching.SHOWN]
    else:
        listed = list(shown)
    measured = {name for case in listed for run in case.runs for name in values(run)}
    beside = [name for name in _beside(experiment) if name in measured]
    reference = _reference(planned, shown)
    compare = len(listed) > 1 and not searching.is_search(experiment)
    sized = "parameters" in measured
    crossed = any(FOLD in run.case for case in listed for run in case.runs)
    head = [
        "case",
        "folds" if crossed else "seeds",
        experiment.metric,
        *(["difference"] if compare else []),
        *beside,
        *(["parameters"] if sized else []),
        "minutes a run",
        "made",
        "notebooks",
    ]
    rows = []
    for case in listed:
        found = case.of(experiment.metric)
        rows.append(
            [
                case.name,
                f"{len({fold for _, fold in found})}" if crossed else f"{len(found)}",
                mean_and_interval(_mean(case, experiment.metric)),
                *([_difference(experiment.metric, case, reference, len(shown) - 1)] if compare else []),
                *(mean_and_interval(_mean(case, name)) for name in beside),
                *([_parameters(case)] if sized else []),
                f"{case.minutes:.1f}",
                staleness.made(case, code),
                ", ".join(markdown.link(_repetition(run), notebook(run), start) for run in case.runs),
            ]
        )
    return markdown.table(head, rows)


def _beside(experiment: Experiment) -> list[str]:
    """What to show with the metric: what the file asks for, and the area under the other curve of the same clips."""
    fold, _, kind = experiment.metric.rpartition("_")
    other = {"ap": f"{fold}_auc", "auc": f"{fold}_ap"}.get(kind) if fold == "validation" else None
    names = [*experiment.beside, *([other] if other else []), *_BESIDE]
    return [name for name in dict.fromkeys(names) if name != experiment.metric]


def _mean(case: Case, name: str) -> Estimate:
    return estimate(units(case.of(name)), held_out=held_out(case.runs))


def _reference(planned: Sequence[Run], shown: Sequence[Case]) -> Case | None:
    """The case that the file puts first, where it has results; no other takes its place."""
    return shown[0] if shown and shown[0].name == case_name(planned[0]) else None


def _against(metric: str, case: Case, reference: Case, comparisons: int) -> Estimate | None:
    """The paired difference from the reference; None where the two were made with other knobs besides."""
    if case.made_with != reference.made_with:
        return None
    return paired(case.of(metric), reference.of(metric), comparisons, held_out(reference.runs))


def _difference(metric: str, case: Case, reference: Case | None, comparisons: int) -> str:
    if case is reference:
        return "reference"
    difference = _against(metric, case, reference, comparisons) if reference else None
    return mean_and_interval(difference, "+") if difference and difference.n > 1 else "–"


def _verdicts(experiment: Experiment, planned: Sequence[Run], shown: Sequence[Case]) -> list[Verdict]:
    """A sentence for each case but the first; none for a search, whose trials are not compared with anything."""
    first, reference = case_name(planned[0]), _reference(planned, shown)
    if searching.is_search(experiment) or not shown:
        return []
    if not reference:
        return [Verdict("unsaid", f"The reference, {first}, has no finished run, so nothing is compared with it.")]
    said = []
    for case in shown[1:]:
        difference = _against(experiment.metric, case, reference, len(shown) - 1)
        if difference is None:
            text = f"**{case.name}** is not compared with {first}: they were made with different knobs besides."
            said.append(Verdict("unsaid", text))
        else:
            said.append(verdict(case.name, first, difference, experiment.matters, experiment.metric))
    return said


def _found(experiment: Experiment, shown: Sequence[Case], verdicts: Sequence[Verdict]) -> list[str]:
    """The generated sentences."""
    if not shown:
        return [f"**Found:** {alone(experiment.metric, Estimate(0.0, 0.0, 0))}"]
    if searching.is_search(experiment):
        return [f"**Found:** {searching.sentence(experiment, shown)}"]
    if not verdicts:
        repetition = "fold" if FOLD in shown[0].runs[0].case else "seed"
        return [f"**Found:** {alone(experiment.metric, _mean(shown[0], experiment.metric), repetition)}"]
    texts = [said.text for said in verdicts]
    if len(texts) == 1:
        return [f"**Found:** {texts[0]}"]
    return [f"**Found:** {summary(verdicts, shown[0].name)}", "", *(f"- {text}" for text in texts)]


def _figure(experiment: Experiment, shown: Sequence[Case], start: Path, drawn: dict[Path, str]) -> list[str]:
    """The experiment's figure, where there is more than one value to draw."""
    metric = experiment.metric
    if sum(len(case.of(metric)) for case in shown) < 2:
        return []
    path = experiment.folder / FIGURE
    if searching.is_search(experiment):
        drawn[path] = searching.figure(experiment, shown)
        says = f"{metric} of each trial, and the best so far"
    else:
        lines = [figures.Line(c.name, list(c.of(metric).values()), _mean(c, metric), c.stale) for c in shown]
        drawn[path] = figures.dots(lines, metric)
        says = f"{metric} of each run, with means and intervals"
    return [f"![{says}](<{markdown.relative(path, start)}>)"]


def _folds(experiment: Experiment) -> list[str]:
    """The table of a cross-validation: all clips, each judged by the detector that had not heard it."""
    path = experiment.folder / FOLDS
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    if not table:
        return []
    # With one class every ranking of classes is perfect, which says nothing.
    measures = [m for m in table[0] if f"{m}_low" in table[0] and any(float(row[f"{m}_low"]) < 1 for row in table)]
    rows = [
        [
            *(row[name] for name in ("case", "seed", "folds", "clips")),
            *(f"{_four(row[m])} ({_four(row[f'{m}_low'])} to {_four(row[f'{m}_high'])})" for m in measures),
        ]
        for row in table
    ]
    says = "All held-out clips together, each judged by a detector that had not heard it (intervals by drawing groups):"
    return [says, "", *markdown.table(["case", "seed", "folds", "clips", *measures], rows)]


def _four(value: str) -> str:
    return f"{float(value):.4f}"


def _outside(experiment: Experiment, shown: Sequence[Case], start: Path, drawn: dict[Path, str]) -> list[str]:
    """Scores from elsewhere, where some are kept."""
    scores = outside.read(experiment, shown)
    if not scores:
        return []
    lines = ["**Outside:**", "", *outside.tell(scores, experiment.metric)]
    for number, (where, rows) in enumerate(outside.places(scores), 1):
        if len(rows) > 1:
            path = experiment.folder / ("outside.svg" if number == 1 else f"outside_{number}.svg")
            drawn[path] = outside.figure(rows, experiment.metric)
            lines += ["", f"![{experiment.metric} against {where}](<{markdown.relative(path, start)}>)"]
    return lines


def _trouble(
    planned: Sequence[Run], tried: Sequence[Run], done: Sequence[Run], metric: str, start: Path
) -> list[list[str]]:
    """What is not in the table, and why."""
    parts = []
    for run in tried:
        if run not in done:
            reason = markdown.plainly(str(result(run).get("reason", "it was interrupted")))
            where = markdown.link("notebook", notebook(run), start)
            parts.append([f"**Failed:** `{run.label}`: {reason} ({where})"])
    unmeasured = [run for run in done if metric not in values(run)]
    if unmeasured:
        names = ", ".join(f"`{run.label}`" for run in unmeasured)
        parts.append([f"**Without {metric}:** {names}: the stages that were run have not recorded it."])
    if missing := len(planned) - len(tried):
        parts.append([f"**Not run yet:** {missing} of {len(planned)} runs."])
    return parts


def _parameters(case: Case) -> str:
    """How many parameters learn, of how many there are."""
    every, learning = case.mean_of("parameters"), case.mean_of("trained_parameters")
    if every is None:
        return "–"
    return f"{every:,.0f}" if learning in (None, every) else f"{learning:,.0f} of {every:,.0f}"


def _repetition(run: Run) -> str:
    """What tells a run from the others of its case."""
    names = [f"fold {run.case[FOLD]}"] if FOLD in run.case else []
    if not names or len(run.experiment.seeds) > 1:
        names.append(f"seed {run.seed}")
    return ", ".join(names)
