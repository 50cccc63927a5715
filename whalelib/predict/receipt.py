"""The receipt of a scan: what of each recording was analysed, and what was not and why."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from whalelib import audio
from whalelib.audio.trouble import shown
from whalelib.predict.score_files import replacing

RECEIPT = [
    "recording", "channel", "status", "sample_rate", "seconds", "analysed_seconds", "skipped_seconds", "failed_seconds",
    "silent_share", "clipped_share", "reason", "path", "scores",
]  # fmt: skip

# done: all of it was analysed; partly: some of it was; failed: nothing could be; not reached: nobody has tried yet.
DONE, PARTLY, FAILED, NOT_REACHED = STATUSES = ("done", "partly", "failed", "not reached")
ANALYSED = (DONE, PARTLY)
_WRITTEN_EVERY = 20.0  # seconds
_SHARES = ("silent_share", "clipped_share")
_FATES = {"analysed": "analysed", "failed": "failed", "skipped": "not reached"}


def row(rec: Any, channel: audio.Channel | str, about: Mapping[str, Any] | None, scores: str = "") -> dict[str, Any]:
    """The row of one recording and channel: what its file of `scores` says of it, or None while nobody has tried.

    Seconds are those of the file, and only if that is not known those of the recordings table. What is neither
    analysed nor skipped has failed.
    """
    seconds = float(rec.seconds if about is None else about.get("seconds", rec.seconds))
    rate = (about or {}).get("sample_rate", getattr(rec, "sample_rate", 0))
    analysed = 0.0 if about is None else about["analysed_seconds"]
    skipped = seconds if about is None else about.get("skipped_seconds", 0.0)
    reason = "" if about is None else about["reason"]
    status = NOT_REACHED if about is None else FAILED if not analysed else PARTLY if reason else DONE
    shares = {name: (about or {}).get(name, np.nan) if analysed else np.nan for name in _SHARES}
    return {
        "recording": rec.recording, "channel": str(channel), "status": status, "sample_rate": int(rate),
        "seconds": seconds, "analysed_seconds": analysed, "skipped_seconds": skipped,
        "failed_seconds": round(max(seconds - analysed - skipped, 0.0), 6) if seconds == seconds else np.nan,
        **shares, "reason": reason, "path": shown(rec.path),
        "scores": scores if analysed else "",
    }  # fmt: skip


class Account:
    """The receipt of a scan that is going on, kept in a file that always tells the truth."""

    def __init__(self, path: Path, rows: list[dict[str, Any]]) -> None:
        self.path, self._rows, self._written = path, rows, -np.inf

    def enter(self, number: int, row: dict[str, Any]) -> None:
        """Put down what became of a recording. The file is brought up to date now and then."""
        self._rows[number] = row
        if time.monotonic() - self._written > _WRITTEN_EVERY:
            self.write()

    def write(self) -> pd.DataFrame:
        """The receipt as it stands, as a table and in its file."""
        table = pd.DataFrame(self._rows, columns=RECEIPT)
        write(table, self.path)
        self._written = time.monotonic()
        return table


def write(receipt: pd.DataFrame, path: str | Path) -> None:
    """Write it as a table, in one step."""
    with replacing(Path(path)) as part:
        receipt.to_csv(part, index=False)


def totals(receipt: pd.DataFrame) -> dict[str, float]:
    """Recordings by status and hours by what became of them; hours of several channels count each by itself."""
    counts = receipt["status"].value_counts()
    hours = {f"{name}_hours": float(receipt[f"{name}_seconds"].sum()) / 3600 for name in _FATES}
    return {
        "recordings": len(receipt),
        **{name.replace(" ", "_"): int(counts.get(name, 0)) for name in STATUSES},
        "hours": float(receipt["seconds"].sum()) / 3600,
        **hours,
        "of_unknown_length": int(receipt["seconds"].isna().sum()),
    }


def told(receipt: pd.DataFrame, problems: Sequence[str] = (), most: int | None = None) -> str:
    """The receipt as a text: totals, and why what was not analysed was not (at `most` so many sentences).

    `problems` are those of what was not even found.
    """
    sums = totals(receipt)
    unknown = f" (and {sums['of_unknown_length']:,} of unknown length)" if sums["of_unknown_length"] else ""
    heard = f"{sums['recordings']:,} recordings of {sums['hours']:.2f} h{unknown}"
    hours = ", ".join(f"{sums[f'{fate}_hours']:.2f} h {word}" for fate, word in _FATES.items())
    counts = ", ".join(f"{sums[status.replace(' ', '_')]:,} {status}" for status in STATUSES)
    silent, clipped = (_share(receipt, name) for name in _SHARES)
    lines = [f"{heard}: {hours}.", f"{counts}. Of what was analysed {silent} is silent and {clipped} clipped."]
    reasons = [f"  {row.status}: {row.reason}" for row in receipt[receipt["reason"] != ""].itertuples()]
    reasons += [f"  not looked at: {sentence}" for sentence in problems]
    more = [] if most is None or len(reasons) <= most else [f"  and {len(reasons) - most:,} more"]
    return "\n".join([*lines, *reasons[:most], *more])


def _share(receipt: pd.DataFrame, name: str) -> str:
    """A share of what was analysed, each recording counting by its length."""
    known = receipt[receipt[name].notna()]
    weight = known["analysed_seconds"].sum()
    return f"{(known[name] * known['analysed_seconds']).sum() / weight:.1%}" if weight else "0.0%"
