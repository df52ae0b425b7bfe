"""Smallest and largest model of a search space."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from itertools import islice
from typing import Any

from orchestrator.core.errors import InputError
from orchestrator.search.corners import corner_values
from orchestrator.search.space import Configuration, SearchSpace

MOST_BUILT = 200
"""Number of models of a space that are built, without memory, to check and to compare them."""

BYTES_PER_PARAMETER = 4 * 5
"""Memory of a parameter in training: weight, gradient, Adam's two moments, the best epoch's copy."""

_Shapes = Mapping[str, tuple[int, ...]]


def extreme_model(
    space: SearchSpace,
    variant: str,
    of: str | None,
    shapes: _Shapes,
    targets: int,
    largest: bool,
) -> tuple[Configuration, Any]:
    """Return the configuration of a space with the fewest or the most parameters, and its model.

    If the space has too many choices to combine them all, it is the best of single choices and of their combination.

    Args:
        space: of the variant.
        variant: registered name.
        of: the variant that it is the control of, if any.
        shapes: of the features, by name, without the rows.
        targets: number of predicted scores.
        largest: whether to return the largest model.

    Raises:
        InputError: a model cannot be built, or has no room in this machine's memory.
    """
    sign = 1 if largest else -1
    corners = corner_values(space.parameters(), space.default_choices(), largest)
    distinct = {repr((made := space.configuration_of(values)).model): (values, made) for values in corners}
    sized = [
        (values, made, sign * count_parameters(made, variant, of, shapes, targets))
        for values, made in islice(distinct.values(), MOST_BUILT)
    ]
    base, chosen, best = sized[0]
    combined, best_with = dict(base), dict.fromkeys(base, best)
    for values, made, size in sized:
        for name in base:
            if values[name] != base[name] and size > best_with[name]:
                combined[name], best_with[name] = values[name], size
        if size > best:
            chosen, best = made, size
    together = space.configuration_of(combined)
    if (size := sign * count_parameters(together, variant, of, shapes, targets)) > best:
        chosen, best = together, size
    if (needed := abs(best) * BYTES_PER_PARAMETER) > (memory := _memory_bytes()):
        raise InputError(
            f"its {abs(best):,} parameters need {needed / 1e9:,.0f} GB in training, and this machine has "
            f"{memory / 1e9:,.0f} GB: narrow the space."
        )
    return chosen, build_model(chosen, variant, of, shapes, targets)


def _memory_bytes() -> float:
    """Return the memory of this machine; infinite if it is unknown."""
    if not hasattr(os, "sysconf"):
        return math.inf
    return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))


def count_parameters(configuration: Configuration, variant: str, of: str | None, shapes: _Shapes, targets: int) -> int:
    """Return the number of parameters of a model, which is built without memory; raise InputError if it cannot be."""
    from models.without_memory import without_memory

    with without_memory():
        return sum(
            parameter.numel() for parameter in build_model(configuration, variant, of, shapes, targets).parameters()
        )


def build_model(configuration: Configuration, variant: str, of: str | None, shapes: _Shapes, targets: int) -> Any:
    """Build the model of a configuration.

    Raises:
        InputError: it cannot be built, whatever the variant, a plug-in's perhaps, raises.
    """
    from models import build_variant

    extra = {"of": of} if of else {}
    try:
        return build_variant(variant, shapes, targets, **{**configuration.model, **extra})
    except Exception as error:
        text = " ".join(str(error).split()).rstrip(".")
        raise InputError(f"this makes a model that cannot be built: {text}.") from error
