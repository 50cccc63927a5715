"""All runs on one page, to sort and to filter: plain HTML with a few lines of script, and nothing from elsewhere.

It is made when it is asked for and not kept with the results, because its marks are those of the moment.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from urllib.parse import quote

from whalelib.experiment import Experiment, Run, experiments, runs
from whalelib.ledger import staleness
from whalelib.ledger.markdown import relative
from whalelib.ledger.results import finished, notebook, plain, result, unlike_defaults, values
from whalelib.ledger.sentences import decimals

PAGE = "index.html"
_COLUMNS = (
    "experiment", "run", "knobs", "metric", "value", "minutes", "parameters", "made", "state", "notebooks",
)  # fmt: skip
_NUMBERS = {"value", "minutes", "parameters"}


@dataclass(frozen=True)
class _Cell:
    """What a cell shows, as HTML, and what it is sorted by."""

    html: str
    key: str | float


def write_page(home: Path) -> Path:
    """Write `experiments/index.html` and say where it lies."""
    folder = home / "experiments"
    path = folder / PAGE
    temporary = path.with_name(f"{PAGE}.part")
    temporary.write_text(render_page(experiments(folder), folder), encoding="utf-8")
    temporary.replace(path)
    return path


def render_page(asked: Iterable[Experiment], folder: Path) -> str:
    """The page's text; links are relative to `folder`."""
    code = staleness.now()
    rows = [_row(run, folder, code) for experiment in asked for run in runs(experiment)]
    names = sorted({str(row[0].key) for row in rows})
    states = sorted({part for row in rows for part in str(row[8].key).split(", ")})
    head = "".join(f'<th scope="col"><button type="button">{name}</button></th>' for name in _COLUMNS)
    body = "\n".join(_line(row) for row in rows)
    return _PAGE.format(
        style=_STYLE,
        script=_SCRIPT,
        names=_options(names),
        states=_options(states),
        head=head,
        body=body,
        count=len(rows),
    )


def _row(run: Run, folder: Path, code: Mapping[str, str]) -> list[_Cell]:
    metric, measured, kept = run.experiment.metric, values(run), result(run)
    value, seconds = measured.get(metric), kept.get("seconds")
    size = measured.get("trained_parameters", measured.get("parameters"))
    knobs = run.case | unlike_defaults(run.config.flat(), run.case)
    said = ", ".join(f"{name} {plain(knob)}" for name, knob in knobs.items())
    return [
        _text(run.experiment.name),
        _text(run.label),
        _text(said),
        _text(metric),
        _number(value, decimals(value) if value is not None else 0),
        _number(None if seconds is None else float(seconds) / 60, 1),
        _number(size, 0),
        _text(finished(run)[:10]),
        _text(", ".join(_state(run, code)), str(kept.get("reason", ""))),
        _Cell(_notebooks(run, folder), run.label),
    ]


def _state(run: Run, code: Mapping[str, str]) -> list[str]:
    """Done, failed or not run, and the marks of a result that would not be made so now."""
    if not run.result:
        return ["not run"]
    return [str(result(run).get("status", "unknown")), *staleness.of_run(run, code)]


def _notebooks(run: Run, folder: Path) -> str:
    there = sorted(run.folder.glob("*.ipynb")) if notebook(run) != run.folder else []
    links = (f'<a href="{escape(quote(relative(path, folder)))}">{escape(path.stem)}</a>' for path in there)
    return " ".join(links)


def _text(says: str, title: str = "") -> _Cell:
    hint = f' title="{escape(title)}"' if title else ""
    return _Cell(f"<span{hint}>{escape(says)}</span>" if title else escape(says), says)


def _number(value: float | None, places: int) -> _Cell:
    return _Cell("", "") if value is None else _Cell(f"{value:,.{places}f}", value)


def _line(row: list[_Cell]) -> str:
    cells = zip(_COLUMNS, row, strict=True)
    parts = (
        f'<td{" class=number" if name in _NUMBERS else ""} data-key="{escape(str(cell.key))}">{cell.html}</td>'
        for name, cell in cells
    )
    return f"<tr>{''.join(parts)}</tr>"


def _options(names: Iterable[str]) -> str:
    return "".join(f"<option>{escape(name)}</option>" for name in names)


_STYLE = """
body { font: 14px/1.4 Helvetica, Arial, sans-serif; margin: 1.5rem; color: #222; background: #fff }
form { display: flex; gap: 1rem; flex-wrap: wrap; margin: 1rem 0 }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; vertical-align: top; padding: .3rem .6rem; border-bottom: 1px solid #ddd }
th { position: sticky; top: 0; background: #f4f4f4 }
th button { font: inherit; font-weight: bold; border: 0; background: none; padding: 0; cursor: pointer }
th[aria-sort=ascending] button::after { content: " ▲" }
th[aria-sort=descending] button::after { content: " ▼" }
td:nth-child(3) { min-width: 16rem; max-width: 32rem; font-size: 12px; overflow-wrap: break-word }
td:nth-child(8) { white-space: nowrap }
td.number { text-align: right; font-variant-numeric: tabular-nums }
"""

# The table is whole without the script, which only orders and hides its rows.
_SCRIPT = """
const body = document.querySelector("tbody"), rows = [...body.rows];
const words = document.querySelector("#words"), name = document.querySelector("#name");
const state = document.querySelector("#state"), count = document.querySelector("#count");
const key = (row, column) => row.cells[column].dataset.key;
function filter() {
  const wanted = words.value.toLowerCase().split(/\\s+/).filter(Boolean);
  let shown = 0;
  for (const row of rows) {
    const text = row.textContent.toLowerCase();
    const states = key(row, 8).split(", ");
    row.hidden = !(wanted.every(word => text.includes(word)) && (!name.value || key(row, 0) === name.value)
      && (!state.value || states.includes(state.value)));
    shown += !row.hidden;
  }
  count.textContent = `${shown} of ${rows.length} runs`;
}
function sort(column, head) {
  const down = head.getAttribute("aria-sort") === "ascending";
  document.querySelectorAll("th").forEach(other => other.removeAttribute("aria-sort"));
  head.setAttribute("aria-sort", down ? "descending" : "ascending");
  const numeric = rows.every(row => key(row, column) === "" || !isNaN(key(row, column)));
  rows.sort((a, b) => {
    const [left, right] = [key(a, column), key(b, column)];
    if (left === "" || right === "") return (left === "") - (right === "");  // what is not there comes last
    return (numeric ? left - right : left.localeCompare(right)) * (down ? -1 : 1);
  });
  body.append(...rows);
}
document.querySelectorAll("th").forEach((head, column) =>
  head.querySelector("button").addEventListener("click", () => sort(column, head)));
for (const field of [words, name, state]) field.addEventListener("input", filter);
document.querySelector("form").addEventListener("submit", event => event.preventDefault());
"""

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>All runs</title>
<style>{style}</style>
</head>
<body>
<h1>All runs</h1>
<p>Every run of every experiment here. A heading sorts, the fields filter. What the runs say together is in the
<a href="../EXPERIMENT_LOG.md">log</a>; single runs differ by chance, so do not read a winner off this page.</p>
<form>
<label>words <input id="words" type="search" placeholder="as in wrap 03_train"></label>
<label>experiment <select id="name"><option value="">all</option>{names}</select></label>
<label>state <select id="state"><option value="">all</option>{states}</select></label>
<output id="count">{count} of {count} runs</output>
</form>
<table>
<thead><tr>{head}</tr></thead>
<tbody>
{body}
</tbody>
</table>
<script>{script}</script>
</body>
</html>
"""
