"""By which code a result was made: a mark for each room that had a hand in it, and the versions of the libraries.

A room's mark is a hash of its syntax trees without comments, docstrings and the words of errors, so that it changes
when what the code does may have changed, and not when it is only said better. Knobs have no part in it: they are
recorded and compared by themselves. The notebooks have none either; they are thin, and kept with each run.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

# What each stage adds to the code that the stages before it went through.
_DATA = (
    "stages/folders",
    "stages/parts",
    "stages/products",
    "sources",
    "formats",
    "synth",
    "tables",
    "audio",
    "likeness",
    "clips",
    "filters",
)
_TRAINING = ("features", "augment", "models", "losses", "samplers", "metrics", "train", "pseudo", "ensembles")
_SCORES = ("stages/detecting", "stages/recordings", "predict", "post", "exporting")
_JUDGEMENT = ("stages/judging", "mistakes", "activity")
# `stages` joins all rooms, each of its files for some notebooks, so that its files are rooms of their own here.
ROOMS: dict[str, tuple[str, ...]] = {
    "eda": (*_DATA, "doctor"),
    "features": (*_DATA, "features"),
    "train": (*_DATA, *_TRAINING),
    "inference": (*_DATA, *_TRAINING, *_SCORES),
    "postprocess": (*_DATA, *_TRAINING, *_SCORES, *_JUDGEMENT),
    "transcripts": (*_DATA, *_TRAINING, *_SCORES, "stages/transcribing", "transcribe"),
    "transcribe": (*_DATA, *_TRAINING, *_SCORES, *_JUDGEMENT, "stages/transcribing", "transcribe"),
}
# What these rooms import and what changes no result: the knobs, which are recorded themselves, what is said, what only
# runs or watches, and the doctor, who is asked and changes nothing.
WITHOUT_EFFECT = frozenset({"config", "errors", "experiment", "tracking", "doctor", "plots", "provenance"})
UNKNOWN = ""  # the mark of code that nobody has recorded
_LIBRARIES = (
    "numpy", "scipy", "pandas", "scikit-learn", "soundfile", "soxr", "torch", "transformers", "timm", "datasets",
)  # fmt: skip

_behind: dict[str, str] = {}  # marks of earlier code whose products this process has used


def code(stages: Iterable[str]) -> dict[str, str]:
    """The marks of all rooms that these stages go through, as their code is now."""
    return marks({room for stage in stages for room in ROOMS[stage]})


def marks(rooms: Iterable[str]) -> dict[str, str]:
    """The mark of each of these rooms, in alphabetical order."""
    return {room: _mark(room) for room in sorted(rooms)}


@functools.cache
def _mark(room: str) -> str:
    package = Path(__file__).resolve().parent
    files = [package / f"{room}.py"] if (package / f"{room}.py").exists() else sorted((package / room).rglob("*.py"))
    shapes = [(file.relative_to(package).as_posix(), shape(file.read_text(encoding="utf-8"))) for file in files]
    return hashlib.sha256(json.dumps(shapes).encode()).hexdigest()[:8]


def shape(source: str) -> Any:
    """What a module does, as nested lists: its syntax tree without places, docstrings and the words of errors."""
    return _plain(ast.parse(source))


def _plain(node: Any) -> Any:
    # Written out instead of ast.dump, whose text differs from one Python to the next: what is empty is left out.
    if isinstance(node, list):
        return [_plain(entry) for entry in node if not _is_words(entry)]
    if isinstance(node, ast.Raise):
        node = ast.Raise(exc=_Speechless().visit(node.exc) if node.exc else None, cause=node.cause)
    if isinstance(node, ast.AST):
        fields = [(name, value) for name, value in ast.iter_fields(node) if name not in ("kind", "type_comment")]
        return [type(node).__name__, *([name, _plain(value)] for name, value in fields if value not in (None, []))]
    return repr(node)


def _is_words(node: Any) -> bool:
    """A string that stands as a statement: a docstring, or a comment in its clothes."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


class _Speechless(ast.NodeTransformer):
    """What is raised matters, and when; not in which words."""

    def visit_Constant(self, node: ast.Constant) -> ast.Constant:
        return ast.Constant("") if isinstance(node.value, str) else node

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.Constant:
        return ast.Constant("")


def versions() -> dict[str, str]:
    """Of the libraries that figures may depend on, those that are installed. For information: nothing is compared."""
    found = {}
    for name in _LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def stamp(product: Path, stage: str) -> None:
    """Called before a cached product is made or taken: note in the cache by which code it was begun.

    A product that is there already keeps its note, and one that nobody noted is of unknown code; whatever this process
    then records says so.
    """
    note = product.parent / "code" / f"{product.name}.json"
    try:
        said = json.loads(note.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        said = dict.fromkeys(ROOMS[stage], UNKNOWN) if product.exists() else code([stage])
        with contextlib.suppress(OSError):  # a cache that others filled may be for reading alone
            note.parent.mkdir(parents=True, exist_ok=True)
            temporary = note.with_name(f"{note.name}.{os.getpid()}.part")
            temporary.write_text(json.dumps(said, indent=2, sort_keys=True) + "\n", encoding="utf-8")
            temporary.replace(note)
    _behind.update(changed(said, code([stage])))


def behind(stage: str) -> dict[str, str]:
    """The marks of the code behind what this process has made in this stage, that of cached products among it."""
    now = code([stage])
    return {room: _behind.get(room, mark) for room, mark in now.items()}


def together(records: Sequence[Mapping[str, str] | None]) -> dict[str, str] | None:
    """The marks behind the stages of one run; where they differ, the one that is not of now. None if one is unknown."""
    joined: dict[str, str] = {}
    for record in records:
        if record is None:
            return None
        for room, mark in record.items():
            if room not in joined or joined[room] == _now(room):
                joined[room] = mark
    return dict(sorted(joined.items()))


def _now(room: str) -> str | None:
    known = {name for rooms in ROOMS.values() for name in rooms}
    return _mark(room) if room in known else None


def changed(recorded: Mapping[str, str], now: Mapping[str, str]) -> dict[str, str]:
    """The recorded marks of the rooms that have another mark now, or are no more."""
    return {room: mark for room, mark in recorded.items() if now.get(room) != mark}
