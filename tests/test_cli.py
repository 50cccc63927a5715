"""The command line as a user meets it, in a process of its own."""

import os
import subprocess
import sys

import pytest

from whalelib import config
from whalelib.errors import InputError


def whalelib(*words, cwd):
    environment = {**os.environ, "WHALELIB_HOME": str(cwd), "COLUMNS": "200"}
    command = [sys.executable, "-m", "whalelib.cli", *words]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=300)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["run", "train", "n_mel=32"], "did you mean 'n_mels'?"),
        (["run", "train", "n_mels=many"], "n_mels cannot be 'many'"),
        (["run", "train", "epochs=0"], "epochs cannot be 0"),
        (["run", "trian"], "there is no stage 'trian'"),
        (["run", "train", "-c", "missing.yaml"], "missing.yaml cannot be read"),
        (["run", "train", "n_mels"], "is no override"),
        (["grid", "missing.yaml"], "missing.yaml cannot be read"),
    ],
)
def test_a_mistake_is_one_sentence_before_anything_starts(tmp_path, words, says):
    done = whalelib(*words, cwd=tmp_path)
    assert done.returncode == 2
    assert says in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_every_knob_is_listed(tmp_path):
    listed = whalelib("knobs", cwd=tmp_path).stdout
    assert all(f"  {knob.name} " in listed for knob in config.knobs())
    only = whalelib("knobs", "mel", cwd=tmp_path).stdout
    assert "n_mels" in only
    assert "epochs" not in only


def test_sources_and_models_are_listed(tmp_path):
    listed = whalelib("sources", cwd=tmp_path).stdout
    assert "dclde2013" in listed and "needs: source-audio" in listed and "from:  gs://noaa-passive" in listed
    assert "small_cnn" in whalelib("models", cwd=tmp_path).stdout


def test_a_miniature_is_made_where_it_is_asked_for(tmp_path):
    done = whalelib("miniature", "birdclef", "small", cwd=tmp_path)
    assert "source=birdclef reads it" in done.stdout
    assert (tmp_path / "small" / "train_metadata.csv").exists()
    assert "did you mean 'rfcx'?" in whalelib("miniature", "rfxc", "other", cwd=tmp_path).stderr


def test_a_folder_that_is_not_there_is_said_before_any_notebook_starts(tmp_path):
    for given, says in (([], "needs data_path"), (["data_path=nowhere"], "data_path nowhere is not there")):
        done = whalelib("run", "eda", "source=raven", *given, cwd=tmp_path)
        assert done.returncode == 2
        assert says in done.stderr and "Traceback" not in done.stderr
        assert not (tmp_path / "experiments").exists()


def test_the_doctor_says_by_its_exit_status_whether_to_go_on(tmp_path):
    """Two files of one sound in two groups would be on both sides of a split: an error, and status 1."""
    import numpy as np
    import soundfile

    folder = tmp_path / "clips"
    folder.mkdir()
    rows = ["file,label,tape"]
    for k in range(12):
        name = f"clip{k}.wav"
        soundfile.write(folder / name, np.random.default_rng(k).normal(0, 0.1, 4000), 2000)
        rows.append(f"{name},{'call' if k % 2 else 'noise'},tape{k // 4}")
    (folder / "labels.csv").write_text("\n".join(rows) + "\n")
    words = ["doctor", "clip_folder", str(folder), "group_column=tape", "clip_seconds=2.0"]
    well = whalelib(*words, cwd=tmp_path)
    assert well.returncode == 0, well.stdout + well.stderr
    (folder / "clip11.wav").write_bytes((folder / "clip1.wav").read_bytes())
    ill = whalelib(*words, cwd=tmp_path)
    assert ill.returncode == 1
    assert "ERROR [equal-audio-across-groups]" in ill.stdout
    assert "mend:" in ill.stdout


def test_a_store_is_built_checked_uploaded_and_fetched(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    small = ["ocean_days=3", "ocean_minutes=0.5", "clips_per_call=1"]
    built = whalelib("store", "build", *small, cwd=home)
    assert built.returncode == 0, built.stderr
    (folder,) = (home / "cache").glob("clips-*")
    assert f"cache/{folder.name}: " in built.stdout and "clips of 3 s at 2000 Hz" in built.stdout
    there = (tmp_path / "bucket").as_uri()
    assert "files lie in" in whalelib("store", "upload", str(folder), there, cwd=home).stdout
    assert whalelib("store", "fetch", there, "carried", cwd=home).returncode == 0
    assert "classes: blue_whale_dcall" in whalelib("store", "check", "carried", cwd=home).stdout
    shard = next((home / "carried").glob("train-*.arrow"))
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)
    damaged = whalelib("store", "check", "carried", cwd=home)
    assert damaged.returncode == 2 and "was changed since it was written" in damaged.stderr


def test_recordings_are_scanned_by_a_saved_detector(tmp_path, monkeypatch):
    import json

    import numpy as np
    import pandas as pd
    import soundfile
    from typer.testing import CliRunner

    from whalelib.cli import app
    from whalelib.models import build

    low = {"band_low_hz": 5.0, "band_high_hz": 90.0, "n_mels": 16, "window_seconds": 0.5, "hop_seconds": 0.1}
    build(classes=["upcall", "noise"], width=4, sample_rate=200, features=low).save_pretrained(tmp_path / "detector")
    (tmp_path / "tapes" / "deep").mkdir(parents=True)
    for name in ("a.wav", "deep/a.wav"):
        soundfile.write(tmp_path / "tapes" / name, np.random.default_rng(0).uniform(-0.5, 0.5, (4000, 2)), 400)
    (tmp_path / "tapes" / "broken.wav").write_bytes(b"")
    words = ["scan", "detector", "tapes", "--out", "found"]
    for more, says in (
        ([], "does not know its thresholds"),
        (["--threshold", "2"], "threshold cannot be 2"),
        (["n_mels=3"], "n_mels is no knob of a scan"),
        (["--channel", "left"], "a number from 1 on, each, or mean"),
        (["--formats", "pdf"], "cannot be written as 'pdf'"),
        (["nowhere.wav"], "is not there"),
    ):
        monkeypatch.chdir(tmp_path)
        refused = CliRunner().invoke(app, [*words, *more])
        assert isinstance(refused.exception, InputError) and says in str(refused.exception)
        assert not (tmp_path / "found").exists()
    done = whalelib(*words, "--threshold", "0", "--channel", "mean", "min_seconds=0.5", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "2 done, 0 partly, 1 failed, 0 not reached" in done.stdout and "Detections: 2 upcall" in done.stdout
    assert "broken.wav is a file of zero bytes" in done.stdout and "Traceback" not in done.stderr
    found = pd.read_csv(tmp_path / "found" / "detections.csv")
    assert found["recording"].tolist() == ["a", "deep__a"] and found["offset"].tolist() == [10.0, 10.0]
    how = json.loads((tmp_path / "found" / "scan.json").read_text())
    assert how["thresholds"] == {"upcall": 0.0} and how["min_seconds"] == 0.5

    stamps = {path: path.stat().st_mtime_ns for path in (tmp_path / "found" / "scores").glob("*.parquet")}
    again = whalelib(*words, "--threshold", "1", "--channel", "mean", "--json", cwd=tmp_path)
    assert json.loads(again.stdout)["detections"] == {"upcall": 0}
    assert stamps == {path: path.stat().st_mtime_ns for path in stamps} and len(stamps) == 2  # nothing scanned anew
    only_broken = CliRunner().invoke(app, ["scan", "detector", "tapes/broken.wav", "--out", "none", "--threshold", "0"])
    assert only_broken.exit_code == 1 and "Nothing was analysed" in only_broken.output
    assert not (tmp_path / "none" / "detections.csv").exists() and (tmp_path / "none" / "receipt.csv").exists()
