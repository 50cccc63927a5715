"""The log's figures, written as SVG: a few kilobytes of text that is the same on every machine.

(A drawing library's files change with its version and with the fonts that a machine has, so that a log could be checked
only where it was written.)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from whalelib.ledger.statistics import Estimate

_BLUE, _GREY, _INK, _PALE = "#0072B2", "#8a8a8a", "#222222", "#e2e2e2"
_WIDTH, _RIGHT, _ROW, _TOP = 720, 696, 26, 14
_LETTER = 7.2  # how wide a letter of 12 px is, about, in the widest of the usual fonts
_LONGEST = 48  # letters of a name


@dataclass(frozen=True)
class Line:
    """One row of a figure: a case, its values, their mean with its interval."""

    name: str
    values: Sequence[float]
    found: Estimate
    stale: bool = False


@dataclass(frozen=True)
class _Scale:
    """From values to pixels, and round values between."""

    low: float
    high: float
    begin: float
    end: float

    def __call__(self, value: float) -> float:
        return self.begin + (value - self.low) / (self.high - self.low) * (self.end - self.begin)

    def within(self, value: float) -> float:
        return self(min(max(value, self.low), self.high))

    def ticks(self) -> list[tuple[float, str]]:
        """Where a value stands, and its name; three to eight of them."""
        step = 10.0 ** math.floor(math.log10((self.high - self.low) / 4))
        step = next(step * k for k in (1, 2, 5, 10) if (self.high - self.low) / (step * k) <= 8)
        places = max(0, -math.floor(math.log10(step) + 1e-9))
        counted = range(math.ceil(self.low / step), math.floor(self.high / step) + 1)
        return [(self(k * step), f"{k * step + 0.0:.{places}f}") for k in counted]


def dots(lines: Sequence[Line], metric: str) -> str:
    """A row a case: open dots are runs, the filled one their mean with its interval. Dashed: the first case's mean."""
    left = 20 + _LETTER * min(max(len(line.name) for line in lines), _LONGEST)
    bottom = _TOP + _ROW * len(lines)
    x = _Scale(*_range([v for line in lines for v in line.values], [line.found for line in lines]), left, _RIGHT)
    parts = _below(x, bottom, f"{metric} of each run, mean and 95 % interval")
    if len(lines) > 1:
        dashed = f'stroke="{_GREY}" stroke-dasharray="3 3"'
        parts.append(f'<path d="M{x(lines[0].found.mean):.1f} {_TOP - 6}V{bottom}" {dashed}/>')
    for row, line in enumerate(lines):
        y, ink = _TOP + _ROW * (row + 0.5), _GREY if line.stale else _BLUE
        name = line.name if len(line.name) <= _LONGEST else f"{line.name[: _LONGEST - 1]}…"
        parts.append(_text(left - 10, y + 4, name, "end"))
        if math.isfinite(line.found.half_width):
            low, high = line.found.low, line.found.high
            # An interval that goes on beyond the figure has no end in it.
            caps = "".join(f"M{x(end):.1f} {y - 4:.1f}v8" for end in (low, high) if x.low <= end <= x.high)
            bar = f"M{x.within(low):.1f} {y:.1f}H{x.within(high):.1f}{caps}"
            parts.append(f'<path d="{bar}" stroke="{ink}" stroke-width="2" fill="none"/>')
        parts += [_dot(x(value), y, ink) for value in line.values]
        parts.append(f'<circle cx="{x(line.found.mean):.1f}" cy="{y:.1f}" r="4.5" fill="{ink}"/>')
    return _svg(_WIDTH, bottom + 42, parts)


def trials(values: Sequence[float], metric: str, less_is_better: bool) -> str:
    """A search: what each trial came to, in the order they were made, and the best so far."""
    bottom = 200
    x = _Scale(0, len(values) + 1, 70, _RIGHT)
    y = _Scale(*_range(values, []), bottom, _TOP)
    parts = _beside(y, 70, _RIGHT)
    best, path = values[0], f"M{x(1):.1f} {y(values[0]):.1f}"
    for number, value in enumerate(values, 1):
        if value < best if less_is_better else value > best:
            best, path = value, f"{path}H{x(number):.1f}V{y(value):.1f}"
        parts.append(_dot(x(number), y(value), _BLUE))
    parts.append(f'<path d="{path}H{x(len(values)):.1f}" fill="none" stroke="{_BLUE}" stroke-width="2"/>')
    says = f"{metric} of {len(values)} trials in turn; the line is the best so far"
    parts.append(_text((70 + _RIGHT) / 2, bottom + 24, says))
    return _svg(_WIDTH, bottom + 36, parts)


def scatter(points: Sequence[tuple[float, float]], metric: str, where: str) -> str:
    """A dot for each run: here to the right, outside upwards."""
    bottom, right = 240, 440
    x = _Scale(*_range([here for here, _ in points], []), 70, right)
    y = _Scale(*_range([there for _, there in points], []), bottom, _TOP)
    parts = [*_below(x, bottom, f"{metric}, against the score of {where} upwards"), *_beside(y, 70, right)]
    parts += [_dot(x(here), y(there), _BLUE) for here, there in points]
    return _svg(right + 30, bottom + 42, parts)


def _range(values: Sequence[float], intervals: Sequence[Estimate]) -> tuple[float, float]:
    """What an axis shows: every value, and the intervals as far as they do not dwarf the values."""
    low, high = min(values), max(values)
    far = 1.5 * (high - low) or abs(high) * 0.05 or 0.05
    ends = [end for found in intervals if math.isfinite(found.half_width) for end in (found.low, found.high)]
    low, high = max(min([low, *ends]), low - far), min(max([high, *ends]), high + far)
    room = 0.06 * (high - low) or far
    return low - room, high + room


def _below(x: _Scale, bottom: float, says: str) -> list[str]:
    """An axis below, with lines upwards."""
    lines = [f'<path d="M{at:.1f} {_TOP - 6}V{bottom}" stroke="{_PALE}"/>' for at, _ in x.ticks()]
    names = [_text(at, bottom + 16, name) for at, name in x.ticks()]
    return [*lines, *names, _text((x.begin + x.end) / 2, bottom + 34, says)]


def _beside(y: _Scale, left: float, right: float) -> list[str]:
    """An axis at the left, with lines to the right."""
    lines = [f'<path d="M{left} {at:.1f}H{right}" stroke="{_PALE}"/>' for at, _ in y.ticks()]
    return [*lines, *(_text(left - 8, at + 4, name, "end") for at, name in y.ticks())]


def _dot(x: float, y: float, ink: str) -> str:
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="white" stroke="{ink}"/>'


def _text(x: float, y: float, says: str, anchor: str = "middle") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(says)}</text>'


def _svg(width: float, height: float, parts: Sequence[str]) -> str:
    """The whole file. Its ground is white, so that it can be read on a dark page."""
    font = 'font-family="Helvetica, Arial, sans-serif" font-size="12"'
    size = f'width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} {font} fill="{_INK}">'
    return "\n".join([head, '<rect width="100%" height="100%" fill="white"/>', *parts, "</svg>", ""])
