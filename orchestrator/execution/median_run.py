"""Choice of the confirm run that represents a configuration."""

from __future__ import annotations

from collections.abc import Mapping


def median_run(scores: Mapping[str, float]) -> str | None:
    """Return the run with the median validation score, the lower one of two.

    Args:
        scores: run → best validation SRCC, in the order of the splits, which breaks ties.
    """
    ordered = sorted(scores, key=lambda run: scores[run])
    return ordered[(len(ordered) - 1) // 2] if ordered else None
