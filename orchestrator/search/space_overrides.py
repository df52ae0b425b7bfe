"""Change single entries of a search space from the command line, as `--set lr=loguniform(1e-4, 1e-2)`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from orchestrator.core.errors import InputError
from orchestrator.core.near_matches import unknown_name_message
from orchestrator.core.validation_reason import shown
from orchestrator.search.conditions import check_conditions
from orchestrator.search.override_defaults import fit_default
from orchestrator.search.override_values import parse_override
from orchestrator.search.parameters import Parameter, WidthsParameter
from orchestrator.search.space import SECTIONS, SearchSpace, space_reason

WIDTHS_RANGES = {"depth": ("min_depth", "max_depth"), "width": ("low", "high")}
"""Ranges inside a parameter of type widths that have a name of their own, and their keys."""

_KEYS = {
    "float": ("low", "high", "log", "step", "default"),
    "int": ("low", "high", "log", "step", "default"),
    "categorical": ("choices", "default"),
    "widths": ("min_depth", "max_depth", "low", "high", "log", "default"),
}
"""Keys of an entry by its type."""

Sections = dict[str, dict[str, Any]]


def override_space(space: SearchSpace, overrides: Iterable[str]) -> tuple[SearchSpace, tuple[str, ...]]:
    """Return a copy of a space with overridden entries, and their names, as `training.lr`.

    A value fixes the entry, a list or `choice(…)` makes it a choice, a distribution a range. A new range keeps the
    condition of the entry, and its default if that lies inside, else its nearest value.

    Args:
        space: search space.
        overrides: texts `NAME=VALUE`. A name is `section.entry`, an unambiguous `entry`, `depth` or `width` of the
            target net, or an entry's key, as `lr.high`.

    Raises:
        InputError: an override is wrong; the message repeats it and has the reason.
    """
    sections: Sections = {section: dict(getattr(space, section)) for section in SECTIONS}
    places: list[str] = []
    # Keys of entries come after whole entries, whatever the order.
    for text in sorted(overrides, key=lambda text: text.partition("=")[0].count(".")):
        try:
            place = _apply(sections, *split_override(text))
        except ValueError as error:
            reason = str(error).rstrip(".")
            raise InputError(f"--set {text}: {reason}{'' if reason.endswith('?') else '.'}") from error
        if place in places:
            raise InputError(f"--set {text}: {place} is set twice.")
        places.append(place)
    if not places:
        return space, ()
    changed = tuple(dict.fromkeys(".".join(place.split(".")[:2]) for place in places))
    return _validated(sections, space, changed), changed


def split_override(text: str) -> tuple[str, str]:
    """Return name and value of an override; raise ValueError if it is not NAME=VALUE."""
    name, equals, value = text.partition("=")
    if not equals or not name.strip() or not value.strip():
        raise ValueError("write NAME=VALUE, as lr=loguniform(1e-4,1e-2) or depth=2")
    return name.strip(), value.strip()


def _validated(sections: Sections, before: SearchSpace, changed: Iterable[str]) -> SearchSpace:
    """Return the space of these sections, whose changed entries get a default if they lack one."""
    for section, entry in (place.split(".") for place in changed):
        content = sections[section][entry]
        if isinstance(content, dict) and "type" in content:
            sections[section][entry] = fit_default(content, getattr(before, section).get(entry))
    try:
        space = SearchSpace(**sections)
    except ValidationError as error:
        raise InputError(f"--set {space_reason(error).rstrip('.')}.") from error
    if wrong := check_conditions({section: getattr(space, section) for section in SECTIONS}):
        raise InputError(f"--set {wrong}.")
    return space


def _apply(sections: Sections, name: str, text: str) -> str:
    """Override one entry and return its name with its section."""
    value = parse_override(text)
    if alias := _range_of_widths(sections, name):
        section, entry, part = alias
        sections[section][entry] = {**(_as_content(sections[section][entry]) or {}), **_range_keys(part, value)}
        return f"{section}.{entry}.{part}"
    if found := _find(sections, name):
        section, entry = found
        sections[section][entry] = _entry(value, sections[section].get(entry))
        return f"{section}.{entry}"
    owner, _, key = name.rpartition(".")
    found = _find(sections, owner, new=False) if owner else None
    content = _as_content(sections[found[0]][found[1]]) if found else None
    if found and content is not None:
        section, entry = found
        if key not in (known := _KEYS[content["type"]]):
            raise ValueError(unknown_name_message(f"key of {section}.{entry}", key, known))
        sections[section][entry] = {**content, key: value}
        return f"{section}.{entry}.{key}"
    every = [entry for entries in sections.values() for entry in entries]
    raise ValueError(unknown_name_message("entry of the space", name, [*every, *WIDTHS_RANGES]))


def _as_content(value: Any) -> dict[str, Any] | None:
    """Return a searched value as a search-space file has it; None for a fixed one."""
    if isinstance(value, Parameter):
        return value.model_dump(exclude_unset=True)
    return value if isinstance(value, dict) and "type" in value else None


def _find(sections: Sections, name: str, new: bool = True) -> tuple[str, str] | None:
    """Return section and entry of a name, None if there is none; a name with its section may be a new entry."""
    section, _, entry = name.partition(".")
    if entry and "." not in entry and section in sections:
        return (section, entry) if new or entry in sections[section] else None
    holder = next((section for section in SECTIONS if name in sections[section]), None)  # names are unique
    return (holder, name) if holder else None


def _range_of_widths(sections: Sections, name: str) -> tuple[str, str, str] | None:
    for section, entries in sections.items():
        for entry, value in entries.items():
            content = _as_content(value) or {}
            for part in WIDTHS_RANGES if content.get("type") == "widths" else ():
                if name in {part, f"{entry}.{part}", f"{section}.{entry}.{part}", f"{section}.{part}"}:
                    return section, entry, part
    return None


def _range_keys(part: str, value: Any) -> dict[str, Any]:
    """Return the keys of a parameter of type widths for another number of layers, or another range of their width."""
    drawn = {"low": value, "high": value} if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(drawn, Mapping) or not {"low", "high"} <= set(drawn) or drawn.get("type", "int") != "int":
        raise ValueError(f"{part} must be a whole number or a range, as int(1, 2)")
    allowed = {"type", "low", "high", *(["log"] if part == "width" else [])}
    if unused := sorted(set(drawn) - allowed):
        raise ValueError(f"{part} takes no {unused[0]}")
    low, high = WIDTHS_RANGES[part]
    log = {"log": drawn.get("log", False)} if part == "width" and isinstance(value, Mapping) else {}
    return {low: drawn["low"], high: drawn["high"], **log}


def _entry(value: Any, old: Any) -> Any:
    """Return the new content of an entry: a fixed value, or a mapping with type and default."""
    if isinstance(value, list) and not isinstance(old, list | WidthsParameter):
        if not value:
            raise ValueError("a list of choices needs at least one value")
        value = {"type": "categorical", "choices": value}
    if isinstance(old, WidthsParameter) and not isinstance(value, list | Mapping):
        raise ValueError(f"the widths of the layers are a list, as [128, 64], not {shown(value)}")
    if not isinstance(value, Mapping) or "type" not in value:
        return value
    content = dict(value)
    if isinstance(old, Parameter) and old.when:
        content.setdefault("when", old.when)
    return content
