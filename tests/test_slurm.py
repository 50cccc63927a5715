"""A grid whose runs are done by jobs of a real Slurm, of one node on the loopback (marker `slurm`; needs root)."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from toys import begun, ended, lay

START = Path(__file__).parent / "slurm" / "start.sh"

pytestmark = pytest.mark.slurm


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """The daemons; gives the name of a command's output."""
    if not shutil.which("slurmctld") or not shutil.which("munged") or os.geteuid() != 0:
        pytest.skip("slurm-wlm and munge are not installed, or this is not root")
    folder = tmp_path / "slurm"
    monkeypatch.setenv("SLURM_CONF", str(folder / "slurm.conf"))
    for name, value in {"MEMORY": "1GB", "WALLTIME": "00:10:00", "INTERFACE": "lo"}.items():
        monkeypatch.setenv(f"DASK_JOBQUEUE__SLURM__{name}", value)
    try:
        print(subprocess.run(["sh", START, folder], check=True, capture_output=True, text=True).stdout)
        yield
    finally:
        subprocess.run(["sh", START, folder, "stop"], check=False)


def test_a_grid_is_done_by_jobs_of_slurm(slurm, tmp_path, monkeypatch):
    toy = lay(tmp_path, monkeypatch)
    monkeypatch.chdir(tmp_path)
    command = [sys.executable, "-m", "whalelib.cli", "grid", str(toy), "--slurm", "--jobs", "2"]
    grid = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    jobs = set()
    while grid.poll() is None:
        seen = subprocess.run(["squeue", "--noheader", "--format=%i %j %T"], capture_output=True, text=True).stdout
        jobs |= {line for line in seen.splitlines() if "RUNNING" in line}
        try:
            grid.wait(0.5)
        except subprocess.TimeoutExpired:
            continue
    said = grid.stdout.read()
    print("\n".join(sorted(jobs)), said, sep="\n")
    assert grid.returncode == 0, said
    assert len(jobs) == 2
    assert sorted(begun(toy)) == sorted(ended(toy)) == ["wrap 0", "wrap 1", "zeros 0", "zeros 1"]
