"""How good are transcripts? The share of units that are wrong, and by how much their times are off."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from whalelib.metrics import judge
from whalelib.metrics.intervals import DRAWS, LEVEL, resamples, with_ends
from whalelib.metrics.matching import OVERLAP, Rule


class Edits(NamedTuple):
    """What must be done to a transcript to make it the truth."""

    wrong: int  # units said as another
    missed: int
    extra: int
    units: int  # of the truth

    @property
    def rate(self) -> float:
        """Errors over units, as the word error rate; NaN where there was nothing to say."""
        return (self.wrong + self.missed + self.extra) / self.units if self.units else np.nan


def edits(truth: Sequence[str], told: Sequence[str], hedged: Sequence[bool] = ()) -> Edits:
    """The fewest edits between two sequences. A `hedged` unit of the truth may be told or not: neither costs, and it
    counts as a unit only where it is told as another."""
    doubt = list(hedged) or [False] * len(truth)
    # cost, wrong, missed, extra; among equals fewer hedged units told as others
    best = [(j, 0, 0, j) for j in range(len(told) + 1)]
    for i, unit in enumerate(truth):
        miss = 0 if doubt[i] else 1
        row = [(best[0][0] + miss, best[0][1], best[0][2] + miss, best[0][3])]
        for j, said in enumerate(told):
            same = int(unit != said)
            a, b, c = best[j], best[j + 1], row[j]
            row.append(
                min(
                    (a[0] + same, a[1] + same, a[2], a[3]),
                    (b[0] + miss, b[1], b[2] + miss, b[3]),
                    (c[0] + 1, c[1], c[2], c[3] + 1),
                )
            )
        best = row
    _, wrong, missed, extra = best[-1]
    return Edits(wrong, missed, extra, sum(not d for d in doubt))


def unit_report(
    truth: pd.DataFrame,
    told: pd.DataFrame,
    recordings: pd.DataFrame,
    *,
    draws: int = DRAWS,
    level: float = LEVEL,
    seed: int = 0,
) -> pd.DataFrame:
    """Unit error rate over recordings, in order of onset, one row "all": the edits, and the rate with its interval.

    The interval comes from drawing whole groups (days). Calls that are only `possible` may be told or not.
    """
    rows = []
    for name in recordings["recording"]:
        wanted, said = (t[t["recording"] == name].sort_values(["onset", "offset", "label"]) for t in (truth, told))
        wanted = wanted[wanted["truth"] != "absent"]
        rows.append(edits(list(wanted["label"]), list(said["label"]), list(wanted["truth"] == "possible")))
    table = np.array(rows, dtype=float).reshape(-1, 4)
    of, times = resamples(recordings["group"].to_numpy(), draws, seed)
    groups = np.zeros((times.shape[1], 4))
    np.add.at(groups, of, table)
    drawn = np.concatenate([np.ones((1, len(groups))), times]) @ groups
    with np.errstate(invalid="ignore", divide="ignore"):
        rate = np.where(drawn[:, 3] > 0, drawn[:, :3].sum(1) / drawn[:, 3], np.nan)
    total = table.sum(axis=0).astype(int)
    report = pd.DataFrame([[*total]], columns=["wrong", "missed", "extra", "units"])
    return with_ends(report, {"unit_error_rate": rate[:, None]}, level, intervals=True)


def onset_errors(truth: pd.DataFrame, told: pd.DataFrame, rule: Rule = OVERLAP) -> pd.DataFrame:
    """By how many seconds the calls that were found begin too late (or, negative, too early), a row a call."""
    truth = truth.reset_index(drop=True)
    judged = judge(truth, told, rule)
    hits = judged[judged["verdict"] == "hit"]
    begun = truth["onset"].to_numpy()[hits["event"].to_numpy(dtype=int)]
    return hits[["recording", "label", "onset"]].assign(late=hits["onset"].to_numpy() - begun).reset_index(drop=True)


def taken_for(truth: pd.DataFrame, told: pd.DataFrame, rule: Rule = OVERLAP) -> pd.DataFrame:
    """How many calls of each label (rows) were told as which (columns), one to one by their times alone.

    The column "missed" counts calls that nothing was told of, the row "made up" what was told where no call is. What
    was told of a possible call is in neither.
    """
    truth, told = truth[truth["truth"] != "absent"].reset_index(drop=True), told.reset_index(drop=True)
    judged = judge(truth.assign(label="call"), told.assign(label="call"), rule)
    judged, said = judged[judged["verdict"] != "open"], told["label"][(judged["verdict"] != "open").to_numpy()]
    event, present = judged["event"].to_numpy(), truth[truth["truth"] == "present"]
    labels = sorted({*present["label"], *said})
    table = pd.crosstab(truth["label"].to_numpy()[event[event >= 0]], said[event >= 0].to_numpy())
    table = table.reindex(index=labels, columns=labels, fill_value=0)
    table["missed"] = present["label"].value_counts().reindex(labels, fill_value=0) - table.sum(axis=1)
    made_up = said[event < 0].value_counts().reindex([*labels, "missed"], fill_value=0)
    return pd.concat([table, made_up.rename("made up").to_frame().T]).rename_axis(index="annotated", columns="told")
