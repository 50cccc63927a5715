"""Stretches of recordings cut out into files of their own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from whalelib import audio
from whalelib.errors import InputError

_PIECE_SECONDS = 60.0  # what is held in memory at once


def crop(stretches: pd.DataFrame, recordings: pd.DataFrame, folder: str | Path) -> pd.DataFrame:
    """Write each stretch as a wav file into `folder`, at its recording's rate; the stretches with their `file`.

    A stretch is widened to whole seconds. Where the recording has a date, its file is named by the time that it begins
    (SITE_20090328_120130.wav for one of SITE_20090328_120000), so that its start is read from its name again; else by
    its recording and second. A file that holds the stretch already is not cut again. A stretch that cannot be read has
    no file, and its `reason` says why.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    about = recordings.set_index("recording")
    table = stretches.assign(onset=np.floor(stretches["onset"]), offset=np.ceil(stretches["offset"] - 1e-9))
    ends = table["recording"].map(about["seconds"])
    table["offset"] = np.minimum(table["offset"], ends)
    table = _apart(table)
    files, reasons = [], []
    for row in table.itertuples():
        path = folder / f"{_name(row.recording, about.loc[row.recording, 'start'], row.onset)}.wav"
        try:
            if not _holds(path, row.offset - row.onset):
                _cut(about.loc[row.recording], row.onset, row.offset, path)
            files.append(path.name)
            reasons.append("")
        except InputError as error:
            files.append("")
            reasons.append(str(error))
    return table.assign(file=files, reason=reasons)


def _apart(table: pd.DataFrame) -> pd.DataFrame:
    """Stretches that have come to share a second, as one: two files of one name would be one file."""
    table = table.sort_values(["recording", "onset"], kind="stable", ignore_index=True)
    reach = table.groupby("recording")["offset"].cummax().groupby(table["recording"]).shift()
    number = (~(table["onset"] < reach)).cumsum()
    first = table.groupby(number, sort=False).first()
    return first.assign(offset=table.groupby(number, sort=False)["offset"].max()).reset_index(drop=True)


def _holds(path: Path, seconds: float) -> bool:
    """Is this stretch cut already? Another bar may have cut a shorter or a longer one from the same second on."""
    try:
        return path.exists() and abs(audio.probe(path).seconds - seconds) < 1e-3
    except InputError:
        return False


def _name(recording: str, start: pd.Timestamp, onset: float) -> str:
    stamp = f"{start:%Y%m%d_%H%M%S}" if not pd.isna(start) else ""
    if stamp and recording.count(stamp) == 1:
        return recording.replace(stamp, f"{start + pd.Timedelta(seconds=onset):%Y%m%d_%H%M%S}")
    return f"{recording}__{onset:06.0f}s"


def _cut(about: pd.Series, onset: float, offset: float, path: Path) -> None:
    """One stretch, all channels in step, piece by piece; the file appears only when it is whole."""
    import soundfile

    rate, channels = int(about["sample_rate"]), int(about["channels"])
    part = path.with_name(f"{path.name}.part")
    try:
        with soundfile.SoundFile(part, "w", rate, channels, "PCM_24", format="WAV") as file:
            for begin in np.arange(onset, offset, _PIECE_SECONDS).tolist():
                lasts = min(_PIECE_SECONDS, offset - begin)
                sides = [audio.read(about["path"], begin, lasts, rate, c + 1) for c in range(channels)]
                file.write(np.stack(sides, axis=1))
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
