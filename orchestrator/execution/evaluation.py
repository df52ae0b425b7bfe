"""How well a table of predictions agrees with the truth on its test rows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from orchestrator.training.logistic_fit import fit_logistic, fitted_plcc
from orchestrator.training.metrics import correlations, within_group_srcc


@dataclass(frozen=True)
class EvaluationMetrics:
    """Figures on the rows that judge.

    Attributes:
        metrics: `srcc`, `plcc`, `krcc`, `rmse`; `plcc_fitted`, after a logistic curve fitted on the validation rows;
            `srcc_within_generator` and `srcc_within_prompt`, means of the SRCC inside each one's images.
        reasons: metric → why it is NaN, where it is.
    """

    metrics: dict[str, float]
    reasons: dict[str, str]


def evaluate_table(table: pd.DataFrame, target: str, part: str = "test") -> EvaluationMetrics:
    """One target of a prediction table: of its rows of a `part`, and of "validation" for the fit.

    Rows of any part but "test" are of another data set, whose scores have units of their own: these have no `rmse`.
    """
    test, validation = (table[table["part"] == name] for name in (part, "validation"))
    predicted, truth = test[f"predicted_{target}"], test[target]
    figures = correlations(predicted, truth)
    fitted = fitted_plcc(fit_logistic(validation[f"predicted_{target}"], validation[target]), predicted, truth)
    metrics = {
        "srcc": figures.srcc,
        "plcc": figures.plcc,
        "krcc": figures.krcc,
        **({"rmse": figures.rmse} if part == "test" else {}),
        "plcc_fitted": fitted.plcc,
    }
    why = {"plcc_fitted": fitted.reason}
    for group, column in (("generator", "generator"), ("prompt", "prompt_id")):
        metrics[f"srcc_within_{group}"] = within_group_srcc(predicted, truth, test[column]).srcc
        why[f"srcc_within_{group}"] = f"no {group} has 5 test images whose scores and predictions differ"
    return EvaluationMetrics(
        metrics=metrics,
        reasons={
            name: why.get(name) or figures.reason or "the predictions are not finite"
            for name, value in metrics.items()
            if not math.isfinite(value)
        },
    )


def mean_agreement(by_target: Mapping[str, EvaluationMetrics]) -> EvaluationMetrics:
    """Means over targets; NaN, for the first reason, where one of them is."""
    first, *_ = by_target.values()
    reasons = {name: reason for found in reversed(list(by_target.values())) for name, reason in found.reasons.items()}
    metrics = {m: sum(found.metrics[m] for found in by_target.values()) / len(by_target) for m in first.metrics}
    return EvaluationMetrics(metrics, reasons)


def flat_agreement(table: pd.DataFrame, targets: tuple[str, ...], prefix: str, part: str = "test") -> dict[str, float]:
    """Flat figures under `prefix`: means over targets, and each one's own where there are several."""
    by_target = {target: evaluate_table(table, target, part) for target in targets}
    flat = {f"{prefix}{name}": value for name, value in mean_agreement(by_target).metrics.items()}
    if len(targets) > 1:
        flat |= {f"{prefix}{m}_{t}": value for t, found in by_target.items() for m, value in found.metrics.items()}
    return flat
