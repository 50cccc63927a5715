"""A machine of Colab's or Kaggle's in small: a fresh environment with an old torch, in which the first cell is run."""

import os
import re
import subprocess
import sys
import zipfile

import nbformat

from whalelib import experiment


def install_cell():
    """The first code cell of every notebook."""
    cells = nbformat.read(experiment.notebook_path("eda"), 4).cells
    return next(cell.source for cell in cells if cell.cell_type == "code")


def wheel(folder, name, version, requires=(), files=()):
    """A small but real wheel."""
    folder.mkdir(parents=True, exist_ok=True)
    about = f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    metadata += "Provides-Extra: train\nProvides-Extra: models\n"
    metadata += "".join(f"Requires-Dist: {line}\n" for line in requires)
    built = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(built, "w") as archive:
        for path, text in {f"{name}/__init__.py": "", **dict(files)}.items():
            archive.writestr(path, text)
        archive.writestr(f"{about}/METADATA", metadata)
        archive.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{about}/RECORD", "")
    return built


def with_old_torch(place):
    """A fresh environment in `place`, with a torch that is nothing but its number."""
    subprocess.run([sys.executable, "-m", "venv", place / "python"], check=True)
    old = wheel(place, "torch", "2.6.0+cu124")
    python = place / "python" / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--no-index", old], check=True)
    return place


def run_first_cell(machine, inputs="/kaggle/input", package=None):
    """The install cell as that machine runs it, beside a folder that is called like the package; its torch after it."""
    (machine / "content" / "whalelib").mkdir(parents=True, exist_ok=True)
    script = install_cell().replace("/kaggle/input", str(inputs))
    if package:  # a wheel in place of the repository
        script = re.sub(r"git\+https://[^\"]+", package.as_uri(), script)
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "WHALELIB_HOME")}
    environment["PIP_NO_COMPILE"] = "1"  # what is imported is compiled then; all of it takes longer than the rest
    command = [machine / "python" / "bin" / "python", "-c"]
    how = {"cwd": machine / "content", "env": environment, "capture_output": True, "text": True}
    done = subprocess.run([*command, script], **how)
    asked = "from importlib.metadata import version; print(version('torch'))"
    return done, subprocess.run([*command, asked], **how).stdout.strip()
