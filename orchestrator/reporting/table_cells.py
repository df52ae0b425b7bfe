"""Figures as the cells of a table."""

from __future__ import annotations

import math

from orchestrator.reporting.aggregate import Figures

TEST_HEADER = (
    "test SRCC",
    "95 % interval",
    "test PLCC",
    "95 % interval",
    "fitted PLCC",
    "SRCC in generator",
    "SRCC in prompt",
)
"""Fitted: after a logistic curve fitted on validation. In generator, in prompt: mean SRCC inside each one's images."""

CROSS_HEADER = ("SRCC", "95 % interval", "PLCC", "95 % interval", "KRCC", *TEST_HEADER[4:])
"""On a second data set, whose scores have units of their own: nothing here depends on them."""


def cells_of_test(figures: Figures | None) -> tuple[str, ...]:
    """Cells under `TEST_HEADER`, empty where there are no figures."""
    if figures is None:
        return ("",) * len(TEST_HEADER)
    return _leading(figures) + _trailing(figures)


def cross_cells(figures: Figures | None) -> tuple[str, ...]:
    """Cells under `CROSS_HEADER`, empty where there are no figures."""
    if figures is None:
        return ("",) * len(CROSS_HEADER)
    return (*_leading(figures), _number(figures, "krcc", 4), *_trailing(figures))


def _leading(figures: Figures) -> tuple[str, ...]:
    return (
        _number(figures, "srcc", 4),
        _interval(figures, "srcc"),
        _number(figures, "plcc", 4),
        _interval(figures, "plcc"),
    )


def _trailing(figures: Figures) -> tuple[str, ...]:
    return (
        _number(figures, "plcc_fitted", 4),
        _number(figures, "srcc_within_generator"),
        _number(figures, "srcc_within_prompt"),
    )


def _interval(figures: Figures, metric: str) -> str:
    found = figures.intervals.get(metric)
    return f"[{found.low:.3f}, {found.high:.3f}]" if found and math.isfinite(found.low) else ""


def _number(figures: Figures, metric: str, digits: int = 3) -> str:
    value = figures.metrics[metric]
    return f"{value:.{digits}f}" if math.isfinite(value) else "–"
