"""A folder of clips whose labels are the names of their folders, or stand in the names of the files themselves."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from whalelib.errors import InputError
from whalelib.sources.annotations import NEGATIVE_LABELS
from whalelib.sources.folder import Listing
from whalelib.sources.registry import Survey, register
from whalelib.sources.sheets import LeftOut
from whalelib.sources.whole_files import Clips, Meaning, tables_of_clips

# CLASSNAME-LABELINFO_ID_YEAR_TAPENAME_STARTTIMEMS_ENDTIMEMS: the class ends at the first hyphen, and LABELINFO may be
# empty. Only underscores separate, so the tape may hold hyphens and dots.
ANIMAL_SPOT = re.compile(r"(?P<label>[^_-]+)-[^_]*_\d+_(?P<year>\d{4})_(?P<tape>[^_]+)_\d+_\d+", re.ASCII)


@register(
    needs="a folder of sound files for each class, or names as ANIMAL-SPOT has them",
    origin="your own, or the Watkins Marine Mammal Sound Database, species by species",
)
def class_folder(
    folder: Path | str, default_label: str = "", negative_labels: Sequence[str] = NEGATIVE_LABELS
) -> Survey:
    """Clips in one folder a class, or named as ANIMAL-SPOT wants them; Watkins' species folders are such a set.

    A name like CLASS-INFO_ID_YEAR_TAPE_START_END.wav gives the class and, by tape and year, the group; it counts more
    than the folder does. Otherwise the first folder is the class, and the group is the folder inside it (a tape), else
    the day in the name, else the file itself. Labels speak of whole clips, so the annotation is exhaustive.
    """
    listing = Listing(folder, "a folder for each class")
    problems = listing.problems
    clips, left_out = Clips(), LeftOut(folder)
    for path in listing.sounds:
        *above, name = listing.inside(path).split("/")
        named = ANIMAL_SPOT.fullmatch(name.rpartition(".")[0])
        if named:
            clips.add(path, named["label"], f"{named['tape']}_{named['year']}")
        elif above:
            clips.add(path, above[0], "/".join(above[1:]))
        else:
            mend = "put each into the folder of its class, or name it CLASS-INFO_ID_YEAR_TAPE_START_END"
            left_out.add("sound file(s) without a class", mend, name)
    problems += left_out.sentences()
    if not clips.labels:
        why = f" ({problems[0]})" if problems else ""
        raise InputError(f"{folder} holds no sound file with a class{why}: give each class a folder of its own.")
    labels = [label for given in clips.labels.values() for label in given]
    meaning = Meaning.of(labels, default_label, negative_labels)
    recordings, events = tables_of_clips(listing.root, clips, meaning, folder, problems)
    return Survey(recordings, events, exhaustive=True, problems=problems)
