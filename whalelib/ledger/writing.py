"""The whole log: rebuilt from the results, compared with what is there, and written with a word on what changed."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from whalelib.experiment import experiments
from whalelib.ledger import staleness
from whalelib.ledger.entry import Entry, entry

LOG = "EXPERIMENT_LOG.md"
LOCAL_LOG = "log.md"  # beside the runs of an experiment whose results stay on the machine they were made on

HEAD = """# Experiment log

Newest first. Written by `whalelib log` from the results under experiments/ and the notes in the experiment files; do
not edit it by hand: `whalelib log --check` fails when it says anything else than they do.

Numbers are means over seeds with a 95 % interval (Student's t). Differences are paired by seed against the first row,
and their intervals are widened for the number of rows compared (Bonferroni), so that the chance of any false "beats" in
one table is at most 5 %. "Beats" is said only where the interval excludes zero and the difference is one that, by the
experiment's file, would matter. In a cross-validation it is the folds that repeat a case, and their intervals are
widened because their detectors learnt from the same clips for the most part (Nadeau and Bengio, 2003). "Made" is when a
row was run, and says so where it came from other knobs or earlier code than those of now. **Found** is written from the
numbers, **Note** by hand.
"""


@dataclass(frozen=True)
class Log:
    """What the log's files should hold: the log itself, its figures, and the logs that stay on this machine."""

    entries: list[Entry]
    files: dict[Path, str]
    local: dict[Path, str]


def render(home: Path, code: Mapping[str, str] | None = None) -> str:
    """The log's text. It depends on the results, the experiment files and the code that its marks speak of alone."""
    return build(home, code).files[home / LOG]


def build(home: Path, code: Mapping[str, str] | None = None) -> Log:
    """Everything that `whalelib log` writes; `code` is that of now where none is given."""
    code = staleness.now() if code is None else code
    entries: list[Entry] = []
    files: dict[Path, str] = {}
    local: dict[Path, str] = {}
    for asked in experiments(home / "experiments"):
        found = entry(asked, asked.folder if asked.local else home, code)
        if found and asked.local:
            local |= {asked.folder / LOCAL_LOG: _text([found], code), **found.figures}
        elif found:
            entries.append(found)
            files |= found.figures
    entries.sort(key=lambda found: (found.finished, found.name), reverse=True)
    return Log(entries, {home / LOG: _text(entries, code), **files}, local)


def _text(entries: list[Entry], code: Mapping[str, str]) -> str:
    return "\n".join([HEAD, *(found.text for found in entries), staleness.comment(code), ""])


def write_log(home: Path) -> list[str]:
    """Rebuild the log and its figures; says in sentences what was changed, so that nothing is rewritten unseen."""
    built = build(home)
    before = _entries(_read(home / LOG))
    for path, text in {**built.files, **built.local}.items():
        if _read(path) != text:
            _write(path, text)
    after = _entries(built.files[home / LOG])
    said = [f"new: {name}." for name in after if name not in before]
    said += [f"changed: {name}." for name, text in after.items() if name in before and before[name] != text]
    said += [f"dropped, having no results any more: {name}." for name in before if name not in after]
    return said or ["nothing has changed."]


def check(home: Path) -> list[str]:
    """A sentence for everything in which the log and the results differ; none where they agree.

    The code that the log's marks speak of is the one that it names itself: see `staleness`.
    """
    text = _read(home / LOG)
    if text is None:
        return [f"there is no {LOG}: write it with `whalelib log`."]
    built = build(home, staleness.written(text))
    there, should = _entries(text), _entries(built.files[home / LOG])
    said = [f"{LOG} has no entry of {name}, which has results." for name in should if name not in there]
    said += [f"{LOG} has an entry of {name}, which has no results." for name in there if name not in should]
    for name in should.keys() & there.keys():
        if there[name] != should[name]:
            said.append(f"{LOG} differs from the results of {name}, {_where(there[name], should[name])}.")
    if not said and text != built.files[home / LOG]:
        said.append(f"{LOG} differs from what is written now, {_where(text, built.files[home / LOG])}.")
    figures = [path for path in built.files if path != home / LOG]
    for path in figures:
        if (drawn := _read(path)) != built.files[path]:
            said.append(f"the figure {path.relative_to(home)} {'is missing' if drawn is None else 'differs'}.")
    return sorted(said)


def outdated(home: Path) -> list[str]:
    """The experiments whose marks in the log are no longer true, because the code has changed since it was written."""
    text = _read(home / LOG) or ""
    then = {found.name: found.text for found in build(home, staleness.written(text)).entries}
    return [found.name for found in build(home).entries if then.get(found.name) != found.text]


def _entries(text: str | None) -> dict[str, str]:
    """A log's entries by the name of their experiment's file."""
    parts = re.split(r"^(?=## )", text or "", flags=re.MULTILINE)[1:]
    if parts:
        parts[-1] = re.sub(r"\n<!-- [^\n]* -->\n$", "", parts[-1])
    files = [re.findall(r"\[([^\]\s]+)\.yaml\]", part) for part in parts]
    return {(names or ["?"])[-1]: part.strip() for names, part in zip(files, parts, strict=True)}


def _where(there: str, should: str) -> str:
    """The first line that differs, as it should be."""
    lines = zip(f"{there}\n".split("\n"), f"{should}\n".split("\n"), strict=False)
    line = next((new for old, new in lines if old != new), "")
    return f"first in a line that should read: {line[:120]}" if line else "which say less"


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return None


def _write(path: Path, text: str) -> None:
    """In one step, so that a kill leaves the old log or the new one."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.part")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)
