"""Medians and intervals over several runs, and their JSON."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import pandas as pd

from orchestrator.execution.prediction_metrics import EvaluationMetrics, evaluate_table, mean_agreement
from orchestrator.training.bootstrap import Interval, median_interval


@dataclass(frozen=True)
class Figures:
    """Medians over runs; of several targets, medians of the targets' means.

    Attributes:
        metrics: name → median over the runs.
        intervals: srcc and plcc → bootstrap interval of the median, resampling prompts. Each of several targets has
            its own; their mean has none.
        targets: target → its own figures, if there are several.
        reasons: metric → reason why it is NaN in all runs.
    """

    metrics: dict[str, float]
    intervals: dict[str, Interval] = field(default_factory=dict)
    targets: dict[str, Figures] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)


def final_figures(finals: list[dict[str, float]], prefix: str, targets: tuple[str, ...]) -> Figures:
    """Return medians of the runs' final metrics whose names have a prefix."""

    def medians(suffix: str) -> dict[str, float]:
        names = ("srcc", "plcc", "krcc", "rmse")
        return {name: _median([final.get(f"{prefix}{name}{suffix}", math.nan) for final in finals]) for name in names}

    each = {target: Figures(medians(f"_{target}")) for target in targets} if len(targets) > 1 else {}
    return Figures(metrics=medians(""), targets=each)


def table_figures(
    tables: list[pd.DataFrame], targets: tuple[str, ...], part: str = "test", several: bool = False
) -> Figures:
    """Return medians over the runs' tables of predictions.

    Args:
        tables: one per run, with rows of the part and of the part "validation".
        targets: the scores that are evaluated.
        part: the rows that are evaluated.
        several: whether the model learned several scores. If so, the mean has no interval and each target has its own,
            even if only one is evaluated.
    """
    runs = [{target: evaluate_table(table, target, part) for target in targets} for table in tables]
    rows = rows_of(tables, part)
    each = {target: _target_figures(rows, [run[target] for run in runs], target) for target in targets}
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
    """Return the rows of a part of each table."""
    return [table[table["part"] == part] for table in tables]


def predictions(tables: list[pd.DataFrame], target: str) -> list[pd.Series[float]]:
    """Return the predicted scores of each table."""
    return [table[f"predicted_{target}"] for table in tables]


def _median(values: list[float]) -> float:
    finite = [value for value in values if math.isfinite(value)]
    return median(finite) if finite else math.nan


def figures_json(figures: Figures) -> dict[str, Any]:
    """Return figures as JSON, with null for NaN."""
    content: dict[str, Any] = {name: number_json(value) for name, value in figures.metrics.items()}
    if "srcc" in figures.intervals:
        content["interval"] = bounds_json(figures.intervals["srcc"])
        content["plcc_interval"] = bounds_json(figures.intervals["plcc"])
    if figures.reasons:
        content["reasons"] = figures.reasons
    if figures.targets:
        content["targets"] = {target: figures_json(own) for target, own in figures.targets.items()}
    return content


def bounds_json(interval: Interval) -> list[float | None]:
    """Return the bounds of an interval as JSON."""
    return [number_json(interval.low), number_json(interval.high)]


def number_json(value: float) -> float | None:
    """Return a number as JSON, with null for NaN."""
    return round(value, 6) if math.isfinite(value) else None
