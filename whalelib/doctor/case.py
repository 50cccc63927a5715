"""What is examined: the two tables, what is known about them, the knobs that will be trained with, and the sound.

What takes long to measure is measured when it is first asked for, and once: checks judge it, notebook 01 draws it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from whalelib import likeness
from whalelib.doctor.clock import offsets
from whalelib.doctor.listening import Heard, listen
from whalelib.doctor.shortcuts import ANY, has_call, measured


@dataclass(frozen=True)
class Knobs:
    """The knobs that a check holds the data against; each has the name it has in `config`."""

    sample_rate: int
    clip_seconds: float
    window_seconds: float
    hop_seconds: float
    n_mels: int
    band_low_hz: float
    band_high_hz: float
    mel_scale: str
    mel_break_hz: float
    front_end: str
    validation_share: float
    test_share: float


@dataclass
class Case:
    """One data set before the doctor. The recordings are sound rows; the events may break any rule."""

    recordings: pd.DataFrame
    events: pd.DataFrame
    exhaustive: bool
    problems: list[str]
    classes: list[str]
    knobs: Knobs
    listen_seconds: float
    copy_seconds: float
    known_copies: likeness.Copies | None
    progress: bool
    unsound: pd.DataFrame  # rows of the recordings table that are none, with the reason in `fault`

    @cached_property
    def calls(self) -> pd.DataFrame:
        """The calls to detect that lie in a recording and have a length, with its group, length and rate."""
        known = self.recordings[["recording", "group", "seconds", "sample_rate"]]
        calls = self.events.merge(known, on="recording", how="inner")
        sound = (calls["offset"] > calls["onset"]) & np.isfinite(calls["offset"]) & (calls["onset"] >= 0)
        wanted = (calls["truth"] == "present") & calls["label"].isin(self.labels)
        return calls[sound & wanted].sort_values(["recording", "onset", "label"], kind="stable", ignore_index=True)

    @cached_property
    def labels(self) -> list[str]:
        """The labels to detect: those asked for, or all that are present somewhere."""
        there = self.events.loc[self.events["truth"] == "present", "label"].dropna().unique()
        return list(self.classes) or sorted(label for label in there if label)

    @cached_property
    def channel(self) -> pd.Series:
        """The channel to listen to in each recording: the one with most events, or the first."""
        return likeness.usual_channels(self.recordings, self.events)

    @cached_property
    def heard(self) -> Heard:
        """What a bounded sample of every recording sounds like; listened to once, when first asked for."""
        return listen(
            self.recordings.assign(listen_channel=self.channel.to_numpy()),
            listen_seconds=self.listen_seconds,
            progress=self.progress,
        )

    @cached_property
    def copies(self) -> likeness.Copies:
        """Recordings of different groups that hold the same sound: those known, or those found by listening."""
        if self.known_copies is not None:
            return self.known_copies
        return likeness.near_equal(
            self.recordings.assign(listen_channel=self.channel.to_numpy()),
            sample_rate=self.knobs.sample_rate,
            copy_seconds=self.copy_seconds,
            progress=self.progress,
        )

    @cached_property
    def clock(self) -> pd.DataFrame:
        """How far the annotated boxes stand out from the sound around them, as they are and moved in time."""
        return offsets(self.recordings, self.calls, self.channel, self.knobs)

    @cached_property
    def shortcuts(self) -> pd.DataFrame:
        """What loudness, length, name and the like alone would score."""
        return measured(self)

    @cached_property
    def levels(self) -> dict[str, np.ndarray]:
        """The loudness of the recordings in decibels of full scale: of those with a call, those without, and others."""
        level = 20 * np.log10(self.heard.table["rms"].clip(lower=1e-6).to_numpy())
        truth = has_call(self)[ANY].to_numpy()
        kinds = {"with a call": truth == 1, "without": truth == 0, "not known": np.isnan(truth)}
        return {name: level[here] for name, here in kinds.items() if here.any()}
