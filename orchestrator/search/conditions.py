"""Conditions of parameters: `when` names parameters above, and values that they can have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.core.validation_reason import shown
from orchestrator.search.parameters import Parameter


def check_conditions(sections: Mapping[str, Mapping[str, Any]]) -> str | None:
    """Return what is wrong with a condition, as `section.name.when.key: reason`; None if each can hold.

    A condition on a fixed value need not hold: a copy of a space may fix what another searches.

    Args:
        sections: parameters and fixed values by name, by section.
    """
    values = {name: value for section in sections.values() for name, value in section.items()}
    for section, members in sections.items():
        for name, parameter in members.items():
            for key, allowed in parameter.when.items() if isinstance(parameter, Parameter) else ():
                if wrong := _wrong(name, key, allowed, values[key]):
                    return f"{section}.{name}.when.{key}: {wrong}"
    return None


def _wrong(name: str, key: str, allowed: list[Any], other: Any) -> str | None:
    if not allowed:
        return f"lists no value, so that {name} would never exist"
    if not isinstance(other, Parameter):
        return None
    impossible = [value for value in allowed if not other.has(value)]
    return f"{key} is never {shown(impossible[0])}" if impossible else None


def without_removed(sections: Mapping[str, Mapping[str, Any]], removed: set[str]) -> dict[str, dict[str, Any]]:
    """Return the sections of a space without the parameters that exist only with removed ones."""
    gone = set(removed)
    kept: dict[str, dict[str, Any]] = {}
    for section, values in sections.items():
        kept[section] = {}
        for name, value in values.items():
            if isinstance(value, Parameter) and gone & set(value.when):
                gone.add(name)
            else:
                kept[section][name] = value
    return kept
