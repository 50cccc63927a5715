"""Recordings with one main species and some in the background, each rated for its quality."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from whalelib import tables
from whalelib.errors import InputError
from whalelib.sources.annotations import NEGATIVE_LABELS
from whalelib.sources.folder import Listing, file_name, in_order
from whalelib.sources.registry import Survey, register
from whalelib.sources.sheets import LeftOut, Sounds, read_sheet
from whalelib.sources.whole_files import recordings_of

TABLE = "train_metadata.csv"
BEST_RATING = 5.0


@register(
    needs="train_metadata.csv and train_audio/",
    origin="kaggle.com/c/birdclef-2023, kaggle.com/c/birdclef-2024 and the years before",
)
def birdclef(
    folder: Path | str,
    negative_labels: Sequence[str] = NEGATIVE_LABELS,
    group_column: str = "",
    exhaustive: bool = False,
) -> Survey:
    """Recordings by species (train_metadata.csv, train_audio/), as of Kaggle's BirdCLEF 2021 to 2024.

    The primary label is present and the secondary ones are possible, all over the whole recording, because nobody wrote
    down when. Nor does anybody list every bird, so the other species are unknown unless `exhaustive` is said.
    Recordings of one author are one group, unless `group_column` names a better one. The recordings table has one more
    column, `weight`: the rating as a share of the best, 5; a missing one (0 or empty) is the median of the species'
    rated recordings, else of all rated ones, else the best.
    """
    listing = Listing(folder, "train_metadata.csv and train_audio")
    table = listing.top().get(TABLE, "")
    if not table:
        raise InputError(f"{folder} holds no {TABLE}: set data_path to the folder into which the set was unpacked.")
    problems = listing.problems
    sheet = read_sheet(table, problems, ["primary_label", "filename"])
    group = sheet.needed(group_column, "group_column") if group_column else sheet.column("author")
    train = listing.below("train_audio")
    sounds, left_out = Sounds(train, (c["filename"] for _, c in sheet.rows)), LeftOut(table)
    rows: dict[str, dict] = {}
    named = set()
    for line, cells in sheet.rows:
        primary, written = cells["primary_label"], cells["filename"]
        # In 2021 a file was named without its folder, which is the species.
        path = sounds.by_path.get(f"{primary}/{written}") or sounds.only(written, f"line {line}", left_out)
        if not path:
            continue
        named.add(path)
        if not primary:
            left_out.add("row(s) without a primary label", "fill it in", f"line {line}")
        elif path in rows:
            left_out.add("row(s) about a file that has one already", "keep one row for each file", f"line {line}")
        else:
            rows[path] = {"line": line, "primary": primary, "group": cells[group] if group else ""}
            rows[path]["secondary"] = _list_of(cells.get("secondary_labels", ""))
            rows[path]["rating"] = cells.get("rating", "")
            if rows[path]["secondary"] is None:
                left_out.add("list(s) of secondary labels that cannot be read", "write ['a', 'b']", f"line {line}")
    for path in train.sounds:
        if path not in named:
            left_out.add("sound file(s) without a row", "give them rows, or move them away", file_name(path))
    problems += left_out.sentences()
    groups = {path: row["group"] for path, row in rows.items()}
    recordings = recordings_of(train.root, in_order(rows), groups, problems)
    kept = [rows[path] for path in recordings["path"]]
    recordings["weight"] = _weights(kept, table, problems)
    negatives = {name.casefold() for name in negative_labels}
    whole = []
    for recording, seconds, row in zip(recordings["recording"], recordings["seconds"], kept, strict=True):
        truths = {**dict.fromkeys(row["secondary"] or [], "possible"), row["primary"]: "present"}
        whole += [
            {"recording": recording, "onset": 0.0, "offset": seconds, "label": label, "truth": truth}
            for label, truth in truths.items()
            if label.casefold() not in negatives
        ]
    return Survey(recordings, tables.events(whole), exhaustive, problems)


def _list_of(text: str) -> list[str] | None:
    """A list of texts as Python writes it; None if it is no such list."""
    if not text:
        return []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a stray backslash, which Python would speak of on the screen
            found = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
    if not isinstance(found, list | tuple) or not all(isinstance(label, str) for label in found):
        return None
    return [label.strip() for label in found if label.strip()]


def _weights(rows: list[dict], table: str, problems: list[str]) -> list[float]:
    """The rating of each recording as a share of the best, in (0, 1]."""
    left_out = LeftOut(table)
    frame = pd.DataFrame(rows, columns=["line", "primary", "rating"])
    rating = pd.to_numeric(frame["rating"], errors="coerce").astype("float64")
    wrong = (rating.isna() & (frame["rating"] != "")) | ~(rating.isna() | rating.between(0, BEST_RATING))
    for line in frame.loc[wrong, "line"]:
        left_out.add("rating(s) that are no number from 0 to 5", "mend the cell", f"line {line}")
    problems += left_out.sentences()
    rating = rating.where(~wrong & (rating > 0))
    missing = int(rating.isna().sum())
    if missing:
        problems.append(
            f"{table} has no rating (0 or empty) for {missing} of {len(frame)} recordings: each was given the median "
            "of its species' rated recordings, else that of all rated ones, else 5."
        )
    overall = rating.median() if rating.notna().any() else BEST_RATING
    of_species = rating.groupby(frame["primary"]).transform("median")
    return list(rating.fillna(of_species).fillna(overall) / BEST_RATING)
