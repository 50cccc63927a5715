"""What the page says, as HTML. Whatever comes from a file, a model or a visitor goes through `safe`."""

from __future__ import annotations

import base64
import html

import numpy as np
import pandas as pd

from whalelib import plots
from whalelib.app.drawing import View
from whalelib.app.hearing import Visit, listed
from whalelib.app.limits import Limits, lasting
from whalelib.app.listening import Ear, Scribe
from whalelib.playing import Playable

PAUSE_SECONDS = 3.0  # that part two lines of a transcript
MOST_ROWS = 300  # in the list; a page of thousands of buttons is slow, and nobody reads on
_MARKS = {"": "", "call": "✓", "noise": "✕", "not sure": "?"}
# Besides HTML, the page's own templates give meaning to these.
_TEMPLATE = str.maketrans({"$": "&#36;", "{": "&#123;", "}": "&#125;", "`": "&#96;"})


def safe(text: object) -> str:
    """Text that is nothing but text, wherever in a page it stands."""
    return html.escape(str(text)).translate(_TEMPLATE)


def readable(label: str) -> str:
    return safe(label.replace("_", " "))


def notice(sentences: list[str] | tuple[str, ...], kind: str = "note") -> str:
    """Sentences for the visitor: a `note`, what is `wrong`, or what is `done`."""
    role = "alert" if kind == "wrong" else "status"
    return "".join(f'<p class="notice {kind}" role="{role}">{safe(sentence)}</p>' for sentence in sentences)


def heading(ear: Ear | Scribe, limits: Limits) -> str:
    """The head of the page: what it is, what it listens for, and what it takes."""
    does = "writes down" if ear.writes else "listens for"
    notes = f'<p class="limits">{safe(" ".join(ear.notes))}</p>' if ear.notes else ""
    return f"""<header class="heading"><h1>Whale calls in your recording</h1>
<p>{safe(ear.name)} {does}</p>{legend(ear.classes)}{notes}
<p class="limits">One recording at a time, {safe(limits)}. It stays on the machine that shows this page.</p></header>"""


def legend(classes: list[str]) -> str:
    """The classes with the colours they have in every figure."""
    shades = plots.colours(classes)
    chips = "".join(f'<li><i style="background:{shades[name]}"></i>{readable(name)}</li>' for name in classes)
    return f'<ul class="legend">{chips}</ul>'


def picture(image: bytes, visit: Visit, view: View) -> str:
    """The picture, with what it shows in words for those who do not see it."""
    data = base64.b64encode(image).decode()
    says = f"Spectrogram of {view.onset:.1f} to {view.offset:.1f} s of {visit.name} with detections, scores under it"
    return f'<img class="picture" alt="{safe(says)}" src="data:image/webp;base64,{data}">'


def summary(visit: Visit) -> str:
    """How many detections there are, and in what."""
    count = len(visit.detections)
    kind = "detection" if visit.calls is None else "call"
    heard = f"{count:,} {kind}{'' if count == 1 else 's'}"
    return (
        f'<p class="summary"><b id="count">{heard}</b> in {lasting(visit.seconds)} of <b>{safe(visit.name)}</b></p>'
        + notice(visit.notes)
    )


def rows(visit: Visit, classes: list[str], by_doubt: bool) -> str:
    """The list of detections: a button each, which plays it."""
    table = listed(visit, by_doubt)
    if table.empty:
        none = "No detection" if visit.calls is None else "No call"
        return f'<p class="empty">{none} under these knobs. A lower threshold finds more.</p>'
    shades, parts = plots.colours(classes), []
    for row in table.head(MOST_ROWS).itertuples():
        chosen = ' aria-current="true"' if row.key == visit.chosen else ""
        near = ' <em title="below its threshold">near miss</em>' if row.near else ""
        verdict = f'<span class="verdict" title="{safe(row.verdict)}">{_MARKS[row.verdict]}</span>'
        parts.append(
            f'<li><button type="button" data-key="{safe(row.key)}" data-verdict="{safe(row.verdict)}"{chosen}>'
            f'<i style="background:{shades.get(row.said, "#888")}"></i>'
            f"<span class=when>{_clock(row.onset)}</span><span class=what>{readable(row.said)}{near}</span>"
            f"<span class=score>{row.score:.2f}</span>{verdict}</button></li>"
        )
    more = len(table) - MOST_ROWS
    rest = f'<p class="empty">and {more:,} more; a higher threshold shows fewer.</p>' if more > 0 else ""
    return f'<ol class="rows">{"".join(parts)}</ol>{rest}'


def transcript(visit: Visit, classes: list[str]) -> str:
    """What was written down, in its order; after a pause a line begins, with its time. A call plays on a click."""
    table = listed(visit)
    table = table[table["verdict"] != "noise"]
    more, table = len(table) - MOST_ROWS, table.head(MOST_ROWS)
    shades, end = plots.colours(classes), -np.inf
    parts: list[str] = []
    for row in table.itertuples():
        if row.onset - end > PAUSE_SECONDS:
            parts.append(f'{"</p>" if parts else ""}<p><span class="when">{_clock(row.onset)}</span>')
        end = max(end, row.offset)
        chosen = ' aria-current="true"' if row.key == visit.chosen else ""
        doubt = "?" if row.verdict == "not sure" else ""
        parts.append(
            f'<button type="button" data-key="{safe(row.key)}" title="{_clock(row.onset)} to {_clock(row.offset)}"'
            f'{chosen}><i style="background:{shades.get(row.said, "#888")}"></i>{readable(row.said)}{doubt}</button>'
        )
    text = "".join(parts) + "</p>" if parts else '<p class="empty">Nothing was written down.</p>'
    rest = f'<p class="empty">and {more:,} more, all of them in the downloads.</p>' if more > 0 else ""
    return f'<section class="transcript" aria-label="transcript">{text}{rest}</section>'


def as_text(events: pd.DataFrame) -> str:
    """The same as a text file has it: a line a call, with its beginning and end."""
    lines = [
        f"{_clock(row.onset)} - {_clock(row.offset)}  {row.label}{'?' if row.truth == 'possible' else ''}"
        for row in events.itertuples()
    ]
    return "\n".join([*lines, ""])


def player(sound: Playable, label: str) -> str:
    """A player that begins by itself, and what it plays."""
    data = base64.b64encode(sound.wav).decode()
    return (
        f'<p class="heard"><b>{readable(label)}</b> {safe(sound.says())}</p>'
        f'<audio controls autoplay src="data:audio/wav;base64,{data}"></audio>'
    )


NOT_HEARD = '<p class="heard">Click a detection, in the picture or in the list, to hear it.</p>'


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds, 1), 60)
    return f"{int(minutes)}:{rest:04.1f}"
