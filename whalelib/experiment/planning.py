"""The runs of an experiment: each one folder, named by what differs."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from whalelib.config import Config, read_yaml, resolve, signature, unchanged
from whalelib.experiment.files import Experiment
from whalelib.experiment.keeping import read_json
from whalelib.experiment.places import STAGES


@dataclass(frozen=True)
class Run:
    """One run of an experiment: its knobs in full, and its result where there is one."""

    experiment: Experiment
    case: dict[str, Any]  # the knobs of the grid, without the seed
    seed: int
    config: Config

    @property
    def label(self) -> str:
        return ",".join(f"{k}={_plain(v)}" for k, v in {**self.case, "seed": self.seed}.items())

    @property
    def folder(self) -> Path:
        return self.experiment.folder / self.label

    @property
    def result(self) -> dict[str, Any] | None:
        return read_json(self.folder / "result.json")

    @property
    def signature(self) -> str:
        return signature(self.config, STAGES[self.experiment.stages[-1]][1])

    @property
    def fresh(self) -> bool:
        """Was the result made with the knobs, and of the data, that the experiment file and the defaults give now?"""
        recorded = self.folder / "config.yaml"
        if not self.result or not recorded.exists():
            return False
        product, before = STAGES[self.experiment.stages[-1]][1], read_yaml(recorded)
        same_place = all(before.get(name, "") == getattr(self.config, name) for name in ("data_path", "store_path"))
        return same_place and unchanged(self.config, product, before)


def runs(experiment: Experiment) -> list[Run]:
    """Every run of the experiment, its knobs checked. Seeds of a case stand together."""
    cases = [dict(zip(experiment.grid, v, strict=True)) for v in itertools.product(*experiment.grid.values())]
    where = str(experiment.path)
    return [
        Run(experiment, case, seed, resolve({**experiment.base, **case, "seed": seed}, where))
        for case, seed in itertools.product(cases, experiment.seeds)
    ]


def _plain(value: Any) -> str:
    return "+".join(map(str, value)) if isinstance(value, list) else str(value)
