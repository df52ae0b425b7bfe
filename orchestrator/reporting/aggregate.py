"""Figures of several runs together: medians, intervals, and these as JSON."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import pandas as pd

from orchestrator.execution.evaluation import EvaluationMetrics, evaluate_table, mean_agreement
from orchestrator.training.bootstrap import Interval, median_interval


@dataclass(frozen=True)
class Figures:
    """Median figures over runs, means over targets where there are several.

    Attributes:
        metrics: name → median over the runs.
        intervals: srcc and plcc → bootstrap interval of that median, resampling prompts.
            Several targets have one each, their mean has none.
        targets: target → its own figures, where there are several.
        reasons: metric → why it is NaN in all runs, where it is.
    """

    metrics: dict[str, float]
    intervals: dict[str, Interval] = field(default_factory=dict)
    targets: dict[str, Figures] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)


def final_figures(finals: list[dict[str, float]], prefix: str, targets: tuple[str, ...]) -> Figures:
    """Medians of what the runs' last messages say under a prefix."""

    def medians(suffix: str) -> dict[str, float]:
        names = ("srcc", "plcc", "krcc", "rmse")
        return {name: _median([final.get(f"{prefix}{name}{suffix}", math.nan) for final in finals]) for name in names}

    each = {target: Figures(medians(f"_{target}")) for target in targets} if len(targets) > 1 else {}
    return Figures(metrics=medians(""), targets=each)


def table_figures(
    tables: list[pd.DataFrame], targets: tuple[str, ...], part: str = "test", several: bool = False
) -> Figures:
    """Medians over the runs' tables of predictions.

    Args:
        tables: one a run, with rows of the part and of the part "validation".
        targets: the scores that are judged.
        part: the rows that judge.
        several: whether the model learned several scores, even if only one is judged: then, as where several are,
            the mean has no interval and each has its own.
    """
    runs = [{target: evaluate_table(table, target, part) for target in targets} for table in tables]
    judged = rows_of(tables, part)
    each = {target: _target_figures(judged, [run[target] for run in runs], target) for target in targets}
    if several or len(targets) > 1:
        return _medians_of([mean_agreement(run) for run in runs], targets=each)
    return each[targets[0]]


def _target_figures(tests: list[pd.DataFrame], runs: list[EvaluationMetrics], target: str) -> Figures:
    truth, prompts = [table[target] for table in tests], [table["prompt_id"] for table in tests]
    predicted = predictions(tests, target)
    return _medians_of(
        runs, intervals={metric: median_interval(predicted, truth, prompts, metric) for metric in ("srcc", "plcc")}
    )


def _medians_of(runs: list[EvaluationMetrics], **more: Any) -> Figures:
    metrics = {name: _median([run.metrics[name] for run in runs]) for name in runs[0].metrics}
    reasons = {name: runs[0].reasons[name] for name, value in metrics.items() if not math.isfinite(value)}
    return Figures(metrics, reasons=reasons, **more)


def rows_of(tables: list[pd.DataFrame], part: str = "test") -> list[pd.DataFrame]:
    """The rows of a part in each table."""
    return [table[table["part"] == part] for table in tables]


def predictions(tables: list[pd.DataFrame], target: str) -> list[pd.Series[float]]:
    """The scores that each table's run gave."""
    return [table[f"predicted_{target}"] for table in tables]


def _median(values: list[float]) -> float:
    finite = [value for value in values if math.isfinite(value)]
    return median(finite) if finite else math.nan


def figures_json(figures: Figures) -> dict[str, Any]:
    """As JSON, NaN being null."""
    found: dict[str, Any] = {name: number_json(value) for name, value in figures.metrics.items()}
    if "srcc" in figures.intervals:
        found["interval"] = bounds_json(figures.intervals["srcc"])
        found["plcc_interval"] = bounds_json(figures.intervals["plcc"])
    if figures.reasons:
        found["reasons"] = figures.reasons
    if figures.targets:
        found["targets"] = {target: figures_json(own) for target, own in figures.targets.items()}
    return found


def bounds_json(interval: Interval) -> list[float | None]:
    """Low and high as JSON."""
    return [number_json(interval.low), number_json(interval.high)]


def number_json(value: float) -> float | None:
    """As JSON, NaN being null."""
    return round(value, 6) if math.isfinite(value) else None
