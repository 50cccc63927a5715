"""Wheel folders: what a session lacks and nothing else, and a session without a network that installs from one."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import cloud_machine
import pytest

from whalelib import wheels
from whalelib.errors import InputError


def report(**packages):
    """What pip's report says of packages: their requirements, the package's own first."""
    return [
        {"metadata": {"name": name, "requires_dist": requires}, "download_info": {"url": f"https://index/{name}.whl"}}
        for name, requires in packages.items()
    ]


RESOLVED = report(
    whalelib=[
        "table>=2",
        "old-thing; python_version < '3.11'",
        "torch>=2.4; extra == 'train'",
        "nets; extra == 'train'",
    ],
    table=["clock>=1"],
    clock=[],
    nets=["Clock>=3", "torch", "nvidia-blas", "table[fast]"],
    fast=[],
)
RESOLVED[0]["metadata"]["provides_extra"] = ["train"]
RESOLVED[1]["metadata"]["requires_dist"].append("fast; extra == 'fast'")
SYSTEM = {"python_version": "3.12", "platform_machine": "x86_64"}


@pytest.mark.parametrize(
    ("extras", "has", "lacks"),
    [
        ((), {}, "clock table"),
        ((), {"table": "2.0"}, ""),  # what is there asks for nothing
        ((), {"table": "1.9"}, "clock table"),
        ((), {"table": "1.9", "clock": "1.0"}, "table"),
        (
            ("train",),
            {"table": "1.9", "clock": "1.0"},
            "clock fast nets table",
        ),  # too old for the second
        (("train",), {"Table": "2.1", "clock": "3.0+local"}, "fast nets"),
        (("train",), {"torch": "2.6.0"}, "clock fast nets table"),  # torch and its own: never
    ],
)
def test_only_what_a_session_lacks_is_kept(extras, has, lacks):
    found = wheels.lacking(RESOLVED, extras, has, SYSTEM)
    assert found == [f"https://index/{name}.whl" for name in lacks.split()]


def test_what_another_python_needs_and_was_not_resolved_is_said():
    with pytest.raises(InputError, match=r"whalelib needs old-thing under Python 3\.10"):
        wheels.lacking(RESOLVED, (), {}, {**SYSTEM, "python_version": "3.10"})


def test_an_extra_that_is_none_is_said():
    with pytest.raises(InputError, match="no extra 'trian'"):
        wheels.lacking(RESOLVED, ("trian",), {}, SYSTEM)


def test_what_pip_freeze_writes_is_read(tmp_path):
    file = tmp_path / "has.txt"
    file.write_text(
        "# a comment\nnumpy==2.0.2\n-e git+https://host/x.git@0a#egg=x\n"
        "torch @ https://host/whl/torch-2.6.0%2Bcu124-cp312-cp312-linux_x86_64.whl#sha256=00\n"
        "google-colab @ file:///colabtools/dist/google-colab-1.0.0.tar.gz\n"
    )
    assert wheels.frozen(file) == {"numpy": "2.0.2", "torch": "2.6.0+cu124"}
    file.write_text("numpy\n")
    with pytest.raises(InputError, match="write it with `pip freeze`"):
        wheels.frozen(file)
    with pytest.raises(InputError, match="cannot be read"):
        wheels.frozen(tmp_path / "none.txt")


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ({"python": "312"}, "a version such as 3.12"),
        ({"platform": "win_amd64"}, "it is a Linux"),
        ({"folder": "full"}, "not empty: name a new folder"),
    ],
)
def test_a_mistake_is_said_before_anything_is_fetched(tmp_path, monkeypatch, how, says):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").touch()
    with pytest.raises(InputError, match=says):
        wheels.gather(**{"folder": "shelf", **how})
    assert [path.name for path in tmp_path.iterdir()] == ["full"]


def test_everything_is_chosen_beside_the_torch_and_the_numpy_that_stay(tmp_path, monkeypatch):
    """The newest pandas may want a newer numpy than the session's, to which the first cell holds on."""

    def pip(*words):
        raise InputError(" ".join(words))

    monkeypatch.setattr(wheels, "own_wheel", lambda folder: cloud_machine.wheel(folder, "whalelib", "0.1.0"))
    monkeypatch.setattr(wheels, "_pip", pip)
    with pytest.raises(InputError, match=r"torch-2\.7\.1\+there\S* numpy==2\.0\.2"):
        wheels.gather(tmp_path / "shelf", has={"NumPy": "2.0.2", "torch": "2.7.1+cu126"})
    assert not list(tmp_path.iterdir())


def test_pip_takes_a_wheel_that_was_written_here(tmp_path):
    """Its list of files with their digests included: pip writes the list anew from what it has unpacked."""
    about = "sea-1.0.dist-info"
    content = {
        "sea/__init__.py": b"depth = 7\n",
        f"{about}/METADATA": b"Metadata-Version: 2.1\nName: sea\nVersion: 1.0\n",
        f"{about}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    made = wheels.write_wheel(tmp_path, "sea", "1.0", content)
    words = ["install", "--quiet", "--no-index", "--no-compile", f"--target={tmp_path / 'there'}", str(made)]
    subprocess.run([sys.executable, "-m", "pip", *words], check=True)
    with zipfile.ZipFile(made) as archive:
        ours = set(archive.read(f"{about}/RECORD").decode().splitlines())
    theirs = set((tmp_path / "there" / about / "RECORD").read_text().splitlines())
    assert {line for line in ours if "RECORD" not in line} <= {line.removeprefix("../") for line in theirs}


@pytest.mark.colab
def test_a_session_without_a_network_installs_from_a_real_folder(tmp_path):
    """And the package that is installed there makes the same wheel of itself."""
    machine = cloud_machine.with_old_torch(tmp_path, cloud_machine.PYTHON)
    made = wheels.gather(tmp_path / "inputs" / "shelf", python=cloud_machine.its_minor(machine))
    assert not any(path.name.startswith(("torch", "nvidia", "triton")) for path in made)
    done, torch = cloud_machine.run_first_cell(machine, tmp_path / "inputs", network=False)
    assert done.returncode == 0, done.stderr
    assert torch == "2.6.0+cu124"
    there = machine / "python" / "bin"
    subprocess.run([there / "python", "-m", "pip", "check"], check=True)
    shown = subprocess.run([there / "whalelib", "knobs", "n_mels"], cwd=tmp_path, capture_output=True, text=True)
    assert shown.returncode == 0 and "n_mels" in shown.stdout, shown.stderr
    shutil.rmtree(tmp_path / "inputs")

    again = "import sys, pathlib; from whalelib import wheels; wheels.own_wheel(pathlib.Path(sys.argv[1]))"
    (tmp_path / "again").mkdir()
    subprocess.run([there / "python", "-c", again, tmp_path / "again"], cwd=tmp_path, check=True)
    (tmp_path / "built").mkdir()
    built = wheels.own_wheel(tmp_path / "built")
    assert contents(built) == contents(tmp_path / "again" / built.name)


def contents(wheel: Path):
    """A wheel's files, but for their list, whose order is free."""
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist() if not name.endswith("RECORD")}
