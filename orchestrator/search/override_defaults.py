"""Defaults of overridden entries of a search space: the earlier one if it is allowed, else the nearest value."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from orchestrator.search.parameters import IntParameter, Parameter


def fit_default(content: Mapping[str, Any], old: Any) -> dict[str, Any]:
    """Return the content of a searched entry with a default that it allows.

    A range with whole ends of an entry that is a whole number stays one of whole numbers, however it is written.

    Args:
        content: the entry as a search-space file has it; a default other than that of `old` stays as it is.
        old: the earlier entry: a parameter, a fixed value, or None for a new entry.
    """
    before = getattr(old, "default", None) if isinstance(old, Parameter) else old
    fitted = dict(content)
    if isinstance(old, IntParameter) and fitted.get("type") == "float" and _whole(fitted):
        fitted.update(type="int", low=int(fitted["low"]), high=int(fitted["high"]))
    if "default" in fitted and fitted["default"] != before:
        return fitted
    kind = fitted.get("type")
    if kind == "categorical":
        choices = fitted.get("choices") or [before]
        fitted["default"] = next((choice for choice in choices if _same(choice, before)), choices[0])
    elif kind in {"float", "int"} and _are_numbers(fitted.get("low"), fitted.get("high")):
        fitted["default"] = _nearest(fitted, before)
    elif kind == "widths" and isinstance(before, list) and before:
        fitted["default"] = _fitted_widths(fitted, before)
    return fitted


def _whole(content: Mapping[str, Any]) -> bool:
    ends = (content.get("low"), content.get("high"))
    return _are_numbers(*ends) and all(float(end).is_integer() for end in ends) and not content.get("step")  # type: ignore[arg-type]


def _are_numbers(*values: Any) -> bool:
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)


def _same(choice: Any, other: Any) -> bool:
    return bool(choice == other) and isinstance(choice, bool) == isinstance(other, bool)


def _nearest(content: Mapping[str, Any], before: Any) -> int | float:
    """Return the earlier default, moved into the range and onto its grid; without one, the middle of the range."""
    low, high = content["low"], content["high"]
    whole, log = content["type"] == "int", bool(content.get("log")) and low > 0
    wanted: float = before if _are_numbers(before) else math.sqrt(low) * math.sqrt(high) if log else (low + high) / 2
    inside = max(min(wanted, high), low)
    step = content.get("step") or (1 if whole else None)
    if step and _are_numbers(step):
        inside = min(low + round((inside - low) / step) * step, high)
    return int(inside) if whole and float(inside).is_integer() else inside


def _fitted_widths(content: Mapping[str, Any], before: list[int]) -> list[int]:
    low, high = content.get("low", 1), content.get("high", max(before))
    layers = min(max(len(before), content.get("min_depth", 1)), content.get("max_depth", len(before)))
    layers = min(layers, 10**3)  # a larger one is refused later
    widths = [min(max(width, low), high) for width in before]
    return [*widths, *[widths[-1]] * layers][:layers]
