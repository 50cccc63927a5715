"""Hours with calls, calls in an hour, and how many calls there truly were; each with its interval."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from whalelib import metrics
from whalelib.errors import InputError
from whalelib.metrics.intervals import DRAWS, LEVEL, ends, poisson, resamples
from whalelib.metrics.known import Exhaustive

HOURLY = ["hour", "class", "analysed_seconds", "calls", "presence", "per_hour", "per_hour_low", "per_hour_high"]


def hourly(
    detections: pd.DataFrame,
    recordings: pd.DataFrame,
    scores: pd.DataFrame,
    classes: Sequence[str],
    *,
    level: float = LEVEL,
) -> pd.DataFrame:
    """A row for each hour (UTC) of which anything was analysed and each class: calls that begin in it, and their rate.

    An hour in which nothing was analysed has no row, so "no call" is never "not heard". The interval is the exact one
    of a Poisson count, made longer by what of the hour was not analysed; calls come in bouts, so see it as the least.
    Every recording must have a start.
    """
    start = recordings.set_index("recording")["start"]
    used = pd.Index(scores["recording"].unique())
    undated = [name for name in used if name not in start.index or pd.isna(start[name])]
    if undated:
        raise InputError(f"the recording {undated[0]!r} has no start: give the time it began, in UTC.")

    def hour_of(table: pd.DataFrame, seconds: pd.Series) -> pd.Series:
        begun = table["recording"].map(start) + pd.to_timedelta(seconds, unit="s")
        return begun.dt.floor("h").rename("hour")

    cells = hour_of(scores, (scores["onset"] + scores["offset"]) / 2)
    lasts = (scores["offset"] - scores["onset"]).to_numpy()
    called = detections[detections["label"].isin(list(classes))]
    counted = called.groupby([hour_of(called, called["onset"]), "label"]).size() if len(called) else None
    parts = []
    for name in classes:
        seconds = pd.Series(np.where(np.isfinite(scores[name]), lasts, 0.0), index=scores.index)
        heard = seconds.groupby(cells).sum()
        heard = heard[heard > 0]
        calls = np.zeros(len(heard), dtype=int)
        if counted is not None and name in counted.index.get_level_values("label"):
            calls = counted.xs(name, level="label").reindex(heard.index).fillna(0).to_numpy(dtype=int)
        hours, (low, high) = heard.to_numpy() / 3600, poisson(calls, level)
        columns = {
            "hour": heard.index, "class": name, "analysed_seconds": heard.to_numpy(), "calls": calls,
            "presence": calls > 0, "per_hour": calls / hours, "per_hour_low": low / hours,
            "per_hour_high": high / hours,
        }  # fmt: skip
        parts.append(pd.DataFrame(columns, columns=HOURLY))
    return pd.concat(parts, ignore_index=True).sort_values(["hour", "class"], kind="stable", ignore_index=True)


def true_calls(
    found: pd.Series,
    truth: pd.DataFrame,
    detections: pd.DataFrame,
    groups: pd.Series,
    *,
    exhaustive: Exhaustive,
    rule: metrics.Rule = metrics.OVERLAP,
    draws: int = DRAWS,
    level: float = LEVEL,
    seed: int = 0,
) -> pd.DataFrame:
    """How many calls there were, given how many detections: a row a class with `calls`, `calls_low`, `calls_high`.

    `found` are detections by class, on recordings that nobody annotated. On annotated days that the detector was not
    trained on (`truth` and `detections`, and the `groups` of their recordings) each detection stood for so many calls;
    that ratio, precision over recall, corrects the count, and drawing whole groups gives the interval. It holds as far
    as those days are like the others. Without a call or a detection on those days there is no estimate (NaN).
    """
    judged = metrics.judge(truth, detections, rule, exhaustive=exhaustive)
    judged = judged[judged["verdict"] != "open"]
    present = truth[truth["truth"] == "present"]
    of_recording, times = resamples(groups.to_numpy(), draws, seed)
    number = pd.Series(of_recording, index=groups.index)
    rows = []
    for name, count in found.items():
        calls, heard = (
            np.bincount(part.loc[part["label"] == name, "recording"].map(number), minlength=times.shape[1])
            for part in (present, judged)
        )
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio, drawn = np.float64(calls.sum()) / heard.sum(), (times @ calls) / (times @ heard)
        ratio = ratio if np.isfinite(ratio) and calls.sum() else np.nan
        low, high = ends(drawn, level) if np.isfinite(ratio) else (np.nan, np.nan)
        rows.append((name, int(count), count * ratio, count * float(low), count * float(high)))
    return pd.DataFrame(rows, columns=["class", "detections", "calls", "calls_low", "calls_high"])


def presence_by(table: pd.DataFrame, by: pd.Series, groups: pd.Series, **bootstrap: float) -> pd.DataFrame:
    """The share of analysed hours with a call, by something of the hour (the hour of the day, the month), each class.

    `table` is from `hourly`; `by` and `groups` (the day of each row, say) go with its rows. The interval is by drawing
    whole groups.
    """
    rows = []
    for (name, value), part in table.groupby(["class", by.rename("by")], sort=True):
        present = part["presence"].to_numpy(dtype=float)
        of = groups.loc[part.index].to_numpy()
        low, high = metrics.interval(lambda at, p=present: float(p[at].mean()), of, **bootstrap)  # type: ignore[arg-type, misc]
        rows.append((name, value, len(part), present.mean(), low, high))
    return pd.DataFrame(rows, columns=["class", "by", "hours", "presence", "presence_low", "presence_high"])
