"""A survey as a training sees it: which recordings it learns from, what it learns, and what it will answer for."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import pandas as pd

from whalelib import clips
from whalelib.errors import InputError
from whalelib.sources import Survey


@dataclass(frozen=True)
class Split:
    """A survey with its classes, the fold of each recording, and the clips to cut.

    Classes are what a detector learns; calls are what it answers for, where `merged_classes` joins some (song types).
    """

    survey: Survey
    classes: list[str]
    folds: pd.Series
    clips: pd.DataFrame
    answers: dict[str, list[str]] = dataclasses.field(default_factory=dict)

    @property
    def calls(self) -> list[str]:
        """What a trained detector answers for: the classes that are calls, or what they are joined to."""
        if self.answers:
            return list(self.answers)
        given = self.survey.events["label"].unique()
        return [name for name in self.classes if name != clips.NOISE or name in given]

    def recordings(self, *folds: str) -> pd.DataFrame:
        """The recordings of these folds."""
        chosen = self.folds[self.survey.recordings["recording"]].isin(folds).to_numpy()
        return self.survey.recordings[chosen].reset_index(drop=True)

    def events(self, *folds: str) -> pd.DataFrame:
        """The events of the calls to detect, in these folds."""
        events = self.called(self.survey.events)
        here = events["recording"].isin(self.recordings(*folds)["recording"])
        return events[here].reset_index(drop=True)

    def called(self, events: pd.DataFrame) -> pd.DataFrame:
        """Those of the events whose labels are learnt and answered for, by the names that are answered."""
        if not self.answers:
            return events[events["label"].isin(self.classes)]
        names = {one: answer for answer, joined in self.answers.items() for one in joined}
        # That one song type of several is not there does not say that the species is not.
        alone = [joined[0] for joined in self.answers.values() if len(joined) == 1]
        known = events["label"].isin(list(names)) & ((events["truth"] != "absent") | events["label"].isin(alone))
        return events[known].assign(label=lambda table: table["label"].map(names))

    def hours(self, *folds: str) -> float:
        return float(self.recordings(*folds)["seconds"].sum()) / 3600


def checked(answers: dict[str, list[str]], classes: list[str]) -> dict[str, list[str]]:
    """What the classes are joined to; each to one thing at most, or events of it would be counted twice."""
    named = [name for joined in answers.values() for name in joined]
    unknown, twice = [n for n in named if n not in classes], [n for n in named if named.count(n) > 1]
    if unknown or not all(answers.values()):
        raise InputError(
            f"merged_classes names {unknown[0] if unknown else 'nothing'!r}: each answer is a list of some of the "
            f"classes, which are {', '.join(classes)}."
        )
    if twice:
        raise InputError(f"merged_classes has {twice[0]!r} twice: a class is part of one answer at most.")
    return answers
