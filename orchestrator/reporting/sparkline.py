"""Sparkline of a curve: a character for each point, as high as its value."""

from __future__ import annotations

from collections.abc import Sequence

_LEVELS = "▁▂▃▄▅▆▇█"


def sparkline(values: Sequence[float | None], width: int, low: float, high: float) -> str:
    """Return a curve as text of at most `width` characters; None is a gap.

    Args:
        values: the curve; if it is longer than `width`, points are omitted evenly, but never the last.
        width: number of characters, at least 1.
        low, high: values of the lowest and of the highest character.

    Example:
        >>> sparkline([0.0, 0.5, None, 1.0], 8, 0.0, 1.0)
        '▁▅ █'
    """
    if len(values) > width:
        values = [values[round((place + 1) * len(values) / width) - 1] for place in range(width)]
    span = high - low
    top = len(_LEVELS) - 1
    levels = [
        None if value is None else round((value - low) / span * top) if span > 0 else top // 2 for value in values
    ]
    return "".join(" " if level is None else _LEVELS[min(max(level, 0), top)] for level in levels)
