"""The detections of a visit, reviewed, as files for Raven, Audacity and everything else; a transcript as text, too."""

from __future__ import annotations

from pathlib import Path

from whalelib import formats
from whalelib.app.corrections import reviewed
from whalelib.app.hearing import Visit
from whalelib.app.words import as_text


def written(folder: Path, visit: Visit) -> list[Path]:
    """The Raven table, the Audacity labels, the CSV file and the text of what stands now.

    Audacity has no place for a doubt, so that a doubtful label ends with a question mark there; nor for a channel.
    """
    events = reviewed(visit.detections, visit.corrections)
    doubtful = events["truth"] == "possible"
    plain = events.assign(label=events["label"] + doubtful.map({True: "?", False: ""}), truth="present", channel=1)
    tables = formats.write_detections(folder, events, visit.recording, ("raven", "csv"))
    labels = formats.write_detections(folder, plain, visit.recording, ("audacity",))
    text = folder / f"{visit.name}.txt"
    text.write_text(as_text(events), encoding="utf-8")
    return [tables[0], labels[0], tables[1], text]
