"""The command line for scripts: standard output is JSON alone, what else is said is on standard error."""

import json

import numpy as np
import pytest
import soundfile
import typer
from test_cli import whalelib
from toys import lay
from typer.testing import CliRunner

from whalelib import cli, experiment
from whalelib.cli.shared import AsJson, as_json

BY_HAND = {"app", "demo", "lab"}  # somebody sits before these


def commands(group=None, before=()):
    group = group or typer.main.get_command(cli.app)
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*before, name))
        elif not command.hidden and name not in BY_HAND:
            yield pytest.param(command, id=" ".join((*before, name)))


@pytest.mark.parametrize("command", list(commands()))
def test_every_command_that_a_script_would_call_has_json(command):
    assert any("--json" in parameter.opts for parameter in command.params)


def asked(*words, status=0):
    """What a command prints for a script, and what it says beside it."""
    done = CliRunner().invoke(cli.app, [*map(str, words), "--json"])
    assert done.exit_code == status, done.output
    return json.loads(done.stdout), done.stderr


@pytest.fixture
def chatty():
    """A command that prints on its way, as libraries do."""
    small = typer.Typer()

    @small.command()
    def figures(json: AsJson = False):
        print("one of two is done")
        typer.echo("two of two are done")
        if json:
            as_json({"loss": float("nan"), "count": np.int64(3), "per_class": np.array([0.5, np.inf])})

    return small


def test_what_is_printed_on_the_way_goes_to_standard_error(chatty):
    done = CliRunner().invoke(chatty, ["--json"])
    assert json.loads(done.stdout) == {"loss": None, "count": 3, "per_class": [0.5, None]}
    assert done.stderr == "one of two is done\ntwo of two are done\n"
    plain = CliRunner().invoke(chatty, [])
    assert plain.stdout == "one of two is done\ntwo of two are done\n" and plain.stderr == ""


def test_a_mistake_with_json_is_one_sentence_and_a_status(tmp_path):
    done = whalelib("run", "trian", "--json", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("whalelib: there is no stage 'trian'") and len(done.stderr.splitlines()) == 1


@pytest.fixture
def toy(tmp_path, monkeypatch):
    return lay(tmp_path, monkeypatch)


def test_a_run_tells_its_figures(toy):
    told, said = asked("run", "train", "seed=1")
    assert told["values"] == {"score": 1.5} and told["stages"] == ["train"] and told["left_out"] == []
    assert (experiment.home() / told["folder"] / "train.json").exists()
    assert "03_train done in" in said


def test_a_grid_its_status_and_its_log_are_told(toy, monkeypatch):
    monkeypatch.setenv("TOY_FAILS", "zeros 1")
    told, said = asked("grid", toy, status=1)
    assert sorted(run["figure"] for run in told["runs"] if run["state"] == "done") == [0.5, 0.5, 1.5]
    assert "1 failed" in said
    rows, said = asked("status", toy)
    assert rows == told["runs"] and said == ""
    assert {row["state"] for row in rows} == {"done", "failed"}

    told, said = asked("log", "--check", status=1)
    assert told["differences"] and "whalelib: " in said
    written, _ = asked("log", "--page")
    assert written["page"].endswith("index.html") and written["log"].endswith(".md")
    told, said = asked("log", "--check")
    assert told["differences"] == [] and said == ""


def test_the_doctor_tells_findings_with_their_rows(tmp_path):
    rows = ["file,label,tape"]
    for k in range(12):
        sound = np.random.default_rng(k % 11).normal(0, 0.1, 4000)  # the first and the last are one sound
        soundfile.write(tmp_path / f"clip{k}.wav", sound, 2000)
        rows.append(f"clip{k}.wav,{'call' if k % 2 else 'noise'},tape{k // 4}")
    (tmp_path / "labels.csv").write_text("\n".join(rows) + "\n")
    findings, _ = asked("doctor", "clip_folder", tmp_path, "group_column=tape", "clip_seconds=2.0", status=1)
    (worst,) = [found for found in findings if found["code"] == "equal-audio-across-groups"]
    assert worst["severity"] == "error" and worst["mend"] and len(worst["rows"]) == worst["count"]


def test_stores_are_told(tmp_path, monkeypatch):
    monkeypatch.setenv("WHALELIB_HOME", str(tmp_path))
    built, _ = asked("store", "build", "ocean_days=3", "ocean_minutes=0.5", "clips_per_call=1")
    there = (tmp_path / "bucket").as_uri()
    sent, _ = asked("store", "upload", built["folder"], there)
    assert sent["uri"] == there and sent["files"] >= 4
    fetched, _ = asked("store", "fetch", there, tmp_path / "carried")
    checked, _ = asked("store", "check", tmp_path / "carried")
    assert checked["about"] == fetched["about"] == built["about"]
    assert sum(built["about"]["clips"].values()) > 0


def test_stretches_and_miniatures_are_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made, _ = asked("miniature", "rfcx", "small")
    assert made == {"folder": made["folder"], "source": "rfcx"} and (tmp_path / "small").is_dir()
    (tmp_path / "tapes").mkdir()
    soundfile.write(tmp_path / "tapes" / "a.wav", np.random.default_rng(0).normal(0, 0.01, 60_000), 2000)
    (tmp_path / "tapes" / "b.wav").touch()
    kept, said = asked("crop", "tapes", "--out", "kept")
    assert kept["hours"] == pytest.approx(30 / 3600)
    assert len(kept["left_out"]) == 1 and f"left out: {kept['left_out'][0]}" in said


def test_a_detector_is_exported_and_told(tmp_path, monkeypatch):
    from whalelib.models import build

    monkeypatch.chdir(tmp_path)
    low = {"band_low_hz": 5.0, "band_high_hz": 90.0, "n_mels": 16, "window_seconds": 0.5, "hop_seconds": 0.1}
    build(classes=["upcall"], width=4, sample_rate=200, features=low).save_pretrained(tmp_path / "detector")
    told, _ = asked("export", "detector", "--to", "onnx", "--out", "files")
    assert told["files"] and all((tmp_path / "files" / name).exists() for name in told["files"])
