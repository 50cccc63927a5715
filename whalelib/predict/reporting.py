"""What a scan leaves for its readers: detections, what of which recording was heard, and how it was done."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from whalelib import formats
from whalelib.errors import InputError
from whalelib.predict import receipt as receipts
from whalelib.predict.scanning import Ear
from whalelib.predict.score_files import replacing
from whalelib.sources.folder import file_name

SUMMARY = ["recording", "channel", "class", "status", "analysed_hours", "detections", "per_hour"]


def refuse_kinds(kinds: Sequence[str], recordings: pd.DataFrame, channel: Ear) -> None:
    """Raise, before anything is scanned, for a kind of table that could not be written afterwards."""
    formats.check_kinds(kinds)
    listed = (
        set(recordings["listen_channel"])
        if "listen_channel" in recordings and channel not in ("each", "mean")
        else set()
    )
    if "audacity" in kinds and (listed or {channel}) - {1, "mean"}:
        raise InputError(
            "a label track of Audacity knows no channels: leave audacity out, or scan channel 1 or the mean."
        )
    undated = recordings.loc[recordings["start"].isna(), "recording"]
    if "noaa" in kinds and len(undated):
        raise InputError(f"a detection log needs times, and {undated.iloc[0]!r} has no start: leave noaa out.")
    names = recordings["path"].map(file_name)
    if "raven_all" in kinds and names.duplicated().any():
        twin = names[names.duplicated()].iloc[0]
        raise InputError(f"one table cannot name two files {twin!r} apart: leave raven_all out, or scan them apart.")


def summary(receipt: pd.DataFrame, events: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    """A row for each recording, channel and class: how many detections in how many analysed hours.

    A recording without a detection has a 0. One that was not analysed has no number, not a 0.
    """
    rows = receipt[["recording", "channel", "status"]].merge(pd.DataFrame({"class": list(classes)}), how="cross")
    of = events["recording"].map(receipt.groupby("recording")["channel"].first())
    # (A mean of channels is in no channel; its detections say the first.)
    channel = events["channel"].astype(str).where(of != "mean", of)
    counted = events.groupby([events["recording"], channel, events["label"]]).size()
    keys = pd.MultiIndex.from_frame(rows[["recording", "channel", "class"]])
    analysed = rows["status"].isin(receipts.ANALYSED)
    count = pd.Series(counted.reindex(keys).fillna(0).to_numpy(), dtype="Int64").where(analysed, pd.NA)
    hours = receipt["analysed_seconds"].repeat(len(classes)).to_numpy() / 3600
    table = rows.assign(analysed_hours=hours, detections=count)
    return table.assign(per_hour=count.astype("Float64") / table["analysed_hours"].where(analysed))[SUMMARY]


def publish(
    folder: str | Path,
    recordings: pd.DataFrame,
    receipt: pd.DataFrame,
    events: pd.DataFrame,
    classes: Sequence[str],
    *,
    kinds: Sequence[str] = ("raven", "csv"),
    problems: Sequence[str] = (),
    how: Mapping[str, Any] | None = None,
) -> list[Path]:
    """Write the detections of a scan into `folder`, with its receipt beside them; the paths that were written.

    | file | what it holds |
    |---|---|
    | as `formats.write_detections` has it | detections; a table a recording only for those that were analysed |
    | `summary.csv` | detections and analysed hours by recording and class, see `summary` |
    | `receipt.csv`, `receipt.txt` | what became of every recording; the same as sentences, with totals |
    | `scan.json` | totals, what was written, and `how` |

    The receipt is taken away first and written last, so where it lies, all that lies beside it is of one scan.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("receipt.csv", "receipt.txt"):
        (folder / name).unlink(missing_ok=True)
    analysed = receipt[receipt["status"].isin(receipts.ANALYSED)].groupby("recording", sort=False).first()
    table = recordings[recordings["recording"].isin(analysed.index)].reset_index(drop=True)
    # What could not be read when the recordings were looked for may well have been since.
    of_file = analysed.loc[table["recording"], ["seconds", "sample_rate"]].reset_index(drop=True)
    written = formats.write_detections(folder, events, table.assign(**of_file), kinds) if len(table) else []
    formats.clear_others(folder, written)  # of an earlier scan, with another threshold or of other recordings
    about = {
        **(how or {}),
        "totals": receipts.totals(receipt),
        "not_looked_at": list(problems),
        "written": sorted({path.relative_to(folder).parts[0] for path in written}),
    }
    texts = {
        "summary.csv": summary(receipt, events, classes).to_csv(index=False),
        "scan.json": json.dumps(about, indent=2) + "\n",
        "receipt.txt": receipts.told(receipt, problems) + "\n",
    }
    for name, text in texts.items():
        with replacing(folder / name) as part:
            part.write_text(text, encoding="utf-8", errors="backslashreplace")
    receipts.write(receipt, folder / "receipt.csv")
    return [*written, *(folder / name for name in (*texts, "receipt.csv"))]
