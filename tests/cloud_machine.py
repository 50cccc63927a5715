"""A machine of Colab's or Kaggle's in small: a fresh environment with an old torch, in which the first cell is run."""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile

import nbformat

from whalelib import experiment

PYTHON = os.environ.get("WHALELIB_COLAB_PYTHON", sys.executable)  # the machine's, as python3.12
NONE = "no-inputs"  # a folder that is not there, whatever lies on the machine that runs the tests
CLOSED = "http://127.0.0.1:9"  # nobody answers there


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


def with_old_torch(place, python=sys.executable):
    """A fresh environment in `place`, with a torch and a torchvision that are nothing but their numbers."""
    subprocess.run([python, "-m", "venv", place / "python"], check=True)
    old = [wheel(place, "torch", "2.6.0+cu124"), wheel(place, "torchvision", "0.21.0+cu124")]
    subprocess.run([its_python(place), "-m", "pip", "install", "--quiet", "--no-index", *old], check=True)
    return place


def with_packages(place, *packages):
    """A fresh environment of the machine's Python in `place`, with these packages from the index."""
    subprocess.run([PYTHON, "-m", "venv", place / "python"], check=True)
    subprocess.run([its_python(place), "-m", "pip", "install", "--quiet", *packages], check=True)
    return place


def another(machine, place):
    """The same machine given anew, as it was. Their files are one: pip puts new files in the place of old ones."""
    shutil.copytree(machine / "python", place / "python", symlinks=True, copy_function=os.link)
    return place


def its_python(machine):
    return machine / "python" / "bin" / "python"


def its_minor(machine):
    """Its Python's version as wheels are asked for, such as 3.12."""
    asked = "import sys; print('{}.{}'.format(*sys.version_info))"
    return subprocess.run([its_python(machine), "-c", asked], check=True, capture_output=True, text=True).stdout.strip()


def versions(machine, names=""):
    """What is installed there, by name; of those that match, if that is asked."""
    listed = subprocess.run(
        [its_python(machine), "-m", "pip", "list", "--format=json"], check=True, capture_output=True
    )
    found = {each["name"].lower(): each["version"] for each in json.loads(listed.stdout)}
    return {name: version for name, version in found.items() if re.match(names, name)}


def clean(network=True):
    """The environment of this process without what names code, homes and data of here, and what pip was told here."""
    ours = ("WHALELIB_", "PYTHONPATH") if network else ("WHALELIB_", "PYTHONPATH", "PIP_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    closed = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), CLOSED)
    return kept if network else {**kept, **closed, "PIP_CONFIG_FILE": os.devnull, "NO_PROXY": "", "no_proxy": ""}


def opened(notebook, folder, package, inputs=NONE):
    """A copy of a notebook as that machine opens it; the repository is a wheel, and Kaggle's inputs lie elsewhere."""
    book = nbformat.read(notebook, 4)
    for cell in book.cells:
        if cell.cell_type == "code":
            cell.source = _moved(cell.source, package, inputs)
    folder.mkdir(parents=True, exist_ok=True)
    nbformat.write(book, folder / notebook.name)
    return folder / notebook.name


def all_cells(notebook, out, home, knobs, machine=None, network=True):
    """A process that runs every cell, as a hand would: no run's folder, only the home that is kept.

    On a machine its Python is but the kernel. What shows the notebook is not installed there, as in Colab.
    """
    given = [word for name, value in knobs.items() for word in ("-p", name, value)]
    environment, kernel = {**os.environ, "WHALELIB_HOME": str(home)}, "python3"
    if machine:
        kernel = "machine"
        spec = machine / "jupyter" / "kernels" / kernel / "kernel.json"
        spec.parent.mkdir(parents=True, exist_ok=True)
        started = [str(its_python(machine)), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        spec.write_text(json.dumps({"argv": started, "display_name": kernel, "language": "python"}))
        environment = {**clean(network), "WHALELIB_HOME": str(home), "JUPYTER_PATH": str(machine / "jupyter")}
    command = [sys.executable, "-m", "papermill", notebook, out, "-k", kernel, "--no-progress-bar", *given]
    return subprocess.Popen([str(word) for word in command], cwd=machine or home, env=environment)


def run_first_cell(machine, inputs=NONE, package=None, network=True):
    """The install cell as that machine runs it, beside a folder that is called like the package; its torch after it."""
    (machine / "content" / "whalelib").mkdir(parents=True, exist_ok=True)
    script = _moved(install_cell(), package, inputs)
    # What is imported is compiled then; all of it takes longer than the rest.
    environment = {**clean(network), "PIP_NO_COMPILE": "1"}
    command = [its_python(machine), "-c"]
    how = {"cwd": machine / "content", "env": environment, "capture_output": True, "text": True}
    done = subprocess.run([*command, script], **how)
    asked = "from importlib.metadata import version; print(version('torch'))"
    return done, subprocess.run([*command, asked], **how).stdout.strip()


def _moved(source, package, inputs):
    source = source.replace("/kaggle/input", str(inputs))
    return re.sub(r"git\+https://[^\"]+", package.as_uri(), source) if package else source
