"""The words of a transcript: one token a label, one a moment; and events as sentences of them, there and back.

A call is three tokens, `onset label offset`; calls stand in the order of their onsets, so calls that overlap are no
exception. A call that was begun before the window or goes on after it is told by the window's own first or last moment.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np

from whalelib.errors import InputError

IGNORED = -100  # what the loss does not look at


class Call(NamedTuple):
    """A call of a window: seconds since its beginning."""

    onset: float
    offset: float
    label: str


@dataclass(frozen=True)
class Vocabulary:
    """Which token says what. Ids follow each other: moments from `first_moment` on, labels from `first_label` on."""

    labels: tuple[str, ...]
    step_seconds: float  # from one moment to the next, in the recording's time
    window_seconds: float
    start: tuple[int, ...]  # what a sentence begins with before anything is said
    end: int
    first_moment: int
    first_label: int
    kind: ClassVar[str] = "calls"

    def __post_init__(self) -> None:
        if not self.labels:
            raise InputError("there is no label to transcribe: annotate calls, or name them in classes.")
        double = [name for k, name in enumerate(self.labels) if name in self.labels[:k]]
        if double:
            raise InputError(f"the label {double[0]!r} is given twice: every label has one token.")

    @classmethod
    def small(cls, labels: Sequence[str], window_seconds: float, step_seconds: float) -> Vocabulary:
        """The tokens of a model that has never read a text: end, start, moments, labels."""
        moments = _moments(window_seconds, step_seconds)
        return cls(tuple(labels), step_seconds, window_seconds, (1,), 0, 2, 2 + moments)

    @property
    def moments(self) -> int:
        return _moments(self.window_seconds, self.step_seconds)

    @property
    def size(self) -> int:
        """How many tokens a model that speaks these words must know."""
        return max(self.first_moment + self.moments, self.first_label + len(self.labels), self.end + 1)

    def extended(self, labels: Iterable[str]) -> Vocabulary:
        """With these labels too, the old ones keeping their tokens."""
        new = [name for name in labels if name not in self.labels]
        if new and self.first_label + len(self.labels) != self.size:
            raise InputError("labels can only be added to a vocabulary that ends with its labels.")
        return replace(self, labels=(*self.labels, *new))

    def encode(self, calls: Iterable[Call]) -> list[int]:
        """The tokens of a window's calls, without the beginning, with the end."""
        tokens = []
        for call in sorted(calls, key=lambda c: (c.onset, c.offset, c.label)):
            if call.label not in self.labels:
                raise InputError(
                    f"no token stands for the label {call.label!r}: the transcriber knows {', '.join(self.labels)}."
                )
            onset = min(self._moment(call.onset), self.moments - 2)  # nothing begins where the window ends
            offset = max(self._moment(call.offset), onset + 1)  # and a call shorter than a step lasts one
            label = self.first_label + self.labels.index(call.label)
            tokens += [self.first_moment + onset, label, self.first_moment + offset]
        return [*tokens, self.end]

    def decode(self, tokens: Iterable[int]) -> list[Call]:
        """The calls that a sentence tells. What is no call (a label without its moments) is passed over."""
        calls: list[Call] = []
        onset: float | None = None
        label: str | None = None
        for token in tokens:
            if token == self.end:
                break
            moment, kind = token - self.first_moment, token - self.first_label
            if 0 <= kind < len(self.labels):
                label = self.labels[kind] if onset is not None and label is None else None
            elif 0 <= moment < self.moments:
                at = moment * self.step_seconds
                if label is not None and onset is not None and at > onset:
                    calls.append(Call(onset, min(at, self.window_seconds), label))
                    onset = label = None
                else:
                    onset, label = at, None
        return calls

    def reads_back(self, calls: Iterable[Call], tokens: Iterable[int]) -> bool:
        """Do these tokens say these calls, each end within half a step, or one and a half where a call is shorter?"""
        there, back = sorted(calls, key=lambda c: (c.onset, c.offset, c.label)), self.decode(tokens)
        return len(there) == len(back) and all(
            call.label == said.label and max(abs(call.onset - said.onset), abs(call.offset - said.offset)) <= off
            for call, said in zip(there, back, strict=True)
            for off in [self.step_seconds * (1.5 if call.offset - call.onset < self.step_seconds else 0.5) + 1e-9]
        )

    def units(self, tokens: Iterable[int]) -> list[str]:
        """The labels that a sentence tells, in its order."""
        return [call.label for call in self.decode(tokens)]

    def said(self, told: Iterable[Call]) -> list[str]:
        """The units of what `told` gave."""
        return [call.label for call in told]

    def told(self, tokens: list[int], chances: list[float]) -> tuple[list[Call], list[float]]:
        """The calls of a sentence that keeps to the grammar, and how sure the three tokens of each are."""
        calls = self.decode(tokens)
        each = np.array(chances[: 3 * len(calls)], dtype=float).reshape(-1, 3)
        return calls, list(np.clip(each.min(axis=1), 0.0, 1.0)) if len(calls) else []

    def save(self, folder: Path) -> None:
        """Nothing: all that there is stands in `about`."""

    def about(self) -> dict[str, Any]:
        """As JSON has it."""
        return {**asdict(self), "labels": list(self.labels), "start": list(self.start)}

    @classmethod
    def of(cls, about: dict[str, Any]) -> Vocabulary:
        return cls(**{**about, "labels": tuple(about["labels"]), "start": tuple(about["start"])})

    def _moment(self, seconds: float) -> int:
        inside = min(max(seconds, 0.0), self.window_seconds)
        return min(round(inside / self.step_seconds), self.moments - 1)


def _moments(window_seconds: float, step_seconds: float) -> int:
    return int(np.ceil(window_seconds / step_seconds - 1e-9)) + 1
