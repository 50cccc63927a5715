"""The runs of an experiment: each one folder, named by what differs, all of them checked before the first starts."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from whalelib.config import Config, read_yaml, resolve, signature, unchanged
from whalelib.errors import InputError
from whalelib.experiment import search
from whalelib.experiment.cases import Case, plain
from whalelib.experiment.files import Experiment
from whalelib.experiment.keeping import read_json
from whalelib.experiment.places import STAGES, folder_name, home

_PLACES = ("data_path", "background_path")  # knobs that name a folder which must be there


@dataclass(frozen=True)
class Run:
    """One run of an experiment: its knobs in full, and its result where there is one."""

    experiment: Experiment
    case: dict[str, Any]  # the knobs of the case, without the seed
    seed: int
    config: Config
    name: str = ""  # of the case, where it has one
    shown: dict[str, Any] | None = None  # the knobs by which the case is told from others; None: all of them

    @property
    def told(self) -> str:
        """What tells its case from the others; empty where there is one alone."""
        return ",".join(filter(None, [self.name, plain(self.case if self.shown is None else self.shown)]))

    @property
    def label(self) -> str:
        seed = f"seed={self.seed}"
        return folder_name(f"{self.told},{seed}", end=f",{seed}") if self.told else seed

    @property
    def folder(self) -> Path:
        return self.experiment.folder / self.label

    @property
    def result(self) -> dict[str, Any] | None:
        return read_json(self.folder / "result.json")

    @property
    def signature(self) -> str:
        return signature(self.config, STAGES[self.experiment.stages[-1]][1])

    def settled(self, retry: bool = False) -> bool:
        """Is there nothing left to do? A failure stays one until it is to be tried again."""
        result = self.result
        return bool(result and self.fresh and not (retry and result["status"] == "failed"))

    @property
    def fresh(self) -> bool:
        """Was the result made with the knobs, and of the data, that the experiment file and the defaults give now?"""
        recorded = self.folder / "config.yaml"
        if not self.result or not recorded.exists():
            return False
        product, before = STAGES[self.experiment.stages[-1]][1], read_yaml(recorded)
        same_place = all(
            before.get(name, "") == getattr(self.config, name) for name in ("data_path", "store_path", "speech_path")
        )
        return same_place and unchanged(self.config, product, before)


def runs(experiment: Experiment) -> list[Run]:
    """Every run of the experiment, its knobs checked; of a search, those drawn. A case's seeds stand together.

    Whatever is wrong is said at once, and not run by run.
    """
    cases = [Case(knobs) for knobs in search.drawn(experiment.folder)] if experiment.search else experiment.cases
    found: list[Run] = []
    wrong: dict[str, str] = {}
    for case in cases:
        for seed in experiment.seeds:
            try:
                found.append(run_of(experiment, case, seed))
            except InputError as error:
                wrong.setdefault(str(error), case.name or plain(case.knobs))
    _refuse(experiment, wrong)
    labels = [run.label for run in found]
    double = next((label for label in labels if labels.count(label) > 1), None)
    if double:
        raise InputError(f"{experiment.path}: two cases would share the folder {double!r}: name one of them otherwise.")
    return found


def run_of(experiment: Experiment, case: Case, seed: int) -> Run:
    """One run, its knobs checked."""
    config = resolve({**experiment.base, **case.knobs, "seed": seed}, str(experiment.path))
    return Run(experiment, case.knobs, seed, config, case.name, case.shown)


def check(experiment: Experiment) -> list[Run]:
    """The runs, if nothing is known to stand in their way: knobs, the ends of a search's ranges, data that is there."""
    planned, wrong = runs(experiment), dict[str, str]()
    for knob, span in experiment.search.ranges.items() if experiment.search else ():
        for value in span.ends():
            try:
                planned.append(run_of(experiment, Case({knob: value}), experiment.seeds[0]))
            except InputError as error:
                wrong.setdefault(str(error), plain({knob: value}))
    for run in planned:
        for sentence in lacking_places(run.config):
            wrong.setdefault(f"{experiment.path}: {sentence}", run.label)
    _refuse(experiment, wrong)
    return runs(experiment) if experiment.search else planned


def lacking_places(config: Config) -> list[str]:
    """What is known, before anything starts, to stand in the way of these knobs: folders that are not there."""
    places = [knob for knob in _PLACES if knob != "data_path" or config.source != "hub"]  # which may be a name there
    said = [_missing(knob, getattr(config, knob)) for knob in places]
    if config.source != "synthetic" and not (config.data_path or config.store_path):
        said.append(f"the source {config.source} needs data_path: the folder that holds the recordings.")
    return [sentence for sentence in said if sentence]


def _missing(knob: str, given: str) -> str:
    """Why the folder that a knob names cannot be used; of what lies elsewhere nothing is known here."""
    place = os.path.expanduser(os.path.expandvars(given))
    if "$" in place:
        return f"{knob} {given} names a variable that is not set: set it to the folder of your data."
    if not place or "://" in place or (home() / place).exists():  # notebooks run in the home
        return ""
    return f"{knob} {given} is not there: check the folder."


def _refuse(experiment: Experiment, wrong: dict[str, str]) -> None:
    """One sentence as it is; several under a heading, each with the first case that it is about."""
    if not wrong:
        return
    if len(wrong) == 1:
        raise InputError(next(iter(wrong)))
    said = [sentence.removeprefix(f"{experiment.path}: ") for sentence in wrong]
    lines = [f"  {case or 'as given'}: {sentence}" for case, sentence in zip(wrong.values(), said, strict=True)]
    raise InputError("\n".join([f"{experiment.path} asks for what cannot be; nothing was started:", *lines]))
