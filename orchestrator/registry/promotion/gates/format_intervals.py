"""Format of bootstrap intervals, for people and for JSON."""

from __future__ import annotations

import math
from typing import Any

from orchestrator.training.bootstrap import Interval


def difference(interval: Interval, metric: str) -> str:
    """Return `SRCC +0.0123`."""
    return f"{metric.upper()} {interval.estimate:+.4f}"


def bounds(interval: Interval) -> str:
    """Return `95 % interval [+0.0012, +0.0234]`."""
    return f"{100 * interval.confidence:g} % interval [{interval.low:+.4f}, {interval.high:+.4f}]"


def interval_figures(interval: Interval, **more: Any) -> dict[str, Any]:
    """Return the interval for JSON; None for NaN."""
    figures = {"difference": interval.estimate, "low": interval.low, "high": interval.high}
    return {name: value if math.isfinite(value) else None for name, value in figures.items()} | {
        "confidence": interval.confidence,
        **more,
    }
