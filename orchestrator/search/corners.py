"""Corners of a search space: bounds of its numbers with all combinations of choices or, if these are many, in turn."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from typing import Any

from orchestrator.search.parameters import CategoricalParameter, Parameter

ALL_COMBINATIONS = 64
"""Number of combinations of choices up to which all are corners."""


def corner_values(
    parameters: Mapping[str, Parameter], defaults: Mapping[str, Any], largest: bool
) -> Iterator[dict[str, Any]]:
    """Yield a value for every parameter, for each corner.

    With many combinations of choices, each choice is in one corner, in which the other categories have their defaults.
    If the parameter has a condition, that corner meets it.

    Args:
        parameters: searched parameters by name, in the order of the file.
        defaults: their defaults by name.
        largest: numbers at their upper bounds instead of their lower ones.
    """
    ends = {name: parameter.ends()[largest] for name, parameter in parameters.items()}
    if math.prod(map(len, ends.values())) <= ALL_COMBINATIONS:
        for combination in itertools.product(*ends.values()):
            yield dict(zip(ends, combination, strict=True))
        return
    base = {
        name: defaults[name] if isinstance(parameter, CategoricalParameter) else ends[name][0]
        for name, parameter in parameters.items()
    }
    yield base
    for name, parameter in parameters.items():
        if not isinstance(parameter, CategoricalParameter) and not parameter.when:
            continue
        for value in ends[name]:
            if value != base[name] or parameter.when:
                yield meet_conditions({**base, name: value}, name, parameters)


def meet_conditions(values: dict[str, Any], name: str, parameters: Mapping[str, Parameter]) -> dict[str, Any]:
    """Return the values, changed so that the parameter `name` exists, if its conditions can be met."""
    for key, allowed in parameters[name].when.items():
        if key in parameters:
            if values[key] not in allowed and allowed:
                values = {**values, key: allowed[0]}
            values = meet_conditions(values, key, parameters)
    return values
