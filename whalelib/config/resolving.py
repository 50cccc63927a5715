"""Knobs resolved: a configuration from the defaults and what was given, or one sentence on why there is none."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Iterable, Mapping, MutableMapping
from typing import Any, Literal

import pydantic

from whalelib.config.files import parse_overrides, read_store_knobs
from whalelib.config.page import (
    PRODUCTS,
    SECTIONS,
    Activity,
    Augment,
    Data,
    Deciding,
    Features,
    Matching,
    Model,
    Objective,
    Ocean,
    Post,
    Pseudo,
    Reading,
    Sampling,
    Scan,
    Tracking,
    Train,
    Transcriber,
    Transcripts,
    Writing,
)
from whalelib.errors import InputError, needs_extra, suggestion


@dataclasses.dataclass(frozen=True)
class Knob:
    """One line of the page of knobs, as `whalelib knobs` and the error messages show it."""

    name: str
    section: str
    type: str
    unit: str
    default: Any
    says: str
    signed: bool


@dataclasses.dataclass(frozen=True)
class Config:
    """All knobs, resolved. Sections are attributes, and so is every knob: `config.n_mels`."""

    ocean: Ocean
    reading: Reading
    data: Data
    features: Features
    augment: Augment
    model_: Model
    train: Train
    objective: Objective
    sampling: Sampling
    pseudo: Pseudo
    tracking: Tracking
    transcripts: Transcripts
    transcriber: Transcriber
    scan: Scan
    post: Post
    deciding: Deciding
    matching: Matching
    writing: Writing
    activity: Activity

    def __getattr__(self, name: str) -> Any:
        if name in _SECTION_OF:
            return getattr(self.section(_SECTION_OF[name]), name)
        raise AttributeError(f"there is no knob {name!r}{_suggest(name, _SECTION_OF)}")

    def section(self, name: str) -> Any:
        return object.__getattribute__(self, "model_" if name == "model" else name)

    def flat(self, sections: Iterable[str] = tuple(SECTIONS)) -> dict[str, Any]:
        """Knob names and values of these sections, in the page's order."""
        return {name: value for s in sections for name, value in dataclasses.asdict(self.section(s)).items()}


def knobs() -> list[Knob]:
    """Every knob of every section."""
    listed = []
    for section, cls in SECTIONS.items():
        hints = typing.get_type_hints(cls)
        for field in dataclasses.fields(cls):
            info = cls.__pydantic_fields__[field.name]  # type: ignore[attr-defined]
            extra = info.json_schema_extra
            kind = _type_name(hints[field.name])
            listed.append(
                Knob(field.name, section, kind, extra["unit"], info.default, info.description, extra["signed"])
            )
    return listed


def _type_name(hint: Any) -> str:
    if typing.get_origin(hint) is Literal:
        return " | ".join(typing.get_args(hint))
    if isinstance(hint, types.UnionType):
        return " or ".join("empty" if a is type(None) else _type_name(a) for a in typing.get_args(hint))
    names = {
        "int": "whole number",
        "float": "number",
        "str": "text",
        "bool": "yes or no",
        "list[str]": "list of texts",
        "list[float]": "list of numbers",
        "dict[str, float]": "numbers by name",
        "dict[str, list[str]]": "lists by name",
    }
    name = str(hint) if typing.get_origin(hint) else hint.__name__
    return names.get(name, name)


_SECTION_OF = {field.name: section for section, cls in SECTIONS.items() for field in dataclasses.fields(cls)}
_KNOBS = {knob.name: knob for knob in knobs()}
_MADE = {"clips": "cut", "transcripts": "written"}


def resolve(values: Mapping[str, Any] | None = None, where: str = "the given knobs") -> Config:
    """A whole configuration: the defaults, with `values` over them; one sentence if any of them cannot be.

    With a `store_path` the knobs that the store was made with take the defaults' place, and those among
    `values` must agree with them.
    """
    values = dict(values or {})
    if isinstance(values.get("store_path"), str) and values["store_path"]:
        values = _with_store(values, where)
    for name in values:
        if name not in _SECTION_OF:
            near = _suggest(name, _SECTION_OF)
            raise InputError(f"{where}: there is no knob {name!r}{near}{'' if near.endswith('?') else '.'}")
    built = {}
    for section, cls in SECTIONS.items():
        given = {name: value for name, value in values.items() if _SECTION_OF[name] == section}
        try:
            built["model_" if section == "model" else section] = cls(**given)
        except pydantic.ValidationError as error:
            raise InputError(f"{where}: {_sentence(error)}") from None
    config = Config(**built)
    _check_together(config, where)
    if config.augmentations:
        _check_augmentations(config.augmentations, where)
    return config


def _with_store(values: dict[str, Any], where: str) -> dict[str, Any]:
    folder = values["store_path"]
    product, told = read_store_knobs(folder)
    # Of clips that an earlier detector has chosen, that detector's knobs are told as well; they bind no other.
    made_with = {name: value for name, value in told.items() if _decides(name, PRODUCTS[product])}
    for name, value in made_with.items():
        if name in values and values[name] != value:
            raise InputError(
                f"{where}: {name} is {values[name]!r}, but the {product} in {folder} were {_MADE[product]} with "
                f"{value!r}: set it to that or leave it out, or leave store_path empty and begin from the recordings."
            )
    return {**made_with, **values}


def _decides(name: str, sections: Iterable[str]) -> bool:
    section = _SECTION_OF.get(name, "data")  # a knob of another version is refused below
    return section in sections or f"{section}.{name}" in sections


def _sentence(error: pydantic.ValidationError) -> str:
    first = error.errors()[0]
    knob = _KNOBS[str(first["loc"][0])]
    unit = f" {knob.unit}" if knob.unit else ""
    problem = first["msg"][0].lower() + first["msg"][1:]
    if knob.type.count("|"):
        near = _suggest(str(first["input"]), knob.type.split(" | "))
        return f"{knob.name} cannot be {first['input']!r}: it is one of {knob.type}{near}."
    if knob.type.startswith("list of") and isinstance(first["input"], str):
        problem = f'write "{knob.name}=[{" ".join(first["input"].split())}]", and several with commas between them'
    return (
        f"{knob.name} cannot be {first['input']!r}: {problem} "
        f"({knob.name} is a {knob.type}, by default {knob.default!r}{unit}: {knob.says})."
    )


def _check_together(config: Config, where: str) -> None:
    """What no single knob can be blamed for."""
    nyquist = config.sample_rate * config.speed / 2  # of what the network hears
    at_speed = f" at a speed of {config.speed:g}" if config.speed != 1 else ""
    has_band = config.front_end in ("mel", "linear", "mfcc", "mel+mfcc")  # the others bring their own
    rules = [
        (
            has_band and config.band_high_hz > nyquist,
            f"band_high_hz {config.band_high_hz:g} Hz lies above half the sample_rate ({nyquist:g} Hz): "
            "lower it, or raise sample_rate or speed",
        ),
        (
            has_band and config.band_low_hz >= config.band_high_hz,
            f"band_low_hz {config.band_low_hz:g} Hz is not below band_high_hz {config.band_high_hz:g} Hz: "
            "lower the first or raise the second",
        ),
        (
            has_band and config.window_seconds > config.clip_seconds / config.speed,
            f"window_seconds {config.window_seconds:g} is longer than clip_seconds {config.clip_seconds:g}{at_speed}: "
            "a clip must hold at least one analysis window",
        ),
        (
            has_band and config.hop_seconds > config.clip_seconds / config.speed,
            f"hop_seconds {config.hop_seconds:g} is longer than clip_seconds {config.clip_seconds:g}{at_speed}: a clip "
            "would have a single frame",
        ),
        (
            config.front_end == "mfcc" and config.compress != "db",
            f"compress {config.compress} would change nothing: front_end mfcc takes its coefficients of decibels. "
            "Leave it at db, or choose mel+mfcc",
        ),
        (
            config.top_db > 0 and config.front_end in ("mel", "linear") and config.compress in ("pcen", "power"),
            f"top_db {config.top_db:g} would change nothing, since compress {config.compress} makes no decibels: "
            "set it to 0, or compress to db",
        ),
        (
            config.clip_from == "call" and any(_shifts_out(entry) for entry in config.augmentations),
            "time_shift fill=silence could shift all of a call out of its clip, which clip_from call cannot see: use "
            "fill=roll, or clip_from window",
        ),
        (
            config.scan_hop_seconds > config.clip_seconds,
            f"scan_hop_seconds {config.scan_hop_seconds:g} is longer than clip_seconds {config.clip_seconds:g}: "
            "some of the recording would never be heard",
        ),
        (
            config.n_folds == 1,
            "n_folds 1 is no cross-validation: set it to 2 or more, or to 0 for one split by the shares",
        ),
        (
            0 < config.n_folds <= config.validation_fold,
            f"validation_fold {config.validation_fold} is not one of the {config.n_folds} n_folds, which count from 0: "
            "lower the first or raise the second",
        ),
        (
            config.hard_share > 0 and (config.dense or config.clip_from == "call"),
            "hard_share chooses among windows without a call, and dense or clip_from call leave no choice: set it to 0",
        ),
        (
            config.pseudo_absent >= config.pseudo_present,
            f"pseudo_absent {config.pseudo_absent:g} is not below pseudo_present {config.pseudo_present:g}: "
            "lower the first or raise the second",
        ),
        (
            bool(config.merged_classes) and config.loss == "softmax",
            "merged_classes takes the most of answers that loss softmax makes exclude each other: choose another loss",
        ),
        (
            config.validation_share + config.test_share >= 1,
            "validation_share and test_share together leave no training days: lower one of them",
        ),
    ]
    for broken, says in rules:
        if broken:
            raise InputError(f"{where}: {says}.")


def _shifts_out(entry: str) -> bool:
    return entry.split()[:1] == ["time_shift"] and "fill=silence" in entry


def _check_augmentations(entries: list[str], where: str) -> None:
    """The list of augmentations as a whole. Their register needs torch, so it is loaded only if there is a list."""
    try:
        from whalelib import augment
    except ImportError:
        raise needs_extra("torch", "train") from None
    try:
        augment.parse(entries)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None


def _suggest(name: str, known: Iterable[str]) -> str:
    return suggestion(name, known, "`whalelib knobs` lists them all")


def from_notebook(namespace: MutableMapping[str, Any]) -> Config:
    """The configuration a notebook's parameter cells describe: every name in it that is a knob's.

    A scheduler of notebooks hands every parameter over as a text, so a text where a knob is none is read as on the
    command line, and the notebook has what was read from then on.
    """
    given = {name: value for name, value in namespace.items() if name in _SECTION_OF}
    texts = [f"{n}={v}" for n, v in given.items() if isinstance(v, str) and not isinstance(_KNOBS[n].default, str)]
    read = parse_overrides(texts)
    namespace.update(read)
    return resolve({**given, **read}, where="the notebook's parameters")


def section_of(config: Config, section: str, *, without: Iterable[str] = ()) -> dict[str, Any]:
    """A section's knobs as keyword arguments."""
    return {name: value for name, value in config.flat([section]).items() if name not in set(without)}
