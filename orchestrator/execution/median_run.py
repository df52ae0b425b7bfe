"""Which of a configuration's confirm runs stands for it."""

from __future__ import annotations

from collections.abc import Mapping


def median_run(scores: Mapping[str, float]) -> str | None:
    """The run with the (lower) median validation score.

    Args:
        scores: run → best validation SRCC, in the order of their splits, which decides between equal ones.
    """
    ordered = sorted(scores, key=lambda run: scores[run])
    return ordered[(len(ordered) - 1) // 2] if ordered else None
