"""Fixed values in a search-space file, and how they differ from searched parameters."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, TypeAlias

from pydantic import BeforeValidator, Discriminator, Tag

from orchestrator.core.validation_reason import shown
from orchestrator.search.parameters import AnyParameter, Parameter

_KEYS = {"low", "high", "default", "log", "step", "min_depth", "max_depth"}
_NEEDS_TYPE = "a searched value needs a type: float, int, categorical or widths"


def _checked(value: Any) -> Any:
    if isinstance(value, Mapping):
        raise ValueError(_NEEDS_TYPE)
    if value is None or not isinstance(value, bool | int | float | str | list):
        raise ValueError(f"must be a number, a word, true, false or a list of numbers, not {shown(value)}")
    for number in value if isinstance(value, list) else [value]:
        if isinstance(value, list) and (isinstance(number, bool) or not isinstance(number, int | float)):
            raise ValueError(f"must be a list of numbers, not {shown(value)}")
        if isinstance(number, float) and not math.isfinite(number):
            raise ValueError(f"must be finite, not {shown(number)}")
    return value


def _checked_by_name(values: Any) -> Any:
    if isinstance(values, Mapping) and set(values) & _KEYS:
        raise ValueError(_NEEDS_TYPE)
    for number in values.values() if isinstance(values, Mapping) else ():
        if isinstance(number, float) and not math.isfinite(number):
            raise ValueError(f"must be finite, not {shown(number)}")
    return values


Fixed = Annotated[bool | int | float | str | list[int] | list[float], BeforeValidator(_checked)]
"""A number, a word, a truth value or a list of numbers."""

FixedByName = Annotated[dict[str, float], BeforeValidator(_checked_by_name)]
"""Numbers by name, such as the weights of the targets."""

TAGS = ("parameter", "fixed", "by_name")
"""Kinds of values; parts of the location of pydantic's errors."""


def _kind(value: Any) -> str:
    if isinstance(value, Parameter) or (isinstance(value, Mapping) and isinstance(value.get("type"), str)):
        return "parameter"
    return "by_name" if isinstance(value, Mapping) else "fixed"


def _kind_without_names(value: Any) -> str:
    kind = _kind(value)
    return "fixed" if kind == "by_name" else kind


_Searched: TypeAlias = Annotated[AnyParameter, Tag("parameter")]
_Single: TypeAlias = Annotated[Fixed, Tag("fixed")]

Value = Annotated[_Searched | _Single, Discriminator(_kind_without_names)]
"""A value of the sections `model`, `hypernet` and `backbone`."""

TrainingValue = Annotated[_Searched | _Single | Annotated[FixedByName, Tag("by_name")], Discriminator(_kind)]
"""A value of the section `training`."""
