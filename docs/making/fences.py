"""Code blocks of a page: what they say, how they are tried, and how a reader sees them.

A fence says behind its language how its block is tried:

| word | meaning |
|---|---|
| (none) | it is run, in the order of the page, in a folder that all blocks of the page share |
| `slow` | the same, among the tests that take minutes |
| `with="bucket"` | what stands in for the world outside, made beforehand; several with a comma |
| `checked="needs Slurm"` | not run, for that reason: commands, knobs, files and names are held against the code |
| `title="my.yaml"` | the block is the text of this file |
| `output` | what the block above prints |
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

DOCS = Path(__file__).resolve().parents[1]
ROOT = DOCS.parent
WORDS = frozenset({"slow", "with", "checked", "title", "output"})
_FENCE = re.compile(r"^(?P<mark>```+)(?P<info>[^`\n]*)\n(?P<text>.*?)^(?P=mark)[ ]*$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """One code block of a page."""

    page: Path
    line: int  # of its first line of code
    language: str
    text: str
    how: dict[str, str] = field(default_factory=dict)

    @property
    def place(self) -> str:
        return f"{self.page.relative_to(ROOT).as_posix()}:{self.line}"

    @property
    def stand_ins(self) -> list[str]:
        return [name.strip() for name in self.how.get("with", "").split(",") if name.strip()]


def pages() -> list[Path]:
    """Every page that a reader may take code from."""
    return [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]


def blocks(page: Path) -> list[Block]:
    """The code blocks of a page, in their order."""
    return list(_blocks(page, page.read_text(encoding="utf-8")))


def _blocks(page: Path, text: str) -> Iterator[Block]:
    for found in _FENCE.finditer(text):
        language, *words = shlex.split(found["info"]) or [""]
        how = {word.partition("=")[0]: word.partition("=")[2] for word in words}
        line = text.count("\n", 0, found.start("text")) + 1
        yield Block(page, line, language, found["text"], how)


def without_code(text: str) -> str:
    """A page without its blocks and its code in a line, where a bracket is no link."""
    return re.sub(r"`[^`\n]*`", "", _FENCE.sub("", text))


def shown(text: str) -> str:
    """A page as the site has it: a fence names its file, or says that its block is not run; nothing else."""

    def plain(found: re.Match) -> str:
        language, *words = shlex.split(found["info"]) or [""]
        how = {word.partition("=")[0]: word.partition("=")[2] for word in words}
        title = how.get("title") or (f"checked, not run: {how['checked']}" if "checked" in how else "")
        info = f'{language} title="{title}"' if title else language
        return f"{found['mark']}{info}\n{found['text']}{found['mark']}"

    return _FENCE.sub(plain, text)
