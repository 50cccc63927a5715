"""Which results were made by other code than that of now, and how the log says so.

The code of now that the log's marks speak of stands in the log itself, in a comment at its end. So the log can be
checked after the code has moved on: it must say what follows from the results and *that* code. Marks that have changed
since are told, and no error: or else every change of the code would have to come with a new log.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from whalelib import provenance
from whalelib.experiment import STAGES, Run
from whalelib.ledger.results import Case, finished, result

_COMMENT = re.compile(r"^<!-- marks as of this code: (.*) -->$", re.MULTILINE)


def now() -> dict[str, str]:
    """The marks of every room that a result may depend on."""
    return provenance.code(STAGES)


def comment(code: Mapping[str, str]) -> str:
    """The line of the log that keeps the code its marks speak of."""
    return f"<!-- marks as of this code: {' '.join(f'{room}={mark}' for room, mark in sorted(code.items()))} -->"


def written(log: str) -> dict[str, str] | None:
    """The code that a log's marks speak of; None where it does not say."""
    found = _COMMENT.search(log)
    if not found:
        return None
    return dict(pair.split("=", 1) for pair in found[1].split() if "=" in pair)


def changed_rooms(run: Run, code: Mapping[str, str]) -> list[str] | None:
    """The rooms whose code is another than when the run was made; None if that is not known of each of them."""
    recorded = result(run).get("code")
    if not isinstance(recorded, dict) or provenance.UNKNOWN in recorded.values():
        return None
    return sorted(provenance.changed(recorded, code))


def of_run(run: Run, code: Mapping[str, str]) -> list[str]:
    """The marks of one run, in words; none if it is as it would be made now."""
    return [*([] if run.fresh else ["other knobs"]), *_of_code(run, code)]


def of_case(case: Case, code: Mapping[str, str]) -> list[str]:
    """The marks of a row: those of any of its runs."""
    of_code = dict.fromkeys(mark for run in case.runs for mark in _of_code(run, code))
    return [*(["other knobs"] if case.stale else []), *of_code]


def _of_code(run: Run, code: Mapping[str, str]) -> list[str]:
    rooms = changed_rooms(run, code)
    return ["code unknown"] if rooms is None else ["earlier code"] if rooms else []


def made(case: Case, code: Mapping[str, str]) -> str:
    """When a row was made, with its marks."""
    days = sorted({finished(run)[:10] for run in case.runs})
    return ", ".join([days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}", *of_case(case, code)])


def sentences(shown: Sequence[Case], code: Mapping[str, str]) -> list[str]:
    """What a reader must know of how these rows were made; nothing where all is as it would be made now."""
    runs = [run for case in shown for run in case.runs]
    rooms = [changed_rooms(run, code) for run in runs]
    said = []
    if stale := sum(len(case.runs) for case in shown if case.stale):
        said.append(
            f"{_runs(stale, len(runs))} made with other knobs than the experiment file and the defaults give now."
        )
    if left_out := sum(len(case.left_out) for case in shown):
        said.append(f"{left_out} more, made with other knobs than the rest of their row, are left out.")
    if since := sorted({room for found in rooms for room in found or ()}):
        count = sum(bool(found) for found in rooms)
        said.append(f"{_runs(count, len(runs))} made by earlier code; what has changed since: {', '.join(since)}.")
    if unknown := rooms.count(None):
        said.append(f"{_runs(unknown, len(runs))} made before results recorded their code.")
    differing = _differing(result(run).get("code") for run in runs)
    if len(shown) > 1 and differing:
        said.append(
            f"The runs compared were not all made by the same code ({', '.join(differing)}), so that a difference "
            "between rows may be the code's."
        )
    return said


def _differing(records: Iterable[object]) -> list[str]:
    """The rooms of which not all these runs recorded the same mark."""
    known = [record for record in records if isinstance(record, dict)]
    rooms = {room for record in known for room in record}
    return sorted(room for room in rooms if len({record.get(room) for record in known}) > 1)


def _runs(count: int, of: int) -> str:
    if count == of:
        return "All runs were" if of > 1 else "The run was"
    return f"{count} of {of} runs {'was' if count == 1 else 'were'}"
