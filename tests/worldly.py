"""What stands in for the world in the documentation's examples: recordings, detectors, a bucket, published weights."""

import os
import shutil
import sys
from pathlib import Path

import servers

ROOT = Path(__file__).parents[1]


def prepared(folder, wanted, stack, monkeypatch):
    """Make what a page wants in its folder, and give the environment in which its shell runs.

    The folder is the reader's home and working folder at once; `whalelib` is the one that is tested.
    """
    servers.forget_logins(monkeypatch)
    program = folder / ".bin" / "whalelib"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m whalelib.cli "$@"\n')
    program.chmod(0o755)
    (folder / "experiments").mkdir()
    settings = {
        "PATH": os.pathsep.join([str(program.parent), str(Path(sys.executable).parent), os.environ["PATH"]]),
        "PYTHONPATH": str(ROOT), "HOME": str(folder), "WHALELIB_HOME": str(folder), "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(folder / ".hub"), "OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg", "TQDM_DISABLE": "1",
    }  # fmt: skip
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    for name in wanted:
        STAND_INS[name](folder, stack, monkeypatch)
    return dict(os.environ)


def tapes(folder, *_):
    """Two days of sea at two moorings in ~/tapes, without a word on what is in them."""
    from whalelib import synth

    made = folder / ".ocean"
    synth.ocean(made, ocean_seed=7, ocean_days=2, ocean_minutes=0.5)
    shutil.copytree(made / "audio", folder / "tapes")


def recordings(folder, *_):
    """Five days of sea with Raven tables in ~/recordings."""
    from whalelib import synth

    made = folder / ".annotated"
    synth.ocean(made, ocean_days=5, ocean_sites=1, ocean_minutes=0.5, ocean_density=2.0)
    for part in ("audio", "raven"):
        shutil.copytree(made / part, folder / "recordings" / part)


def detector(folder, *_):
    """A detector that was never trained, but is whole: it takes its seconds and gives its scores."""
    from whalelib.models import build

    build(classes=["fin_whale_20hz", "right_whale_upcall"], width=8).save_pretrained(folder / "detector")


def bucket(folder, stack, monkeypatch):
    """A server on the loopback that speaks S3 and holds the tapes, as s3://sea/2009."""
    if not (folder / "tapes").exists():
        tapes(folder)
    (folder / ".bucket").mkdir()
    shutil.copytree(folder / "tapes", folder / ".bucket" / "2009")
    moto = stack.enter_context(servers.moto())
    moto.fill("sea", folder / ".bucket")
    monkeypatch.setenv("WHALELIB_S3_ENDPOINT", moto.url)
    login = {"AWS_ACCESS_KEY_ID": "whale", "AWS_SECRET_ACCESS_KEY": "song", "AWS_DEFAULT_REGION": "us-east-1"}
    for name, value in login.items():
        monkeypatch.setenv(name, value)


def hub(folder, *_):
    """The hub's cache with an AST of two small layers under the name of the published one."""
    from test_pretrained import published

    kept = folder / ".hub" / "hub" / "models--MIT--ast-finetuned-audioset-10-10-0.4593"
    published("ast", kept / "snapshots" / "small")
    (kept / "refs").mkdir()
    (kept / "refs" / "main").write_text("small")


def transcriber(folder, *_):
    """A transcriber that was never taught: it writes down well-formed calls."""
    from whalelib import transcribe

    hearing = transcribe.Hearing(window_seconds=6.0, speed=4.0, bands=16)
    transcribe.fresh(["a", "b"], hearing, width=16, layers=1).save(folder / "transcriber")


STAND_INS = {make.__name__: make for make in (tapes, recordings, detector, bucket, hub, transcriber)}
