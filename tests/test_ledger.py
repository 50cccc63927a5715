"""The log as a whole: what an experiment's results become, what is marked, and that it can be checked."""

import json
from xml.etree import ElementTree

import pytest
import yaml
from typer.testing import CliRunner

from whalelib import experiment, ledger, provenance
from whalelib.cli import app
from whalelib.errors import InputError

PLAN = {
    "title": "Padding",
    "question": "Which?",
    "expectation": "None.",
    "grid": {"padding": ["wrap", "zeros"]},
    "seeds": [0, 1, 2],
    "metric": "event_f1",
    "matters": 0.02,
    "note": "Seen by hand.",
}


def home_with(tmp_path, values, plan=PLAN, name="padding"):
    """A home with an experiment whose runs ended with these values, as {(case, seed): metric}."""
    folder = tmp_path / "experiments"
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(plan))
    for run in experiment.runs(experiment.load_experiment(folder / f"{name}.yaml")):
        value = values.get((run.case.get("padding"), run.seed))
        if value is None:
            continue
        run.folder.mkdir(parents=True)
        result = {"status": "done", "values": {"event_f1": value, "test_ap": 0.5}} if value != "failed" else {
            "status": "failed", "reason": "RuntimeError: the toy broke"}  # fmt: skip
        result |= {"signature": run.signature, "finished": "2026-01-02T03:04:05+00:00", "seconds": 90.0}
        (run.folder / "result.json").write_text(json.dumps(result))
        (run.folder / "config.yaml").write_text(yaml.safe_dump(run.config.flat()))
    return tmp_path


def changed(home, change, *labels):
    """Change the recorded results of these runs of the padding experiment."""
    for label in labels:
        path = home / "experiments" / "padding" / label / "result.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **change}))


ALL = [f"padding={case},seed={seed}" for case in ("wrap", "zeros") for seed in (0, 1, 2)]


def by_seed(wrap, zeros):
    return {**{("wrap", s): v for s, v in enumerate(wrap)}, **{("zeros", s): v for s, v in enumerate(zeros)}}


def test_a_clear_difference_is_a_result(tmp_path):
    log = ledger.render(home_with(tmp_path, by_seed([0.80, 0.82, 0.81], [0.60, 0.61, 0.62])))
    assert "## 2026-01-02 · Padding\n" in log
    assert "**Found:** **padding zeros** loses to padding wrap by 0.200" in log
    assert "| padding wrap | 3 | 0.810 ± 0.025 | reference | 0.500 ± 0.000 | 1.5 | 2026-01-02" in log
    assert "**Varied:** padding (wrap, zeros)." in log
    assert "**Note:** Seen by hand." in log


def test_what_the_question_asks_for_too_stands_beside_its_metric(tmp_path):
    values = by_seed([0.80, 0.82, 0.81], [0.60, 0.61, 0.62])
    home = home_with(tmp_path, values, {**PLAN, "beside": ["train_seconds", "test_ap", "never_measured"]})
    for seed, seconds in enumerate((9.0, 10.0, 11.0)):
        measured = {"event_f1": values["wrap", seed], "train_seconds": seconds, "test_ap": 0.5}
        changed(home, {"values": measured}, f"padding=wrap,seed={seed}")
    log = ledger.render(home)
    assert "| case | seeds | event_f1 | difference | train_seconds | test_ap | minutes a run |" in log
    assert "| padding wrap | 3 | 0.810 ± 0.025 | reference | 10.0 ± 2.5 | 0.500 ± 0.000 |" in log
    assert "| padding zeros | 3 | 0.610 ± 0.025 | -0.200 ± 0.025 | – | 0.500 ± 0.000 |" in log


def test_no_difference_is_called_negative_in_the_title(tmp_path):
    log = ledger.render(home_with(tmp_path, by_seed([0.80, 0.82, 0.81], [0.81, 0.80, 0.82])))
    assert "· Padding (negative)" in log
    assert "No difference seen" in log


def test_one_seed_is_no_negative_result_and_no_positive_one(tmp_path):
    log = ledger.render(home_with(tmp_path, by_seed([0.80], [0.90])))
    assert "one seed in common, so nothing can be said" in log
    assert "(negative)" not in log and " beats " not in log


def test_failures_and_missing_runs_are_said_with_their_cause_and_notebook(tmp_path):
    home = home_with(tmp_path, by_seed([0.80, 0.82, 0.81], ["failed"]))
    (home / "experiments/padding/padding=zeros,seed=0/03_train.ipynb").write_text("{}")
    log = ledger.render(home)
    assert "**Failed:** `padding=zeros,seed=0`: RuntimeError: the toy broke ([notebook](<experiments/padding/" in log
    assert "**Not run yet:** 2 of 6 runs." in log


def test_no_other_case_takes_the_place_of_a_reference_without_results(tmp_path):
    log = ledger.render(home_with(tmp_path, by_seed([], [0.6, 0.61, 0.62])))
    assert "The reference, padding wrap, has no finished run" in log
    assert "| reference |" not in log


def test_a_run_that_has_not_measured_the_metric_is_said(tmp_path):
    home = home_with(tmp_path, by_seed([0.80, 0.82, 0.81], [0.6, 0.61, 0.62]))
    changed(home, {"values": {"event_f1": None, "test_ap": 0.5}}, ALL[5])
    log = ledger.render(home)
    assert f"**Without event_f1:** `{ALL[5]}`" in log
    assert "| padding zeros | 2 |" in log


def test_results_of_other_knobs_are_marked_stale(tmp_path):
    home = home_with(tmp_path, by_seed([0.80, 0.82, 0.81], [0.6, 0.61, 0.62]))
    assert "stale" not in ledger.render(home)
    (home / "experiments" / "padding.yaml").write_text(yaml.safe_dump({**PLAN, "base": {"epochs": 3}}))
    log = ledger.render(home)
    assert "· Padding (stale)" in log
    assert "2026-01-02, other knobs" in log
    assert "All runs were made with other knobs" in log
    assert "loses to" in log  # they were all made alike, so they do compare with each other


def test_rows_made_with_different_knobs_are_not_compared_and_not_averaged(tmp_path):
    home = home_with(tmp_path, by_seed([0.80, 0.82, 0.81], [0.6, 0.61, 0.62]))
    for seed in (0, 1, 2):
        path = home / f"experiments/padding/padding=zeros,seed={seed}/config.yaml"
        path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | {"epochs": 99}))
    log = ledger.render(home)
    assert "**padding zeros** is not compared with padding wrap" in log
    assert "loses to" not in log and "(negative)" not in log
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | {"epochs": 12}))  # the last one as it is now
    log = ledger.render(home)
    assert "| padding zeros | 1 | 0.620 |" in log
    assert "2 more, made with other knobs than the rest of their row, are left out." in log


def test_results_of_earlier_code_say_which_rooms_have_changed_since(tmp_path):
    home = home_with(tmp_path, by_seed([0.80, 0.82, 0.81], [0.6, 0.61, 0.62]))
    assert "2026-01-02, code unknown" in ledger.render(home)
    now = provenance.code(["train"])
    changed(home, {"code": now}, *ALL)
    assert "**How made:**" not in ledger.render(home)
    assert "| 2026-01-02 |" in ledger.render(home)
    changed(home, {"code": now | {"models": "0", "audio": "1"}}, *ALL[3:])
    log = ledger.render(home)
    assert "3 of 6 runs were made by earlier code; what has changed since: audio, models." in log
    assert "not all made by the same code (audio, models)" in log


def test_the_check_fails_on_results_notes_and_edits_but_not_on_code_that_moved_on(tmp_path, monkeypatch):
    home = home_with(tmp_path, by_seed([0.80, 0.82, 0.81], [0.6, 0.61, 0.62]))
    changed(home, {"code": provenance.code(["train"])}, *ALL)
    assert ledger.check(home) == ["there is no EXPERIMENT_LOG.md: write it with `whalelib log`."]
    assert ledger.write_log(home) == ["new: padding."]
    assert ledger.write_log(home) == ["nothing has changed."]
    assert ledger.check(home) == [] and ledger.outdated(home) == []

    with monkeypatch.context() as later:
        code = provenance.code(provenance.ROOMS) | {"models": "anew"}
        later.setattr(provenance, "code", lambda stages: code)
        assert ledger.check(home) == []
        assert ledger.outdated(home) == ["padding"]
        assert "by earlier code; what has changed since: models." in ledger.render(home)

    log = home / "EXPERIMENT_LOG.md"
    text = log.read_text()
    log.write_text(text.replace("loses to", "beats"))
    assert ledger.check(home)[0].startswith("EXPERIMENT_LOG.md differs from the results of padding, first in a line")
    log.write_text(text.replace("Newest first.", "Oldest first."))
    assert "differs from what is written now" in ledger.check(home)[0]
    log.write_text(text)
    (home / "experiments/padding/summary.svg").unlink()
    assert ledger.check(home) == ["the figure experiments/padding/summary.svg is missing."]
    ledger.write_log(home)
    changed(home, {"values": {"event_f1": 0.3}}, ALL[0])
    assert len(ledger.check(home)) == 2  # the entry, and its figure
    assert ledger.write_log(home) == ["changed: padding."]
    (home / "experiments/padding.yaml").unlink()
    assert ledger.check(home) == ["EXPERIMENT_LOG.md has an entry of padding, which has no results."]
    assert ledger.write_log(home) == ["dropped, having no results any more: padding."]


def test_the_command_says_by_its_exit_status_whether_log_and_results_agree(tmp_path, monkeypatch):
    monkeypatch.setenv("WHALELIB_HOME", str(home_with(tmp_path, by_seed([0.8, 0.9, 0.85], [0.7, 0.75, 0.8]))))

    def whalelib(*words):
        return CliRunner().invoke(app, words)

    missing = whalelib("log", "--check")
    assert missing.exit_code == 1 and "there is no EXPERIMENT_LOG.md" in missing.output
    assert list(tmp_path.glob("*.md")) == []
    assert "new: padding." in whalelib("log", "--page").output
    assert (tmp_path / "experiments" / "index.html").exists()
    assert whalelib("log", "--check").exit_code == 0


def test_what_stays_on_this_machine_has_its_own_log(tmp_path):
    home = home_with(tmp_path, by_seed([0.8, 0.9, 0.85], [0.7, 0.75, 0.8]), {**PLAN, "local": True})
    ledger.write_log(home)
    assert "· Padding" not in (home / "EXPERIMENT_LOG.md").read_text()
    own = (home / "experiments" / "padding" / "log.md").read_text()
    assert "· Padding" in own and "(<summary.svg>)" in own
    assert ledger.check(home) == []


def test_the_newest_entry_comes_first_and_knob_files_are_no_entries(tmp_path):
    home = home_with(tmp_path, by_seed([0.8], []))
    home_with(tmp_path, {(None, 0): 0.9}, {**PLAN, "title": "Later", "grid": {}, "seeds": [0]}, "later")
    (home / "experiments" / "base.yaml").write_text("epochs: 3\n")
    path = home / "experiments" / "later" / "seed=0" / "result.json"
    path.write_text(path.read_text().replace("2026-01-02", "2026-02-02"))
    log = ledger.render(home)
    assert log.index("· Later") < log.index("· Padding")
    assert log.count("\n## ") == 2
    assert "event_f1 is 0.900 with one seed, so nothing can be said" in log


def test_the_same_results_give_the_same_bytes_wherever_they_lie(tmp_path):
    written = []
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
        home = home_with(tmp_path / name, by_seed([0.8, 0.9, 0.85], [0.7, 0.75, 0.8]))
        ledger.write_log(home)
        written.append([(home / f).read_bytes() for f in ("EXPERIMENT_LOG.md", "experiments/padding/summary.svg")])
    assert written[0] == written[1]
    assert str(tmp_path).encode() not in b"".join(written[0])


def test_the_figure_shows_every_run_and_is_small(tmp_path):
    home = home_with(tmp_path, by_seed([0.8, 0.9, 0.85], [0.7, 0.75, 0.8]))
    ledger.write_log(home)
    path = home / "experiments/padding/summary.svg"
    assert path.stat().st_size < 5000
    circles = [c for c in ElementTree.parse(path).iter() if c.tag.endswith("circle")]
    assert sum(c.get("fill") == "white" for c in circles) == 6  # the runs
    assert sum(c.get("fill") != "white" for c in circles) == 2  # the means
    at = [float(c.get("cx")) for c in circles if c.get("fill") == "white"]
    assert [sorted(at).index(x) for x in at] == [2, 5, 4, 0, 1, 3] or sorted(at)[2] == sorted(at)[3]


def test_an_experiment_that_never_ran_has_no_entry(tmp_path):
    assert "· Padding" not in ledger.render(home_with(tmp_path, {}))


OUTSIDE = "run,score,where,when\n"


def test_scores_from_outside_are_set_beside_those_of_validation(tmp_path):
    home = home_with(tmp_path, by_seed([0.80, 0.82, 0.81], [0.60, 0.61, 0.62]))
    path = home / "experiments" / "padding" / "outside.csv"
    lines = [f'"{label}",{score},the leaderboard,2026-01-03\n' for label, score in zip(ALL, range(6), strict=True)]
    path.write_text(OUTSIDE + "".join(lines))
    log = ledger.render(home)
    assert f"| {ALL[5]} | 0.620 | 5.000 | the leaderboard | 2026-01-03 |" in log
    assert "It is not seen that event_f1 orders the runs as the leaderboard does" in log
    path.write_text(OUTSIDE + "padding=wrap,0.9,the leaderboard,\npadding=zeros,0.8,the leaderboard,\n")
    log = ledger.render(home)
    assert "| padding=wrap | 0.810 | 0.900 |" in log
    assert "2 runs have a score of the leaderboard, too few" in log
    ledger.write_log(home)
    ElementTree.parse(home / "experiments" / "padding" / "outside.svg")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("run,score\n", "lacks the column 'where'"),
        (OUTSIDE + "padding=wrap,high,x,y\n", "line 2: 'high' is no score"),
        (OUTSIDE + "padding=edge,0.5,x,y\n", "line 2: there is no finished run 'padding=edge'"),
    ],
)
def test_a_wrong_line_of_outside_scores_is_a_sentence(tmp_path, text, says):
    home = home_with(tmp_path, by_seed([0.80, 0.82, 0.81], [0.60, 0.61, 0.62]))
    (home / "experiments" / "padding" / "outside.csv").write_text(text)
    with pytest.raises(InputError, match=says):
        ledger.render(home)


@pytest.mark.skipif("search" not in experiment.EXPERIMENT_KEYS, reason="experiments do not search yet")
@pytest.mark.parametrize(("direction", "best", "worst"), [("maximize", 19, 0), ("minimize", 0, 19)])
def test_a_search_shows_its_best_trials_and_warns_of_them(tmp_path, direction, best, worst):
    widths = [8 + 4 * (7 * k % 41) for k in range(20)]
    folder = tmp_path / "experiments" / "wide"
    folder.mkdir(parents=True)
    plan = {key: PLAN[key] for key in ("title", "question", "expectation", "metric")} | {"seeds": [0]}
    search = {"ranges": {"width": {"low": 8, "high": 200}}, "trials": 20, "direction": direction}
    (tmp_path / "experiments" / "wide.yaml").write_text(yaml.safe_dump(plan | {"search": search}))
    (folder / "search.json").write_text(json.dumps({"trials": [{"width": width} for width in widths]}))
    for number, run in enumerate(experiment.runs(experiment.load_experiment(tmp_path / "experiments" / "wide.yaml"))):
        run.folder.mkdir()
        (run.folder / "config.yaml").write_text(yaml.safe_dump(run.config.flat()))
        result = {"status": "done", "finished": "2026-01-02T03:04:05+00:00", "seconds": 60.0}
        (run.folder / "result.json").write_text(json.dumps(result | {"values": {"event_f1": number / 20}}))
    log = ledger.render(tmp_path)
    assert f"The best of 20 trials is **width {widths[best]}**, with event_f1 {best / 20:.3f}." in log
    assert "luckiest" in log and " beats " not in log.removeprefix(ledger.HEAD)
    rows = [line for line in log.splitlines() if line.startswith("| width")]
    assert len(rows) == 10 and rows[0].startswith(f"| width {widths[best]} |")
    assert not any(row.startswith(f"| width {widths[worst]} |") for row in rows)
    assert f"**Searched:** width ({min(widths)} to {max(widths)})." in log
    ledger.write_log(tmp_path)
    circles = [c for c in ElementTree.parse(folder / "summary.svg").iter() if c.tag.endswith("circle")]
    assert len(circles) == 20
