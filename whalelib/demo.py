"""`whalelib demo`: the main job from beginning to end, on the ocean that comes with the library."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

from whalelib import experiment, ledger, synth
from whalelib.errors import InputError

EXAMPLE_DAYS = 12  # of a minute at each of two sites: enough to learn from, in a minute or two


def recordings(data_path: str = "") -> str:
    """The folder named; where none is, a small one with Raven tables as one's own might be, made in the cache."""
    if data_path:
        return data_path
    folder = experiment.cache_root() / f"example-{synth.GENERATOR}"
    with experiment.alone(folder):
        synth.ocean(folder, ocean_days=EXAMPLE_DAYS, ocean_minutes=1.0)
    return str(folder)


def run(home: Path) -> str:
    """Do the demo experiment (what is done already is not done again) and say what was found and where it lies."""
    experiment.can_run(experiment.PATH)
    asked = experiment.load_experiment(experiment.recipe("demo"))
    done = experiment.run_grid(asked, retry=True)[0]
    if not done.result or done.result["status"] != "done":
        reason = done.result["reason"] if done.result else "it was interrupted"
        raise InputError(f"the demo did not come to its end ({reason}); its notebooks in {done.folder} show where.")
    ledger.write_log(home)
    return report(done.result["values"], done.folder, asked.folder / ledger.LOCAL_LOG, home)


def _next(folder: str, home: Path) -> str:
    """What to type now, and what it is for. `make` sets up an environment without entering it, so that comes first."""
    activate = Path(sys.executable).parent / "activate"
    rows = []
    if not shutil.which("whalelib") and activate.exists():
        near = activate.relative_to(Path.cwd()) if activate.is_relative_to(Path.cwd()) else activate
        rows.append((f"source {near}", "so that the shell finds `whalelib`"))
    rows.append((f"whalelib app {folder}", "see and hear what it found"))
    rows.append(("whalelib doctor raven ~/recordings", "your own, with Raven tables; the README goes on from there"))
    rows.append(("whalelib run all padding=wrap seed=1", "other knobs; `whalelib knobs` lists them"))
    if (home / "experiments" / "padding.yaml").exists():  # of a clone
        rows.append(("whalelib grid experiments/padding.yaml", "a question with several seeds"))
    rows.append(("whalelib lab", "the notebooks by hand"))
    width = max(len(words) for words, _ in rows) + 2
    return "\n".join(f"  {words:<{width}}{what}" for words, what in rows)


def report(values: dict[str, Any], folder: Path, log: Path, home: Path) -> str:
    """The closing words, every number in them from the run."""
    rows = [("species", "calls", "found", "false", "F1")]
    for row in values["events_by_class"]:
        f1 = "–" if row["f1"] is None else f"{row['f1']:.2f}"
        name = "all species" if row["class"] == "all" else row["class"].replace("_", " ")
        rows.append((name, str(row["calls"]), str(row["hits"]), str(row["false"]), f1))
    table = "\n".join(f"  {a:<22}{b:>7}{c:>7}{d:>7}{e:>7}" for a, b, c, d, e in rows)

    def near(path: Path) -> str:
        return str(path.relative_to(home)) if path.is_relative_to(home) else str(path)

    return f"""
On {values["test_hours"]:.1f} hours of days that the detector never saw:

{table}

  clips ranked by the detector: average precision {values["test_ap"]:.3f}, ROC AUC {values["test_auc"]:.3f}
  false alarms: {values["false_per_hour"]:.1f} an hour over all species; calls too faint to judge are left out

Where things lie
  executed notebooks   {near(folder)}/01_eda.ipynb ... 05_postprocess.ipynb
  Raven tables         {near(folder)}/raven/
  figures              {near(folder)}/figures/
  the log              {near(log)}

What to try next
{_next(near(folder), home)}
"""
