"""Cases: what an experiment compares, written out from its list of cases and its grid."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from whalelib import config
from whalelib.errors import InputError, suggestion


@dataclass(frozen=True)
class Case:
    """Knobs that stand together, under a name of their own or under what they are."""

    knobs: dict[str, Any] = field(default_factory=dict)
    name: str = ""
    beside: tuple[str, ...] = ()  # of a case with a name: the knobs that the grid varies beside it

    @property
    def shown(self) -> dict[str, Any]:
        """The knobs that tell this case from the others."""
        return {knob: self.knobs[knob] for knob in self.beside} if self.name else self.knobs


def written_out(where: str, given: Any, grid: Any, base: Mapping[str, Any]) -> list[Case]:
    """Every case of a list, with every setting of the grid. Neither there: one case, the base as it is."""
    cases = [Case()] if given is None else list(_listed(where, given))
    found = [_with(case, setting) for case in cases for setting in _settings(where, grid or {}, {**base, **case.knobs})]
    for case in found:
        if found.count(case) > 1:
            raise InputError(f"{where}: the case {case.name or case.knobs} is there twice: name or change one of them.")
    return found


def _listed(where: str, given: Any) -> Iterable[Case]:
    if not isinstance(given, list) or not given or not all(isinstance(case, dict) for case in given):
        raise InputError(
            f"{where}: cases must be a list of knobs, as in `cases: [{{padding: wrap, clip_seconds: 2}}]`."
        )
    names = [case["name"] for case in given if "name" in case]
    for name in names:
        if not isinstance(name, str) or not name.strip() or names.count(name) > 1:
            raise InputError(f"{where}: the name {name!r} of a case must be a text that no other case has.")
    for case in given:
        yield Case({knob: value for knob, value in case.items() if knob != "name"}, case.get("name", ""))


def _with(case: Case, setting: dict[str, Any]) -> Case:
    return Case({**case.knobs, **setting}, case.name, tuple(setting))


def _settings(where: str, grid: Any, given: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every setting of the grid's axes, the last one changing fastest; an axis counts only `when` it is to."""
    if not isinstance(grid, dict):
        raise InputError(f"{where}: grid must give each knob a list of values, as in `padding: [wrap, zeros]`.")
    settings: list[dict[str, Any]] = [{}]
    for number, (axis, values) in enumerate(grid.items()):
        steps, condition = _steps(where, axis, values)
        if later := condition.keys() & set(_names(",".join(map(str, list(grid)[number:])))):
            raise InputError(f"{where}: `when` of {axis} asks for {later.pop()}, which the grid must give before it.")
        settings = [
            {**setting, **step}
            for setting in settings
            for step in (steps if _holds(condition, {**given, **setting}) else [{}])
        ]
    return settings


def _steps(where: str, axis: str, values: Any) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """What an axis goes through, a knob or several that move together, and on what condition."""
    condition: Any = {}
    if isinstance(values, dict) and set(values) == {"values", "when"}:
        values, condition = values["values"], values["when"]
    if not isinstance(values, list) or not values or not isinstance(condition, dict):
        raise InputError(
            f"{where}: grid must give each knob a list of values, as in `padding: [wrap, zeros]`, or one that counts "
            "only sometimes, as in `width: {values: [16, 32], when: {model: cnn}}`."
        )
    known = [knob.name for knob in config.knobs()]
    for name in condition:
        if name not in known:
            near = suggestion(name, known, "`whalelib knobs` lists them all")
            raise InputError(f"{where}: `when` of {axis} asks for a knob {name!r} that is not there{near}.")
    names = _names(axis)
    if len(names) == 1:
        return [{names[0]: value} for value in values], condition
    if not all(isinstance(value, list) and len(value) == len(names) for value in values):
        raise InputError(f"{where}: each value of the grid's `{axis}` must be a list of {len(names)}, one a knob.")
    return [dict(zip(names, value, strict=True)) for value in values], condition


def _names(axis: Any) -> list[str]:
    return [name.strip() for name in str(axis).split(",")]


def _holds(condition: Mapping[str, Any], given: Mapping[str, Any]) -> bool:
    """Do the knobs given, or else their defaults, have the values (or one of the values) asked for?"""
    values = {**{knob.name: knob.default for knob in config.knobs()}, **given} if condition else {}
    return all(
        values[name] in wanted if isinstance(wanted, list) else values[name] == wanted
        for name, wanted in condition.items()
    )


def plain(values: Mapping[str, Any]) -> str:
    """Knobs in one line, as folders are called."""
    return ",".join(f"{name}={_said(value)}" for name, value in values.items())


def _said(value: Any) -> str:
    return "+".join(map(str, value)) if isinstance(value, list) else str(value)
