"""A folder of clips and a table that gives each of them a label."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from whalelib.errors import InputError
from whalelib.sources.annotations import NEGATIVE_LABELS
from whalelib.sources.folder import Listing, file_name
from whalelib.sources.registry import Survey, register
from whalelib.sources.sheets import LeftOut, Sheet, Sounds, read_sheet
from whalelib.sources.whole_files import LABEL_COLUMN, Clips, Meaning, tables_of_clips, without_group

FILE_COLUMNS = ("file", "clip_name", "filename", "file_name", "clip", "path")
LABEL_COLUMNS = ("label", "labels")


@register(
    needs="clips and labels.csv or train.csv (file,label), or any csv named by data_path",
    origin="your own, or kaggle.com/c/whale-detection-challenge",
)
def clip_folder(
    folder: Path | str,
    label_column: str = LABEL_COLUMN,
    default_label: str = "",
    negative_labels: Sequence[str] = NEGATIVE_LABELS,
    group_column: str = "",
) -> Survey:
    """Clips and a csv of file and label (labels.csv, train.csv), as of Kaggle's Whale Detection Challenge.

    A label speaks of its whole clip, so the annotation is exhaustive: a clip with a negative label, or 0, is noise. If
    all labels are 0 or 1, a 1 is `default_label`, or "call". A clip listed more than once has all its labels. A clip
    belongs to the group of `group_column`, else to the day in its name, else to itself. Which csv is meant can also be
    said by giving its path in place of the folder's.
    """
    listing, table = _find_table(folder)
    problems = listing.problems
    sheet = read_sheet(table, problems)
    clips = _labelled_files(sheet, listing, label_column, default_label, group_column)
    extra = LeftOut(listing.folder)
    for path in listing.sounds:
        if path not in clips.labels:
            mend = "give them rows, or move them away"
            extra.add(f"sound file(s) without a row in {sheet.name}", mend, file_name(path))
    problems += extra.sentences()
    labels = [label for given in clips.labels.values() for label in given]
    meaning = Meaning.of(labels, default_label, negative_labels)
    recordings, events = tables_of_clips(listing.root, clips, meaning, table, problems)
    return Survey(recordings, events, exhaustive=True, problems=problems)


def _find_table(folder: Path | str) -> tuple[Listing, str]:
    """What lies in the folder, and its labels.csv, its train.csv, or the only csv in it."""
    holds = "the clips and their labels.csv"
    if isinstance(folder, Path) and folder.is_file():
        return Listing(folder.parent, holds), str(folder)
    if isinstance(folder, str) and folder.lower().endswith(".csv"):
        return Listing(folder.rpartition("/")[0], holds), folder
    listing = Listing(folder, holds)
    found = {name.lower(): file for name, file in listing.top().items() if name.lower().endswith(".csv")}
    named = [found[name] for name in ("labels.csv", "train.csv") if name in found]
    if not named and len(found) != 1:
        there = f"holds {len(found)} csv files and none is" if found else "holds no"
        raise InputError(f"{folder} {there} labels.csv or train.csv: name the table of file and label so.")
    return listing, (named or list(found.values()))[0]


def _labelled_files(sheet: Sheet, listing: Listing, label_column: str, default_label: str, group_column: str) -> Clips:
    """The label and the group that each row gives to its file."""
    file_column = sheet.column(*FILE_COLUMNS)
    if not file_column:
        there = ", ".join(sheet.columns)
        raise InputError(f"{sheet.path} lacks a column 'file' that names the clips: its columns are {there}.")
    label = choose_label_column(sheet, label_column, default_label)
    group = sheet.needed(group_column, "group_column") if group_column else ""
    sounds = Sounds(listing, (cells[file_column] for _, cells in sheet.rows))
    clips, left_out, alone = Clips(), LeftOut(sheet.path), []
    for line, cells in sheet.rows:
        path = sounds.only(cells[file_column], f"line {line}", left_out)
        if path:
            clips.add(path, cells[label] if label else "", cells[group] if group else "")
            if group and not cells[group]:
                alone.append(f"line {line}")
    listing.problems += left_out.sentences() + without_group(sheet.path, group, alone)
    return clips


def choose_label_column(sheet: Sheet, label_column: str, default_label: str) -> str:
    """The column of labels; empty if there is none and every row has the default label."""
    if label_column != LABEL_COLUMN:
        return sheet.needed(label_column, "label_column")
    found = sheet.column(*LABEL_COLUMNS)
    return found if found or default_label else sheet.needed("label", "label_column")
