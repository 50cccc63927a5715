"""What an augmentation may be told: numbers to draw from, and words to choose from."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from whalelib.augment.drawing import Dice
from whalelib.errors import InputError


@dataclass(frozen=True)
class Range:
    """Where a number is drawn from: evenly between two numbers, or one of several.

    Written `3..20`, `0.9/1.1`, or as one number, which is then always the one. `least` and `most` are what makes sense.
    """

    low: float
    high: float
    unit: str = ""
    least: float = -math.inf
    most: float = math.inf
    choices: tuple[float, ...] = ()

    kind: ClassVar[str] = "a number, a range such as {low}..{high}, or choices such as {low}/{high}"

    def read(self, text: str) -> Range:
        """The same quantity with what a user wrote."""
        try:
            numbers = tuple(float(part) for part in text.split(".." if ".." in text else "/"))
        except ValueError:
            numbers = ()
        if not numbers or not all(map(math.isfinite, numbers)) or (".." in text and len(numbers) != 2):
            raise InputError(f"it is {self.kind.format(low=f'{self.low:g}', high=f'{self.high:g}')}")
        if ".." in text and numbers[0] > numbers[1]:
            raise InputError(f"the range goes from high to low; write {numbers[1]:g}..{numbers[0]:g}")
        if min(numbers) < self.least or max(numbers) > self.most:
            unit = f" {self.unit}" if self.unit else ""
            raise InputError(f"it must lie within {self.least:g} and {self.most:g}{unit}")
        choices = () if ".." in text or len(numbers) == 1 else numbers
        return dataclasses.replace(self, low=min(numbers), high=max(numbers), choices=choices)

    def draw(self, dice: Dice, columns: int | None = None) -> np.ndarray:
        """A number for each clip, or `columns` of them."""
        share = dice.uniform(columns)
        if self.choices:
            return np.array(self.choices)[(share * len(self.choices)).astype(int)]
        return self.low + (self.high - self.low) * share

    def __str__(self) -> str:
        if self.choices:
            return "/".join(f"{number:g}" for number in self.choices)
        return f"{self.low:g}" if self.low == self.high else f"{self.low:g}..{self.high:g}"


@dataclass(frozen=True)
class Number:
    """One number that holds for all clips: a probability, a count, a shape."""

    value: float
    unit: str = ""
    least: float = 0.0
    most: float = 1.0
    whole: bool = False

    def read(self, text: str) -> Number:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        fits = self.least <= value <= self.most and (value == round(value) or not self.whole)
        if not fits:
            kind = "a whole number" if self.whole else "a number"
            raise InputError(f"it is {kind} from {self.least:g} to {self.most:g}")
        return dataclasses.replace(self, value=value)

    def __str__(self) -> str:
        return f"{self.value:g}"


@dataclass(frozen=True)
class Word:
    """One of a few words."""

    value: str
    words: tuple[str, ...]
    unit: ClassVar[str] = ""

    def read(self, text: str) -> Word:
        if text not in self.words:
            raise InputError(f"it is one of {', '.join(self.words)}")
        return dataclasses.replace(self, value=text)

    def __str__(self) -> str:
        return self.value


Setting = Range | Number | Word
