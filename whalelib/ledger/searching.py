"""Searches: many trials, of which the best are shown and the very best is not believed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from whalelib.experiment import Experiment
from whalelib.ledger import figures
from whalelib.ledger.results import Case, plain
from whalelib.ledger.sentences import chosen, less_is_better

SHOWN = 10  # trials in the table


def is_search(experiment: Experiment) -> bool:
    """Are the runs trials of a search, and not a table of cases to compare?"""
    return bool(getattr(experiment, "search", None))


def _less_is_better(experiment: Experiment) -> bool:
    """As the file says, or else as the metric's name does."""
    direction = getattr(getattr(experiment, "search", None), "direction", "")
    return direction == "minimize" if direction else less_is_better(experiment.metric)


def best_first(experiment: Experiment, trials: Sequence[Case]) -> list[Case]:
    """The trials by their metric, each by the mean over its seeds; equal ones in the order they were made."""
    sign = 1 if _less_is_better(experiment) else -1
    return sorted(trials, key=lambda trial: sign * _value(experiment, trial))


def span(name: str, tried: Sequence[Any]) -> str:
    """From where to where the trials have drawn a knob, or what they have drawn."""
    if all(type(value) in (int, float) for value in tried):
        return f"{name} ({plain(min(tried))} to {plain(max(tried))})"
    return f"{name} ({', '.join(map(plain, tried))})"


def sentence(experiment: Experiment, trials: Sequence[Case]) -> str:
    best = best_first(experiment, trials)[0]
    return chosen(len(trials), best.name, _value(experiment, best), experiment.metric)


def figure(experiment: Experiment, trials: Sequence[Case]) -> str:
    values = [_value(experiment, trial) for trial in trials]
    return figures.trials(values, experiment.metric, _less_is_better(experiment))


def _value(experiment: Experiment, trial: Case) -> float:
    found = trial.mean_of(experiment.metric)
    assert found is not None, "only trials that measured the metric are shown"
    return found
