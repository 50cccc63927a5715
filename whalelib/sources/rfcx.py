"""Calls checked one by one in minute-long recordings: which are there, and which are not."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from whalelib import tables
from whalelib.errors import InputError
from whalelib.sources.annotations import NEGATIVE_LABELS
from whalelib.sources.folder import Listing, file_name, in_order
from whalelib.sources.registry import Survey, keep_sound_events, register
from whalelib.sources.sheets import LeftOut, Sheet, Sounds, read_sheet
from whalelib.sources.whole_files import recordings_of

TRUTH_OF_TABLE = {"train_tp.csv": "present", "train_fp.csv": "absent"}
NUMBERS = {"t_min": "onset", "t_max": "offset", "f_min": "low_hz", "f_max": "high_hz"}
NEEDED = ["recording_id", "species_id", *NUMBERS]


@register(
    needs="train_tp.csv, train_fp.csv and train/",
    origin="kaggle.com/c/rfcx-species-audio-detection",
)
def rfcx(
    folder: Path | str,
    negative_labels: Sequence[str] = NEGATIVE_LABELS,
    group_column: str = "",
    song_types: bool = False,
) -> Survey:
    """Minutes with checked calls (train_tp.csv, train_fp.csv, train/), as of Kaggle's RFCX Species Audio Detection.

    A row of train_tp.csv is a present call of class s{species_id}, or s{species_id}_t{songtype_id} with `song_types`
    (at scoring time the types of a species merge by their maximum); one of train_fp.csv says that the call is absent. A
    species that `negative_labels` names (by its id, or as s24) is the noise class that some copies add: no event. What
    no row speaks of is unknown, so the annotation is not exhaustive. A recording is its own group: the set names no
    site.
    """
    listing = Listing(folder, "train_tp.csv, train_fp.csv and the folder train")
    problems = listing.problems
    sheets = _sheets(listing, song_types)
    train = listing.below("train")
    sounds = Sounds(train)
    negatives = {name.casefold() for name in negative_labels}
    groups: dict[str, str] = {}
    rows: list[dict] = []
    for sheet in sheets:
        group = sheet.needed(group_column, "group_column") if group_column else ""
        left_out = LeftOut(sheet.path)
        for line, cells in sheet.rows:
            path = sounds.only(cells["recording_id"], f"line {line}", left_out)
            if not path:
                continue
            if group and cells[group]:
                groups[path] = cells[group]
            groups.setdefault(path, "")
            label = _label(cells, song_types)
            if {cells["species_id"].casefold(), _label(cells, False), label} & negatives:
                continue
            if not label:
                left_out.add("row(s) whose species or song type is no number", "mend the cell", f"line {line}")
                continue
            try:
                numbers = {name: float(cells[column]) for column, name in NUMBERS.items()}
            except ValueError:
                left_out.add("row(s) with a time or frequency that is no number", "mend the cell", f"line {line}")
                continue
            truth = TRUTH_OF_TABLE[sheet.name]
            rows.append({"recording": path, **numbers, "label": label, "truth": truth})
        problems += left_out.sentences()
    unnamed = LeftOut(train.folder)
    for path in train.sounds:
        if path not in groups:
            unnamed.add("sound file(s) without a row in either table", "nothing is known of them", file_name(path))
    problems += unnamed.sentences()
    recordings = recordings_of(train.root, in_order(groups), groups, problems)
    names = dict(zip(recordings["path"], recordings["recording"], strict=True))
    # (A file that could not be read has had its sentence.)
    events = tables.events([{**row, "recording": names[row["recording"]]} for row in rows if row["recording"] in names])
    events, wrong = keep_sound_events(events, recordings)
    return Survey(recordings, events, exhaustive=False, problems=problems + wrong)


def _sheets(listing: Listing, song_types: bool) -> list[Sheet]:
    """Both tables; without the false positives there is less to learn from, without the true ones nothing."""
    files = listing.top()
    if "train_tp.csv" not in files:
        raise InputError(f"{listing.folder} holds no train_tp.csv: set data_path to where the set was unpacked.")
    needed = [*NEEDED, "songtype_id"] if song_types else NEEDED
    if "train_fp.csv" not in files:
        says = "holds no train_fp.csv, so no call is known to be absent: add it if you have it."
        listing.problems.append(f"{listing.folder} {says}")
    return [read_sheet(files[name], listing.problems, needed) for name in TRUTH_OF_TABLE if name in files]


def _label(cells: dict[str, str], song_types: bool) -> str:
    """The class of a row; empty if a number in it is none. The noise class may have a name for a number."""
    species = _whole(cells["species_id"])
    song = _whole(cells["songtype_id"]) if song_types else ""
    if not species or (song_types and not song):
        return ""
    return f"s{species}_t{song}" if song_types else f"s{species}"


def _whole(text: str) -> str:
    """A whole number as it is counted, 14 for 14.0 too; empty if it is none."""
    number, _, rest = text.partition(".")
    return str(int(number)) if number.isdecimal() and not rest.strip("0") else ""
