"""A folder of wheels for sessions without a network (Kaggle's): the package, and what it needs that they lack.

pip resolves everything for the session's Python and system, as it would do there. Kept is what the session has not, or
not new enough; of torch nothing is ever kept.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

from whalelib.errors import InputError

_NEVER = re.compile(r"(torch|torchvision|torchaudio|triton|nvidia-.*|cuda-.*)$")  # the session's own, one set of a kind
_OLDEST_TORCH = "2.6.0"  # beside which everything was seen to work
_ANSWERED_ANEW = {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json"}  # what an installer writes beside the metadata


def gather(
    folder: str | Path,
    *,
    python: str = "3.12",
    platform: str = "manylinux_2_35_x86_64",
    extras: Sequence[str] = ("train", "models"),
    has: Mapping[str, str] | None = None,
) -> list[Path]:
    """Fill a new folder with the wheels that a session needs; gives their paths, the package's own first.

    `has` are the versions of what the session has, by name. Without them the folder is larger, and the session installs
    of it what it lacks.
    """
    has = {"torch": _OLDEST_TORCH, **{canonicalize_name(name): version for name, version in (has or {}).items()}}
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} is there already and not empty: name a new folder.")
    if not re.fullmatch(r"3\.\d+", python):
        raise InputError(f"Python cannot be {python!r}: it is a version such as 3.12.")
    tags, machine = _machine(platform)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".wheels-") as aside:
        work = Path(aside)
        (work / "torch").mkdir()
        (work / "kept").mkdir()
        own = own_wheel(work / "kept")
        target = ["--only-binary=:all:", f"--python-version={python}", *(f"--platform={tag}" for tag in tags)]
        wanted = f"whalelib[{','.join(extras)}] @ {own.resolve().as_uri()}"
        torch = _stand_in(work / "torch", has["torch"])
        stays = [f"numpy=={has['numpy']}"] if "numpy" in has else []  # the first cell holds on to it, as to torch
        report = work / "report.json"
        resolve = ["install", "--dry-run", "--ignore-installed", f"--target={work / 'target'}", f"--report={report}"]
        _pip(*resolve, *target, wanted, str(torch), *stays)
        resolved = json.loads(report.read_text(encoding="utf-8"))["install"]
        needed = lacking(resolved, extras, has, {"python_version": python, "platform_machine": machine})
        if needed:
            _pip("download", "--no-deps", f"--dest={work / 'kept'}", *target, *needed)
        (work / "kept").replace(folder)
    return [folder / own.name, *sorted(path for path in folder.iterdir() if path.name != own.name)]


def lacking(
    resolved: Iterable[Mapping[str, Any]], extras: Iterable[str], has: Mapping[str, str], system: Mapping[str, str]
) -> list[str]:
    """Addresses of what is needed and not there, of all that pip's report has resolved; `system` is the session's.

    As pip does in the session: what is there stays where it is new enough for all that ask for it, and asks for
    nothing; what is not comes with its own requirements.
    """
    by_name: dict[str, Any] = {canonicalize_name(entry["metadata"]["name"]): entry for entry in resolved}
    there = {canonicalize_name(name): version for name, version in has.items()}
    linux = {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix"}
    linux["python_full_version"] = f"{system['python_version']}.0"

    def asked_for(requirement: Requirement, extra: str) -> bool:
        return not requirement.marker or requirement.marker.evaluate({**linux, **system, "extra": extra})

    for extra in set(extras) - set(by_name["whalelib"]["metadata"].get("provides_extra", [])):
        raise InputError(f"whalelib has no extra {extra!r}: pyproject.toml lists them.")
    needed: dict[str, str] = {}
    waiting = [("whalelib", extra) for extra in ("", *extras)]
    # Packages, by themselves or with one extra; the list grows while it is gone through.
    for name, extra in waiting:
        for requirement in map(Requirement, by_name[name]["metadata"].get("requires_dist", [])):
            if not asked_for(requirement, extra) or (extra and asked_for(requirement, "")):
                continue
            wanted = canonicalize_name(requirement.name)
            if _NEVER.match(wanted):
                continue
            if wanted not in by_name:
                python = system["python_version"]
                raise InputError(f"{name} needs {wanted} under Python {python}: make the folder with that Python.")
            more = [(wanted, each) for each in requirement.extras]
            if wanted not in there or not requirement.specifier.contains(there[wanted], prereleases=True):
                needed[wanted] = by_name[wanted]["download_info"]["url"]
                more.append((wanted, ""))
            waiting += [each for each in more if each not in waiting]
    needed.pop("whalelib", None)
    return [needed[name] for name in sorted(needed)]


def frozen(file: str | Path) -> dict[str, str]:
    """The versions in a file that `pip freeze` wrote."""
    try:
        lines = Path(file).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file} cannot be read as what `pip freeze` writes: {error}.") from None
    found = dict(line.strip().split("==", 1) for line in lines if re.match(r"[\w.-]+==\S+\s*$", line))
    for line in lines:
        if " @ " in line and (wheel := unquote(line.split("#")[0]).rsplit("/", 1)[-1]).endswith(".whl"):
            name, version, *_ = parse_wheel_filename(wheel)
            found[name] = str(version)
    if not found:
        raise InputError(f"{file} names no package as name==version: write it with `pip freeze`.")
    return found


def own_wheel(folder: Path) -> Path:
    """The wheel of this package: built where this is a clone, put together again where it is installed."""
    root = Path(__file__).resolve().parents[1]
    if (root / "pyproject.toml").exists():
        _pip("wheel", "--no-deps", f"--wheel-dir={folder}", str(root))
        return next(folder.glob("whalelib-*.whl"))
    installed = metadata.distribution("whalelib")
    content = {}
    for file in installed.files or []:
        if file.parts[0].startswith("whalelib") and "__pycache__" not in file.parts and file.name not in _ANSWERED_ANEW:
            content[file.as_posix()] = Path(str(file.locate())).read_bytes()
    return write_wheel(folder, "whalelib", installed.version, content)


def write_wheel(folder: Path, name: str, version: str, content: Mapping[str, bytes]) -> Path:
    """A wheel of pure Python with these files, and their list."""
    path = folder / f"{name}-{version}-py3-none-any.whl"
    listing = f"{name}-{version}.dist-info/RECORD"
    lines = []
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file, data in content.items():
            archive.writestr(file, data)
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            lines.append(f"{file},sha256={digest},{len(data)}\n")
        archive.writestr(listing, "".join([*lines, f"{listing},,\n"]))
    return path


def _stand_in(folder: Path, version: str) -> Path:
    """An empty torch of the session's version, so that pip resolves beside it and fetches no other."""
    version = f"{version.split('+')[0]}+there"
    about = f"torch-{version}.dist-info"
    content = {
        f"{about}/METADATA": f"Metadata-Version: 2.1\nName: torch\nVersion: {version}\n",
        f"{about}/WHEEL": "Wheel-Version: 1.0\nGenerator: whalelib\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    return write_wheel(folder, "torch", version, {name: text.encode() for name, text in content.items()})


def _machine(platform: str) -> tuple[list[str], str]:
    """All tags that a Linux of this one accepts, since pip takes them by their letters; and its kind of processor."""
    given = re.fullmatch(r"manylinux_2_(\d+)_(\w+)", platform)
    if not given:
        raise InputError(f"platform cannot be {platform!r}: it is a Linux, by its C library, as manylinux_2_35_x86_64.")
    newest, machine = int(given[1]), given[2]
    return [*(f"manylinux_2_{n}_{machine}" for n in range(newest, 4, -1)), f"manylinux2014_{machine}"], machine


def _pip(*words: str) -> None:
    """pip of this Python; what it complains of is its own last sentences."""
    done = subprocess.run([sys.executable, "-m", "pip", "--quiet", *words], capture_output=True, text=True)
    if done.returncode:
        said = [line.removeprefix("ERROR: ") for line in done.stderr.splitlines() if line.startswith("ERROR: ")]
        raise InputError(f"pip {words[0]} failed: {' '.join(said) or done.stderr.strip()[-300:]}")
