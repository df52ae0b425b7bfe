"""Figures of configurations and baselines on test, and paired differences, as rows of a forest plot."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.reporting.baseline_names import BASELINE_LABELS
from orchestrator.reporting.page.palette import BASELINE, CONTROL, VARIANT
from orchestrator.reporting.result_rows import study_of, variant_of


@dataclass(frozen=True)
class ForestRow:
    """A row of a forest plot.

    Attributes:
        label: name of the model.
        colour: colour of its point.
        estimate: SRCC, or a difference of SRCC.
        low, high: its 95 % interval; None without one.
    """

    label: str
    colour: str
    estimate: float
    low: float | None = None
    high: float | None = None

    @property
    def conclusive(self) -> bool:
        """True if the interval excludes 0."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


def marginal_rows(result: Mapping[str, Any], target: str, part: str = "test") -> list[ForestRow]:
    """Return a row for each configuration and baseline that has a figure on a part: "val", "test" or "cross"."""
    found = (
        (label, colour, _of_target(result, figures.get(part), target)) for label, colour, figures in _named(result)
    )
    return [row for label, colour, figures in found if (row := _row(label, colour, figures))]


def paired_rows(result: Mapping[str, Any], target: str) -> list[ForestRow]:
    """Return a row for each model that the best configuration was compared with."""
    rows = []
    for comparison in result.get("comparisons", ()):
        if comparison["target"] == target and comparison["srcc_difference"] is not None:
            name = "control" if comparison["against"] == "control" else _short(comparison["against"])
            colour = CONTROL if comparison["against"] == "control" else BASELINE
            low, high = comparison["interval"]
            rows.append(ForestRow(f"minus {name}", colour, comparison["srcc_difference"], low, high))
    return rows


def _named(result: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Yield label, colour and part → figures of each configuration and baseline."""
    for line in result.get("confirmed", ()):
        control = study_of(line) == "control"
        label = f"control {line['trial']}" if control else f"{variant_of(result, line)}, trial {line['trial']}"
        yield label, CONTROL if control else VARIANT, line
    for name, figures in result.get("baselines", {}).items():
        yield _short(name), BASELINE, {"test": figures, "cross": figures.get("cross")}


def _short(baseline: str) -> str:
    return BASELINE_LABELS.get(baseline, baseline)


def _of_target(result: Mapping[str, Any], figures: Mapping[str, Any] | None, target: str) -> Mapping[str, Any] | None:
    """Return the figures of one target; figures of a single target are not listed by target."""
    if figures is None or len(result["targets"]) == 1:
        return figures
    found: Mapping[str, Any] | None = figures.get("targets", {}).get(target)
    return found


def _row(label: str, colour: str, figures: Mapping[str, Any] | None) -> ForestRow | None:
    if not figures or figures.get("srcc") is None:
        return None
    low, high = figures.get("interval") or (None, None)
    return ForestRow(label, colour, figures["srcc"], low, high)
