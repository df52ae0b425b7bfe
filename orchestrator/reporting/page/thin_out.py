"""Fewer elements of a long list, so that a chart stays small."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


def evenly_spaced(items: Sequence[T], most: int) -> list[T]:
    """Return at most `most` of the elements, evenly spaced, with the first and the last.

    Example:
        >>> evenly_spaced(range(10), 4), evenly_spaced("ab", 4)
        ([0, 3, 6, 9], ['a', 'b'])
    """
    if len(items) <= most:
        return list(items)
    return [items[round(position * (len(items) - 1) / (most - 1))] for position in range(most)]
