"""What the log says in words, each sentence made from the numbers that it is true of."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from whalelib.ledger.statistics import Agreement, Estimate

_LESS_IS_BETTER = {"false", "seconds", "minutes", "loss", "error", "missed", "brier", "ece", "off", "wrong", "extra"}


@dataclass(frozen=True)
class Verdict:
    """One true sentence on a difference, and what it came to."""

    kind: Literal["better", "worse", "small", "none", "unsaid"]
    text: str


def less_is_better(metric: str) -> bool:
    """Told by the words of its name; `recall_at_false_per_hour` is a recall."""
    return bool(_LESS_IS_BETTER & set(metric.split("_at_")[0].split("_")))


def decimals(*values: float) -> int:
    """With how many decimals these are told: three for shares, fewer for hundreds, more for tiny differences."""
    sizes = [abs(v) for v in values if math.isfinite(v) and v]
    if not sizes:
        return 3
    if max(sizes) >= 10:
        return 1 if max(sizes) < 100 else 0
    return min(max(3, math.ceil(-math.log10(min(sizes)))), 9) if min(sizes) >= 1e-9 else 3


def number(value: float, places: int, sign: str = "") -> str:
    """A number in a table or a sentence; what was not measured is a dash."""
    return f"{value:{sign}.{places}f}" if math.isfinite(value) else "–"


def mean_and_interval(found: Estimate, sign: str = "") -> str:
    """As in 0.810 ± 0.025."""
    if found.n == 0:
        return "–"
    places = decimals(found.mean)
    spread = "" if math.isnan(found.half_width) else f" ± {number(found.half_width, places)}"
    return f"{number(found.mean, places, sign)}{spread}"


def verdict(name: str, reference: str, difference: Estimate, matters: float, metric: str) -> Verdict:
    """What a difference comes to. It "beats" only where its interval excludes zero and its mean is one that matters."""
    if difference.n == 0:
        return Verdict("unsaid", f"**{name}** against {reference}: no seed in common, so nothing can be said.")
    if difference.n == 1:
        return Verdict("unsaid", f"**{name}** against {reference}: one seed in common, so nothing can be said.")
    mean, low, high = difference.mean, difference.low, difference.high
    places = decimals(*(v for v in (mean, low, high) if v))
    span = f"{number(low, places, '+')} to {number(high, places, '+')}"
    if mean == 0 and difference.half_width == 0:
        return Verdict("none", f"**{name}** and {reference} give the same {metric} in all {difference.n} pairs.")
    if low <= 0 <= high:
        reach = number(difference.half_width, places)
        text = f"No difference seen between **{name}** and {reference} ({span}); one beyond {reach} would have been."
        if max(-low, high) < matters:
            text = f"{text} One of the {matters:g} that would matter is ruled out."
        return Verdict("none", text)
    if abs(mean) < matters:
        where = "above" if mean > 0 else "below"
        text = f"**{name}** lies {number(abs(mean), places)} {where} {reference} ({span})"
        return Verdict("small", f"{text}: less than the {matters:g} that would matter.")
    better = (mean > 0) != less_is_better(metric)
    text = f"**{name}** {'beats' if better else 'loses to'} {reference} by {number(abs(mean), places)} ({span})"
    if min(abs(low), abs(high)) < matters:
        text = f"{text}, though less than the {matters:g} that would matter is not ruled out"
    return Verdict("better" if better else "worse", f"{text}.")


def summary(verdicts: Sequence[Verdict], reference: str) -> str:
    """How many beat the reference, in one sentence; nothing where there is one comparison, which says it itself."""
    if len(verdicts) < 2:
        return ""
    words = {
        "better": "{n} beat{s} it",
        "worse": "{n} lose{s} to it",
        "small": "{n} differ{s} by less than matters",
        "none": "{n} show{s} no difference",
        "unsaid": "of {n} nothing can be said",
    }
    counts = {kind: sum(v.kind == kind for v in verdicts) for kind in words}
    parts = [words[kind].format(n=n, s="s" if n == 1 else "") for kind, n in counts.items() if n]
    return f"Of the {len(verdicts)} compared with {reference}, {_listed(parts)}."


def alone(metric: str, found: Estimate, repetition: str = "seed") -> str:
    """On an experiment of one case, with which nothing is compared."""
    if found.n == 0:
        return f"No run has measured {metric}."
    if found.n == 1:
        value = number(found.mean, decimals(found.mean))
        return f"{metric} is {value} with one {repetition}, so nothing can be said of how much chance is in it."
    return f"{metric} is {mean_and_interval(found)} over {found.n} {repetition}s."


def chosen(trials: int, best: str, value: float, metric: str) -> str:
    """On a search: its best is the best of many, which flatters it."""
    text = f"The best of {trials} trials is **{best}**, with {metric} {number(value, decimals(value))}."
    if trials < 2:
        return f"{text} One trial is no search, so nothing can be said."
    return (
        f"{text} Being the best of {trials}, it is in part the luckiest: its figure is too good by an amount that "
        "these trials cannot tell. Train it again with new seeds, against the reference, before it is believed."
    )


def ordering(found: Agreement, metric: str, where: str) -> str:
    """Does local validation put the runs in the order in which the outside puts them?"""
    if found.n < 4:
        have = "runs have" if found.n != 1 else "run has"
        return f"{found.n} {have} a score of {where}, too few to say whether {metric} orders them alike."
    if math.isnan(found.rho):
        return f"All {found.n} runs score alike here or outside, so there is no order to compare."
    span = f"rank correlation {found.rho:+.2f}, {found.low:+.2f} to {found.high:+.2f}, {found.n} runs"
    if found.low > 0:
        return f"{metric} orders the runs as {where} does ({span}): what helped here helped there."
    if found.high < 0:
        return f"{metric} orders the runs against {where} ({span}): what helped here hurt there."
    return f"It is not seen that {metric} orders the runs as {where} does ({span})."


def _listed(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
