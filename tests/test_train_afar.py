"""Trainings copied to a place that outlives the session: gone on with on another machine, and never by halves."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from servers import forget_logins, moto
from test_train_tricks import WAYS, fit, same, tiny

from whalelib import clips, train
from whalelib.errors import InputError
from whalelib.train.afar import Afar

pytestmark = pytest.mark.usefixtures("one_thread")
KNOBS = {**WAYS["within an epoch"], "tensorboard": True}


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def die_within_an_epoch():
    step = train.DetectorTrainer.training_step

    def stepped(self, *args, **kwargs):
        return die() if self.state.global_step == 5 else step(self, *args, **kwargs)

    train.DetectorTrainer.training_step = stepped


def die_within_a_copy():
    put = Afar._put_file

    def half(self, path, target):
        if "checkpoint-4/trainer_state" in target:
            die()
        put(self, path, target)

    Afar._put_file = half


def train_and_die(death, store_folder, folder, place):
    """What the killed process runs."""
    import torch

    torch.set_num_threads(1)
    globals()[death]()
    fit(tiny(clips.open_store(store_folder)), folder, keep_at=place, **KNOBS)


def killed(death, store, folder, place):
    code = "import sys, test_train_afar; test_train_afar.train_and_die(*sys.argv[1:])"
    here = {**os.environ, "PYTHONPATH": str(Path(train.__file__).parents[2]), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", code, death, str(store.folder), str(folder), place]
    child = subprocess.run(command, cwd=Path(__file__).parent, env=here, capture_output=True, text=True, timeout=240)
    assert child.returncode == -signal.SIGKILL, child.stderr


@pytest.fixture(scope="module")
def few(small_store):
    return tiny(small_store)


@pytest.fixture(scope="module")
def unbroken(few, tmp_path_factory):
    return fit(few, tmp_path_factory.mktemp("unbroken") / "detector", **KNOBS)


@pytest.fixture
def bucket(monkeypatch):
    """A bucket of a server on the loopback."""
    for package in ("s3fs", "moto", "boto3"):
        pytest.importorskip(package)
    forget_logins(monkeypatch)
    with moto() as running:
        login = {"AWS_ACCESS_KEY_ID": "whale", "AWS_SECRET_ACCESS_KEY": "song", "AWS_DEFAULT_REGION": "us-east-1"}
        for name, value in {**login, "WHALELIB_S3_ENDPOINT": running.url}.items():
            monkeypatch.setenv(name, value)
        running.client.create_bucket(Bucket="whales")
        yield running.client


def keys(client):
    return {one["Key"] for one in client.list_objects_v2(Bucket="whales").get("Contents", [])}


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
def test_another_machine_goes_on_from_a_bucket_and_ends_where_an_unbroken_training_does(
    bucket, small_store, few, unbroken, tmp_path
):
    killed("die_within_an_epoch", small_store, tmp_path / "here" / "detector", "s3://whales/kept/")
    there = keys(bucket)
    assert {"kept/detector/checkpoint-3.json", "kept/detector/checkpoint-4.json"} <= there
    assert any(key.startswith("kept/detector/logs/events") for key in there)
    assert not any(key.startswith("kept/detector/checkpoint-2") for key in there)  # as many as here
    shutil.rmtree(tmp_path / "here")
    steps, step = [], train.DetectorTrainer.training_step
    train.DetectorTrainer.training_step = lambda self, *a, **k: (
        steps.append(self.state.global_step),
        step(self, *a, **k),
    )[1]
    try:
        same(fit(few, tmp_path / "there" / "detector", keep_at="s3://whales/kept", **KNOBS), unbroken)
    finally:
        train.DetectorTrainer.training_step = step
    assert min(steps) == 4
    left = {key.removeprefix("kept/detector/").partition("/")[0] for key in keys(bucket)}
    assert left == {"finished", "finished.json", "logs"}
    # A third machine need not train at all.
    same(fit(few, tmp_path / "third" / "detector", keep_at="s3://whales/kept", **KNOBS), unbroken)
    assert sorted(path.name for path in (tmp_path / "third" / "detector").iterdir()) == [
        "detector", "fitted.json", "history.csv",
    ]  # fmt: skip


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
def test_a_half_copied_checkpoint_is_never_taken_for_whole(small_store, few, unbroken, tmp_path):
    place = tmp_path / "drive"
    killed("die_within_a_copy", small_store, tmp_path / "here" / "detector", str(place))
    assert (place / "detector" / "checkpoint-4" / "optimizer.pt").exists()
    assert Afar(str(place / "detector")).whole().keys() == {"checkpoint-2", "checkpoint-3"}
    same(fit(few, tmp_path / "there" / "detector", keep_at=str(place), **KNOBS), unbroken)


def test_what_was_copied_is_what_comes_back(tmp_path):
    source, afar = tmp_path / "checkpoint-5", Afar(str(tmp_path / "drive" / "x"))
    (source / "deep").mkdir(parents=True)
    (source / "a.bin").write_bytes(bytes(range(256)) * 100)
    (source / "deep" / "b.txt").write_text("song")
    assert afar.whole() == {}
    afar.put(source)
    afar.fetch_checkpoints(tmp_path / "new")
    found = {
        p.relative_to(tmp_path / "new").as_posix(): p.read_bytes()
        for p in (tmp_path / "new").rglob("*.*")
        if p.is_file()
    }
    assert found == {"checkpoint-5/a.bin": bytes(range(256)) * 100, "checkpoint-5/deep/b.txt": b"song"}
    afar.drop("checkpoint-5")
    assert afar.whole() == {}
    assert not (tmp_path / "drive" / "x" / "checkpoint-5").exists()


@pytest.mark.parametrize("half", ["", "{", '{"files"', "[]", "{}"])
def test_half_of_a_list_is_no_list(half, tmp_path):
    (tmp_path / "checkpoint-1").mkdir()
    (tmp_path / "checkpoint-1.json").write_text(half)
    assert Afar(str(tmp_path)).whole() == {}


def test_a_copy_that_was_changed_is_refused(tmp_path):
    (tmp_path / "checkpoint-5").mkdir()
    (tmp_path / "checkpoint-5" / "a.bin").write_bytes(b"song")
    afar = Afar(str(tmp_path / "drive"))
    afar.put(tmp_path / "checkpoint-5")
    (tmp_path / "drive" / "checkpoint-5" / "a.bin").write_bytes(b"sonG")
    with pytest.raises(InputError, match="a.bin is not what was copied there: delete"):
        afar.fetch_checkpoints(tmp_path / "new")
    assert not (tmp_path / "new" / "checkpoint-5").exists()


def test_a_place_that_takes_nothing_costs_a_warning_and_not_the_training(few, tmp_path, monkeypatch):
    def full(self, path, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Afar, "_put_file", full)
    with pytest.warns(UserWarning, match="nothing could be copied to .*drive/fit .*: the training goes on without"):
        found = fit(few, tmp_path / "fit", epochs=1, keep_at=str(tmp_path / "drive"))
    assert found.best_epoch == 1


@pytest.mark.parametrize(("place", "says"), [("sea://x/y", "keep_at cannot be sea://x/y")])
def test_a_place_that_cannot_be_is_refused_before_anything_starts(place, says, few, tmp_path):
    with pytest.raises(InputError, match=says):
        fit(few, tmp_path / "fit", keep_at=place)
    assert not (tmp_path / "fit").exists()


def test_a_list_says_what_it_lists(tmp_path):
    (tmp_path / "checkpoint-5").mkdir()
    (tmp_path / "checkpoint-5" / "a.bin").write_bytes(b"song")
    Afar(str(tmp_path / "drive")).put(tmp_path / "checkpoint-5")
    listed = json.loads((tmp_path / "drive" / "checkpoint-5.json").read_text())
    assert listed["files"]["a.bin"]["bytes"] == 4
