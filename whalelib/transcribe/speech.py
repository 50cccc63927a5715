"""Plain speech: texts as tokens by a published tokenizer, and data sets of an `audio` and a `sentence` column."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from whalelib.errors import InputError

_SPLITS = {"train": ("train",), "validation": ("dev", "validation"), "test": ("test",)}


@dataclass(frozen=True)
class Text:
    """Sentences as tokens of the tokenizer that lies beside published weights."""

    source: str
    language: str = ""
    task: str = "transcribe"
    kind = "text"

    @classmethod
    def of(cls, about: dict[str, Any]) -> Text:
        return cls(**about)

    @cached_property
    def tokenizer(self) -> Any:
        from transformers import WhisperTokenizerFast

        named = {"language": self.language, "task": self.task} if self.language else {}
        try:
            return WhisperTokenizerFast.from_pretrained(self.source, **named)
        except (OSError, ValueError, TypeError) as error:
            reason = str(error).strip().splitlines()[0]
            raise InputError(
                f"no tokenizer could be loaded from {self.source} ({reason}): the folder of the weights must hold "
                "tokenizer.json, or vocab.json and merges.txt."
            ) from None

    @property
    def start(self) -> tuple[int, ...]:
        return (self.tokenizer.convert_tokens_to_ids("<|startoftranscript|>"),)

    @property
    def end(self) -> int:
        return self.tokenizer.eos_token_id

    def encode(self, sentence: str) -> list[int]:
        """The tokens of a sentence, after the one that begins every sentence."""
        tokens = self.tokenizer(sentence).input_ids
        return tokens[1:] if tokens[:1] == list(self.start) else tokens

    def units(self, tokens: Iterable[int]) -> list[str]:
        """The words that tokens say, in small letters and without marks, as word error rates are counted."""
        text = self.tokenizer.decode([t for t in tokens if t >= 0], skip_special_tokens=True)
        kept = "".join(c if c.isalnum() or c in "'- " else " " for c in text.lower())
        return kept.split()

    def told(self, tokens: list[int], chances: list[float]) -> tuple[list[str], list[float]]:
        """The text, and the mean chance of its tokens."""
        known = [c for t, c in zip(tokens, chances, strict=True) if t != self.end]
        text = self.tokenizer.decode(tokens, skip_special_tokens=True).strip()
        return [text], [float(np.mean(known)) if known else float("nan")]

    def said(self, told: Iterable[str]) -> list[str]:
        """The units of what `told` gave."""
        return [word for text in told for word in self.units(self.encode(text))]

    def save(self, folder: Path) -> None:
        self.tokenizer.save_pretrained(folder)

    def about(self) -> dict[str, Any]:
        """As JSON has it."""
        return {"source": self.source, "language": self.language, "task": self.task}


def common_voice(folder: str | Path) -> tuple[pd.DataFrame, list[str]]:
    """Files and sentences of a folder in Common Voice's layout: `train.tsv`, `dev.tsv`, `test.tsv` and `clips/`.

    A table may also be `.csv`, its columns `audio` (or `path`) and `sentence`. Returns the columns path, sentence, fold
    and group (the speaker, where the table has `client_id`), and a sentence for each row that was left out.
    """
    folder, parts, problems = Path(folder), [], []
    for fold, names in _SPLITS.items():
        path = next((p for n in names for e in ("tsv", "csv") if (p := folder / f"{n}.{e}").exists()), None)
        if path is None:
            if fold != "test":
                raise InputError(
                    f"{folder} has no {names[0]}.tsv or {names[0]}.csv: speech needs tables of the columns audio "
                    "(or path) and sentence."
                )
            continue
        table = pd.read_csv(path, sep="\t" if path.suffix == ".tsv" else ",", dtype=str, keep_default_na=False)
        column = next((name for name in ("audio", "path") if name in table), None)
        if column is None or "sentence" not in table:
            raise InputError(f"{path} lacks the column {'sentence' if column else 'audio'}: add it.")
        files = [_file(folder, name) for name in table[column]]
        group = table["client_id"] if "client_id" in table else table[column]
        found = pd.DataFrame({"path": files, "sentence": table["sentence"].str.strip(), "fold": fold, "group": group})
        empty = found["sentence"] == ""
        problems += [f"{row.path} has no sentence and was left out: write one." for row in found[empty].itertuples()]
        parts.append(found[~empty])
    return pd.concat(parts, ignore_index=True), problems


def _file(folder: Path, name: str) -> str:
    given = Path(name)
    return str(next((p for p in (given, folder / given, folder / "clips" / given) if p.exists()), folder / given))
