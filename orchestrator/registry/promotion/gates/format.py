"""Differences in words and as figures."""

from __future__ import annotations

import math
from typing import Any

from orchestrator.training.bootstrap import Interval


def difference(found: Interval, metric: str) -> str:
    """`SRCC +0.0123`."""
    return f"{metric.upper()} {found.estimate:+.4f}"


def bounds(found: Interval) -> str:
    """`95 % interval [+0.0012, +0.0234]`."""
    return f"{100 * found.confidence:g} % interval [{found.low:+.4f}, {found.high:+.4f}]"


def interval_figures(found: Interval, **more: Any) -> dict[str, Any]:
    """For machines, NaN being None."""
    figures = {"difference": found.estimate, "low": found.low, "high": found.high}
    return {name: value if math.isfinite(value) else None for name, value in figures.items()} | {
        "confidence": found.confidence,
        **more,
    }
