"""Noise to lay under clips: the store's own clips without a call, or a folder of recorded noise."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from whalelib import audio
from whalelib.clips.labels import NOISE
from whalelib.clips.reading import FULL_SCALE
from whalelib.clips.store import Store
from whalelib.errors import InputError

_MOST_SAMPLES = 16_000_000  # 32 MiB, enough for two hours at 2 kHz


def background(store: Store, folder: str = "", most: int = 2000) -> tuple[np.ndarray, list[str]]:
    """Clips of noise [M, samples] as 16-bit numbers, at most `most` of them, and a sentence for each file left out.

    Without a folder they are training clips known to hold no call of any class, spread evenly over the fold; there may
    be none. A folder's recordings are cut into clips from their beginnings, as many from each; a short one is repeated.
    """
    length = round(store.clip_seconds * store.sample_rate)
    most = max(min(most, _MOST_SAMPLES // length), 1)
    return _from_folder(folder, store.sample_rate, length, most) if folder else (_own(store, most), [])


def _own(store: Store, most: int) -> np.ndarray:
    targets = store.table("train")[[name for name in store.classes if name != NOISE]].to_numpy()
    empty = np.flatnonzero((targets == 0).all(axis=1))
    chosen = empty[np.linspace(0, len(empty) - 1, min(most, len(empty))).round().astype(int)]
    return _as_integers(store.batch("train", chosen)["waveform"])


def _from_folder(folder: str, sample_rate: int, length: int, most: int) -> tuple[np.ndarray, list[str]]:
    files, problems = audio.list_files(folder if audio.is_uri(folder) else Path(folder).expanduser())
    files = files[:: max(len(files) // most, 1)][:most]
    clips: list[np.ndarray] = []
    for path in files:
        try:
            sound = audio.read(path, 0.0, max(most // len(files), 1) * length / sample_rate, sample_rate)
        except InputError as error:
            problems = [*problems, f"a file of background noise was left out: {error}"]
            continue
        if len(sound):
            whole = sound[: len(sound) // length * length] if len(sound) >= length else audio.pad(sound, length, "wrap")
            clips.extend(whole.reshape(-1, length))
    if not clips:
        why = f" ({problems[0]})" if problems else ""
        raise InputError(f"no sound could be read in the background_path {folder}{why}: check the folder.")
    return _as_integers(np.stack(clips)), problems


def _as_integers(waveform: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(waveform * FULL_SCALE), -FULL_SCALE, FULL_SCALE - 1).astype(np.int16)
