"""Does something that is not the call give the call away? What loudness, length or the file's name alone would score.

A detector learns whatever separates the clips. Where files with a call are louder, longer, of another rate or named
otherwise than those without, its figures may say nothing about whales.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from whalelib.doctor.finding import Finding, finding, sentence

if TYPE_CHECKING:
    from whalelib.doctor.case import Case

WARN_AUC, ERROR_AUC = 0.7, 0.9
FEWEST = 10  # recordings on either side
CHANCE_SIGMAS = 3.5  # what so few groups reach by chance is no finding
MOST_CLASSES = 30
MOST_NAMES = 4000
ANY = "any call"


def shortcuts(case: Case) -> Iterator[Finding]:
    """Loudness, peak, offset, length, rate, name and order of files as detectors."""
    table = case.shortcuts
    if table.empty:
        what = f"""Whether loudness, length or names give calls away could not be tested: fewer than {FEWEST} recordings
            are known to be with a call, or without."""
        yield finding(
            "note", "shortcuts-not-tested", " ".join(what.split()), "nothing: it concerns sets of short clips"
        )
        return
    # As published figures are rounded: 0.70 is 0.7.
    auc = table["auc"].round(2)
    clear = table["auc"] - 0.5 > CHANCE_SIGMAS * table["chance"]
    # A name or an order is heard by no detector; it tells how the set was put together.
    unheard = table["by"].isin(["name", "order"])
    for severity, rows in (
        ("error", table[clear & (auc > ERROR_AUC) & ~unheard]),
        ("warning", table[clear & (auc >= WARN_AUC) & ~((auc > ERROR_AUC) & ~unheard)]),
    ):
        if len(rows):
            best = rows.iloc[0]
            more = f" (and {len(rows) - 1} more such)" if len(rows) > 1 else ""
            alone = f"the {_WORDS[best['by']]} of a file alone"
            what = f"{alone} tells {best['target']!r} at an AUC of {best['auc']:.2f}{more}"
            yield finding(severity, "shortcut", sentence(what), _mend(rows), rows)


_WORDS = {
    "rms": "loudness (RMS)",
    "peak": "peak",
    "dc": "constant part (DC)",
    "seconds": "length",
    "sample_rate": "sample rate",
    "name": "name",
    "order": "place in the order of names",
}


def _spelt_out(case: Case, target: str) -> bool:
    """Whether files are named after what they hold, as in folders sorted by species; then names tell it on purpose."""
    calls = case.calls if target == ANY else case.calls[case.calls["label"] == target]
    pairs = calls[["recording", "label"]].drop_duplicates()
    spelt = [_plain(label) in _plain(name) for name, label in zip(pairs["recording"], pairs["label"], strict=True)]
    return bool(spelt) and float(np.mean(spelt)) > 0.8


def _plain(text: str) -> str:
    return re.sub(r"[\W_]", "", text).casefold()


def _mend(rows: pd.DataFrame) -> str:
    ways = []
    if rows["by"].isin(["rms", "peak", "dc"]).any():
        ways.append(
            "take the level out of the picture (normalise), and trust no detector that does not beat this figure"
        )
    if (rows["by"] == "seconds").any():
        ways.append("cut clips as windows, or pad so that the length cannot be heard (padding)")
    if (rows["by"] == "sample_rate").any():
        ways.append("keep band_high_hz below half the lowest sample rate")
    if rows["by"].isin(["name", "order"]).any():
        ways.append("find out why names tell it: if names follow days or sites, make those the groups")
    return "; ".join(ways)


def has_call(case: Case) -> pd.DataFrame:
    """For each recording that was heard, one column a target: 1 with a call, 0 known to be without, NaN unknown."""
    names = case.heard.table["recording"]
    events = case.events[case.events["recording"].isin(set(names))]
    calls = case.calls
    spoken = names.isin(set(calls["recording"]))
    hedged = names.isin(set(events.loc[events["truth"] == "possible", "recording"]))
    denied = names.isin(set(events.loc[events["truth"] == "absent", "recording"]))
    empty = ~spoken & ~hedged & (denied | case.exhaustive)
    truth = {ANY: np.where(spoken, 1.0, np.where(empty, 0.0, np.nan))}
    common = calls.groupby("label")["recording"].nunique().sort_values(ascending=False, kind="stable")
    for label in common.index[:MOST_CLASSES] if len(common) > 1 else []:
        here = names.isin(set(calls.loc[calls["label"] == label, "recording"]))
        other = empty | (spoken & ~hedged)  # a recording labelled as another species is taken for one without this
        truth[str(label)] = np.where(here, 1.0, np.where(other, 0.0, np.nan))
    return pd.DataFrame(truth, index=names.to_numpy())


def measured(case: Case) -> pd.DataFrame:
    """`probe` for every target of which enough recordings are known, with and without it."""
    truth = has_call(case)
    tested = [name for name in truth if min((truth[name] == 1).sum(), (truth[name] == 0).sum()) >= FEWEST]
    return probe(case, truth[tested])


def probe(case: Case, truth: pd.DataFrame) -> pd.DataFrame:
    """One row a target and feature: the AUC that the feature alone reaches, whichever way round, the best first;
    and `chance`, the spread of such an AUC around 0.5 in that many groups if there is nothing to find."""
    table = case.heard.table.merge(case.recordings[["recording", "seconds", "sample_rate"]], on="recording", how="left")
    numbers = table[["rms", "peak", "dc", "seconds", "sample_rate"]]
    groups = pd.factorize(table["group"])[0]
    names = table["recording"].tolist()
    rank = np.empty(len(names))
    rank[sorted(range(len(names)), key=lambda k: _natural(names[k]))] = np.arange(len(names))
    rows = []
    for target in truth:
        answer = truth[target].to_numpy()
        known = np.flatnonzero(np.isfinite(answer))
        y, here = answer[known] == 1, groups[known]
        chance = _chance(y, here)
        scores = {name: numbers[name].to_numpy(dtype=float)[known] for name in numbers}
        # Lengths and levels that differ only by rounding order nothing.
        scores = {name: np.round(value, 9) for name, value in scores.items()}
        found = {name: max(a, 1 - a) for name, a in ((n, auc(y, s)) for n, s in scores.items())}
        if _spelt_out(case, target):
            rows += [(target, by, value, chance, int(y.sum()), int((~y).sum())) for by, value in found.items()]
            continue
        some = known[np.unique(np.linspace(0, len(known) - 1, min(len(known), MOST_NAMES)).astype(int))]
        of_name, of_order = _by_name(names, rank, groups, answer == 1, some)
        found |= {"name": of_name, "order": of_order}
        rows += [(target, by, value, chance, int(y.sum()), int((~y).sum())) for by, value in found.items()]
    frame = pd.DataFrame(rows, columns=["target", "by", "auc", "chance", "with_call", "without"])
    return frame.dropna(subset="auc").sort_values("auc", ascending=False, kind="stable", ignore_index=True)


def auc(truth: np.ndarray, score: np.ndarray) -> float:
    """The chance that a true one scores above a false one; ties count half."""
    from scipy.stats import rankdata

    ones, zeros = int(truth.sum()), int((~truth).sum())
    if not ones or not zeros:
        return float("nan")
    return float((rankdata(score)[truth].sum() - ones * (ones + 1) / 2) / (ones * zeros))


def _chance(truth: np.ndarray, groups: np.ndarray) -> float:
    """The spread of a random score's AUC; clips of one group are no independent clips."""
    ones, zeros = len(np.unique(groups[truth])), len(np.unique(groups[~truth]))
    return float(np.sqrt((ones + zeros + 1) / (12 * ones * zeros))) if ones and zeros else float("nan")


def _by_name(
    names: list[str], rank: np.ndarray, groups: np.ndarray, truth: np.ndarray, some: np.ndarray
) -> tuple[float, float]:
    """AUC of a classifier of the names' letters, and of one of their order, on groups they have not seen."""
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GroupKFold
    from sklearn.tree import DecisionTreeClassifier

    y, here = truth[some], groups[some]
    folds = min(5, len(np.unique(here)))
    if folds < 2:
        return float("nan"), float("nan")
    letters = CountVectorizer(analyzer="char", ngram_range=(1, 4), binary=True, max_features=1500, dtype=np.float32)
    try:
        text = letters.fit_transform([names[k] for k in some])
    except ValueError:  # names without a letter
        return float("nan"), float("nan")
    order = rank[some][:, None]
    scores = np.full((2, len(some)), np.nan)
    for learnt, tested in GroupKFold(folds).split(text, y, here):
        if y[learnt].all() or not y[learnt].any():
            continue
        by_letter = LogisticRegression(C=0.1, max_iter=200).fit(text[learnt], y[learnt])
        scores[0, tested] = by_letter.decision_function(text[tested])
        leaf = max(5, len(learnt) // 50)
        by_order = DecisionTreeClassifier(min_samples_leaf=leaf, random_state=0).fit(order[learnt], y[learnt])
        scores[1, tested] = by_order.predict_proba(order[tested])[:, 1]
    seen = np.isfinite(scores[0])
    # Below one half there is nothing to find: a classifier, unlike a number, knows which way round it is.
    return auc(y[seen], scores[0, seen]), auc(y[seen], scores[1, seen])


def _natural(name: str) -> list[tuple[int, int | str]]:
    """A key that sorts clip_9 before clip_10."""
    return [(0, int(part)) if part.isdigit() else (1, part) for part in re.findall(r"[0-9]+|[^0-9]+", name)]
