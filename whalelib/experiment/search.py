"""A search instead of a grid: each trial draws its knobs from ranges, at random or knowing what the others gave.

What was drawn is kept beside the runs, so that an interrupted search goes on with the trials it had begun.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

import numpy as np

from whalelib.errors import InputError, needs_extra
from whalelib.experiment.keeping import read_json, write

_FILE = "search.json"
_DIGITS = 4  # significant ones of a number drawn, so that folders are called by what they are
METHODS, DIRECTIONS = ("random", "tpe"), ("maximize", "minimize")


@dataclass(frozen=True)
class Range:
    """What one knob may be: one of some choices, or a number between two, in steps or not."""

    choices: tuple[Any, ...] = ()
    low: float = 0.0
    high: float = 0.0
    step: float = 0.0
    log: bool = False
    whole: bool = False

    def ends(self) -> list[Any]:
        """The values that must be possible before a search begins."""
        return list(self.choices) or [self._number(self.low), self._number(self.high)]

    def at(self, place: float) -> Any:
        """The value at a place between 0 and 1."""
        if self.choices:
            return self.choices[min(int(place * len(self.choices)), len(self.choices) - 1)]
        step = self.step or (1.0 if self.whole and not self.log else 0.0)
        if step:
            return self._number(self.low + step * int(place * (math.floor((self.high - self.low) / step + 1e-9) + 1)))
        if self.log:
            return self._number(math.exp(math.log(self.low) + place * math.log(self.high / self.low)))
        return self._number(self.low + place * (self.high - self.low))

    def _number(self, value: float) -> float | int:
        if self.whole:
            return round(min(max(value, self.low), self.high))
        return min(max(float(f"{value:.{12 if self.step else _DIGITS}g}"), self.low), self.high)

    def distribution(self) -> Any:
        """The same for Optuna."""
        from optuna import distributions

        if self.choices:
            return distributions.CategoricalDistribution([str(value) for value in self.choices])
        if self.whole:
            return distributions.IntDistribution(round(self.low), round(self.high), self.log, round(self.step) or 1)
        return distributions.FloatDistribution(self.low, self.high, self.log, self.step or None)

    def told(self, value: Any) -> Any:
        """A value as Optuna knows it; its choices are texts, for a knob may be a list."""
        return str(value) if self.choices else value

    def meant(self, value: Any) -> Any:
        """A value that Optuna has drawn, as a knob."""
        return next(c for c in self.choices if str(c) == value) if self.choices else self._number(value)


@dataclass(frozen=True)
class Search:
    """How many trials, of what, by which method."""

    ranges: dict[str, Range]
    trials: int = 20
    method: str = "tpe"
    direction: Literal["maximize", "minimize"] = "maximize"
    sampler_seed: int = 0

    def draw(self, number: int, attempt: int, told: Sequence[tuple[dict[str, Any], float | None, bool]]) -> dict:
        """The knobs of a trial. `told` are the earlier ones: knobs, figure if there is one, and is it still running?

        It depends on nothing else, so a search goes on as if it had never been interrupted.
        """
        if self.method == "random":
            places = np.random.default_rng([self.sampler_seed, number, attempt]).random(len(self.ranges))
            return {knob: span.at(place) for (knob, span), place in zip(self.ranges.items(), places, strict=True)}
        return self._suggested(number, attempt, told)

    def _suggested(self, number: int, attempt: int, told: Sequence[tuple[dict, float | None, bool]]) -> dict[str, Any]:
        try:
            import optuna
        except ImportError:
            raise needs_extra("optuna", "cluster") from None
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        seed = int(np.random.SeedSequence([self.sampler_seed, number, attempt]).generate_state(1)[0])
        sampler = optuna.samplers.TPESampler(seed=seed, constant_liar=True)
        study = optuna.create_study(direction=self.direction, sampler=sampler)
        spans = {knob: span.distribution() for knob, span in self.ranges.items()}
        states = optuna.trial.TrialState
        for knobs, figure, running in told:
            state = states.RUNNING if running else states.FAIL if figure is None else states.COMPLETE
            params = {knob: self.ranges[knob].told(value) for knob, value in knobs.items()}
            value = figure if state == states.COMPLETE else None
            study.add_trial(optuna.trial.create_trial(state=state, params=params, distributions=spans, value=value))
        return {knob: self.ranges[knob].meant(value) for knob, value in study.ask(spans).params.items()}


def parse(where: str, given: Any) -> Search:
    """The part `search` of an experiment file."""
    allowed = [field.name for field in fields(Search)]
    if not isinstance(given, dict) or not isinstance(given.get("ranges"), dict) or not given["ranges"]:
        raise InputError(f"{where}: search needs ranges, as in `ranges: {{learning_rate: {{low: 1e-4, high: 1e-2}}}}`.")
    for key in given:
        if key not in allowed:
            raise InputError(f"{where}: search has an unknown key {key!r}: it has {', '.join(allowed)}.")
    found = Search(**{**given, "ranges": {knob: _range(where, knob, span) for knob, span in given["ranges"].items()}})
    for name, values in (("method", METHODS), ("direction", DIRECTIONS)):
        if getattr(found, name) not in values:
            raise InputError(f"{where}: {name} of search is one of {', '.join(values)}, not {getattr(found, name)!r}.")
    for name, least in (("trials", 1), ("sampler_seed", 0)):
        if type(getattr(found, name)) is not int or getattr(found, name) < least:
            raise InputError(f"{where}: {name} of search must be a whole number of {least} or more.")
    return found


def _range(where: str, knob: str, given: Any) -> Range:
    if isinstance(given, list) and given:
        if len({str(value) for value in given}) < len(given):
            raise InputError(f"{where}: the choices of {knob} in search must differ.")
        return Range(choices=tuple(given))
    numbers = given if isinstance(given, dict) and {"low", "high"} <= given.keys() <= _NUMBERS else None
    if numbers is None or not all(type(numbers[n]) in (int, float) for n in numbers.keys() - {"log"}):
        raise InputError(
            f"{where}: the range of {knob} in search must be a list of choices, or have low and high, and may have "
            "step or log, as in `{low: 1e-4, high: 1e-2, log: true}`."
        )
    low, high, step, log = (numbers.get(name, 0) for name in ("low", "high", "step", "log"))
    if not low < high or step < 0 or (log and (low <= 0 or step)):
        raise InputError(
            f"{where}: the range of {knob} in search must have low below high, a step above 0 if any, and for log a "
            "low above 0 and no step."
        )
    return Range(low=low, high=high, step=step, log=bool(log), whole={type(low), type(high), type(step)} == {int})


_NUMBERS = {"low", "high", "step", "log"}


def drawn(folder: Path) -> list[dict[str, Any]]:
    """The knobs of the trials of a search so far, in the order in which they were drawn."""
    return (read_json(folder / _FILE) or {}).get("trials", [])


def keep(folder: Path, trials: Sequence[Mapping[str, Any]]) -> None:
    """In the order of the knobs, too, for folders are called by them."""
    write(folder / _FILE, json.dumps({"trials": list(trials)}, indent=2) + "\n")
