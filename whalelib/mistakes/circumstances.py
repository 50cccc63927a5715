"""False alarms an hour by what was going on: other sounds, the hour, the day, how loud it was."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pandas as pd

from whalelib import metrics, tables
from whalelib.metrics.intervals import LEVEL, poisson
from whalelib.metrics.known import Exhaustive

RATES = ["by", "value", "hours", "false", "per_hour", "per_hour_low", "per_hour_high"]
NONE = "none of these"


def circumstances(
    at: pd.DataFrame,
    recordings: pd.DataFrame,
    *,
    noise: pd.DataFrame | None = None,
    levels: pd.DataFrame | None = None,
    reach_seconds: float = 1.0,
    steps: int = 4,
) -> pd.DataFrame:
    """What was going on at moments (`recording`, `at` in seconds): a row for each moment and each thing that it was.

    `row` is the moment's number; `by` and `value` say what it was:

    - noise: each sound of the table `noise` that is heard no further than `reach_seconds` off, or none of these
    - loudness: in which of `steps` equally long parts of all that was heard its level lies, by the table `levels`
      (`recording`, `onset`, `offset`, `level_db`)
    - hour: of the day, in UTC, where the recording has a date
    - group: the recording's day, tape or site
    """
    at = at.reset_index(drop=True)
    about = recordings.set_index("recording")
    parts = [pd.DataFrame({"row": at.index, "by": "group", "value": at["recording"].map(about["group"]).astype(str)})]
    begun = at["recording"].map(about["start"]) + pd.to_timedelta(at["at"], unit="s")
    hour = begun.dt.strftime("%H").dropna()
    parts.append(pd.DataFrame({"row": hour.index, "by": "hour", "value": hour.to_numpy() + " h UTC"}))
    if noise is not None and len(noise):
        parts.append(_noises(at, noise, reach_seconds))
    if levels is not None and levels["level_db"].notna().any():
        parts.append(_loudness(at, levels, steps))
    return pd.concat(parts, ignore_index=True)


def false_rates(
    judged: pd.DataFrame,
    scores: pd.DataFrame,
    truth: pd.DataFrame,
    recordings: pd.DataFrame,
    classes: Sequence[str],
    *,
    exhaustive: Exhaustive,
    noise: pd.DataFrame | None = None,
    levels: pd.DataFrame | None = None,
    level: float = LEVEL,
) -> pd.DataFrame:
    """False alarms of all classes in an hour under each circumstance, the highest rate of each kind first.

    `judged` is from `metrics.judge`, `scores` say what was analysed. Hours are those whose truth is known, the mean
    over the classes; both they and the false alarms are counted by where their middle lies. Intervals are those of
    Poisson counts. A circumstance that lasted no known time has no row.
    """
    wrong = judged[judged["verdict"] == "false"]
    states = metrics.cell_truth(scores, truth, classes, exhaustive=exhaustive)
    known = (np.isfinite(states) & np.isfinite(scores[list(classes)].to_numpy(dtype=float))).mean(axis=1)
    lasts = (scores["offset"] - scores["onset"]).to_numpy() * known / 3600
    of_cells = circumstances(_middles(scores[known > 0]), recordings, noise=noise, levels=levels)
    hours = of_cells.assign(hours=lasts[known > 0][of_cells["row"]]).groupby(["by", "value"], observed=True)["hours"]
    of_alarms = circumstances(_middles(wrong), recordings, noise=noise, levels=levels)
    table = hours.sum().to_frame()
    table["false"] = of_alarms.groupby(["by", "value"], observed=True).size()
    table["false"] = table["false"].fillna(0).astype(int)
    low, high = poisson(table["false"].to_numpy(), level)
    table["per_hour"] = table["false"] / table["hours"]
    table["per_hour_low"], table["per_hour_high"] = low / table["hours"], high / table["hours"]
    table = table.reset_index().sort_values(["by", "per_hour"], ascending=[True, False], kind="stable")
    return table[RATES].reset_index(drop=True)


def _middles(spans: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"recording": spans["recording"].astype(str), "at": (spans["onset"] + spans["offset"]) / 2})


def _noises(at: pd.DataFrame, noise: pd.DataFrame, reach: float) -> pd.DataFrame:
    """Which noises are near each moment. Stretches of one sound that overlap count once."""
    found = []
    for label, stretches in noise.groupby("label", sort=True):
        for rows, here in tables.same_kind(at, stretches, by=["recording"]):
            begin, end = (stretches[name].to_numpy(dtype=float)[here] for name in ("onset", "offset"))
            begin, end = tables.union(begin - reach, end + reach)
            moment = at["at"].to_numpy()[rows]
            before = np.searchsorted(begin, moment, side="right") - 1
            near = rows[(before >= 0) & (moment <= end[before])]
            found.append(pd.DataFrame({"row": near, "by": "noise", "value": str(label)}))
    heard = np.concatenate([part["row"] for part in found]) if found else np.zeros(0, dtype=int)
    quiet = np.setdiff1d(at.index.to_numpy(), heard)
    return pd.concat([*found, pd.DataFrame({"row": quiet, "by": "noise", "value": NONE})], ignore_index=True)


def _loudness(at: pd.DataFrame, levels: pd.DataFrame, steps: int) -> pd.DataFrame:
    edges = np.unique(np.nanquantile(levels["level_db"], np.linspace(0, 1, steps + 1)[1:-1]))
    bounds = [-np.inf, *edges, np.inf]
    names = [f"{a:.0f} to {b:.0f} dB" for a, b in itertools.pairwise(edges)]
    names = [f"below {edges[0]:.0f} dB", *names, f"above {edges[-1]:.0f} dB"]
    value = pd.Series(np.nan, index=at.index)
    for rows, here in tables.same_kind(at, levels, by=["recording"]):
        onset, level = (levels[name].to_numpy(dtype=float)[here] for name in ("onset", "level_db"))
        value.iloc[rows] = level[np.clip(np.searchsorted(onset, at["at"].to_numpy()[rows], side="right") - 1, 0, None)]
    value = value.dropna()
    which = np.searchsorted(bounds, value.to_numpy(), side="right") - 1
    return pd.DataFrame({"row": value.index, "by": "loudness", "value": np.array(names)[which]})
