"""All checks, in the order in which a person would make them, and the function that makes them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from whalelib import likeness, tables
from whalelib.doctor import annotated, clock, copies, frontend, labels, shortcuts, sound
from whalelib.doctor.case import Case, Knobs
from whalelib.doctor.finding import Finding, finding, in_order, sentence
from whalelib.errors import InputError

Check = Callable[[Case], Iterator[Finding]]

# Those that read only tables come first, those that listen last.
CHECKS: tuple[Check, ...] = (
    annotated.source_problems,
    annotated.unsound_recordings,
    annotated.recordings_without_events,
    annotated.no_calls,
    annotated.impossible_events,
    annotated.double_events,
    annotated.calls_at_the_ends,
    labels.missing_classes,
    labels.rare_classes,
    labels.narrow_classes,
    labels.spellings,
    labels.odd_lengths,
    frontend.short_calls,
    frontend.long_calls,
    frontend.calls_outside_band,
    frontend.mel_bands,
    sound.sample_rates,
    sound.rate_below_calls,
    sound.unreadable_recordings,
    sound.silent_recordings,
    sound.clipped_recordings,
    sound.dropouts,
    sound.dc_offset,
    copies.equal_audio,
    copies.similar_audio,
    shortcuts.shortcuts,
    clock.clock,
)


def admit(
    recordings: pd.DataFrame,
    events: pd.DataFrame,
    *,
    exhaustive: bool,
    problems: Sequence[str] = (),
    classes: Sequence[str] = (),
    sample_rate: int = 2000,
    clip_seconds: float = 3.0,
    window_seconds: float = 0.256,
    hop_seconds: float = 0.032,
    n_mels: int = 64,
    band_low_hz: float = 10.0,
    band_high_hz: float = 950.0,
    mel_scale: str = "break",
    mel_break_hz: float = 100.0,
    front_end: str = "mel",
    validation_share: float = 0.2,
    test_share: float = 0.2,
    listen_seconds: float = 20.0,
    copy_seconds: float = 120.0,
    known_copies: likeness.Copies | None = None,
    progress: bool = True,
) -> Case:
    """A data set as the doctor sees it.

    The tables may break the rules that `tables.check_events` and `check_recordings` enforce: that is what is looked
    for. Of each recording at most `listen_seconds` are read for its health, spread over it; the clock is checked on
    the surroundings of some calls. Copies are those known, or looked for in `copy_seconds` of every recording. The same
    tables give the same findings.
    """
    if not listen_seconds > 0:
        raise InputError(f"listen_seconds cannot be {listen_seconds:g}: a doctor must listen for some time.")
    sound_rows, unsound = _sound_recordings(recordings)
    return Case(
        recordings=sound_rows,
        events=tables.events(events),
        exhaustive=exhaustive,
        problems=list(problems),
        classes=list(classes),
        knobs=Knobs(
            sample_rate=sample_rate,
            clip_seconds=clip_seconds,
            window_seconds=window_seconds,
            hop_seconds=hop_seconds,
            n_mels=n_mels,
            band_low_hz=band_low_hz,
            band_high_hz=band_high_hz,
            mel_scale=mel_scale,
            mel_break_hz=mel_break_hz,
            front_end=front_end,
            validation_share=validation_share,
            test_share=test_share,
        ),
        listen_seconds=listen_seconds,
        copy_seconds=copy_seconds,
        known_copies=known_copies,
        progress=progress,
        unsound=unsound,
    )


def examine(
    recordings: pd.DataFrame, events: pd.DataFrame, *, checks: Iterable[Check] = CHECKS, **how: Any
) -> list[Finding]:
    """Is this data fit to train on? The findings, the worst first; `how` is what `admit` takes."""
    return diagnose(admit(recordings, events, **how), checks)


def diagnose(case: Case, checks: Iterable[Check] = CHECKS) -> list[Finding]:
    """What the checks find in a case, the worst first."""
    found: list[Finding] = []
    for check in checks:
        try:
            found += check(case)
        except InputError as error:  # one check that cannot be made does not lose the others
            what = sentence(f"the check {check.__name__} could not be made: {error}")
            found.append(finding("error", "not-checked", what, "mend that and examine again"))
    return in_order(found)


def _sound_recordings(recordings: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows that can be listened to, in their exact types, and the others with their `fault`."""
    if recordings.empty:
        raise InputError("there is no recording to examine: check the folder and the source.")
    missing = [name for name in tables.RECORDINGS if name not in recordings]
    if missing:
        return tables.check_recordings(recordings), recordings  # which says so
    seconds = pd.to_numeric(recordings["seconds"], errors="coerce")
    rate = pd.to_numeric(recordings["sample_rate"], errors="coerce")
    faults = [
        (recordings["recording"].duplicated(), "is given twice"),
        (~(seconds > 0) | ~np.isfinite(seconds), "has no duration"),
        (~(rate > 0), "has no sample rate"),
    ]
    fault = pd.Series("", index=recordings.index, dtype=object)
    for at_fault, says in faults:
        fault[at_fault & (fault == "")] = says
    sound_rows = tables.check_recordings(recordings[fault == ""])
    unsound = recordings[fault != ""].assign(fault=fault[fault != ""])
    return sound_rows, unsound.reset_index(drop=True)
