"""Agreement of a table of predictions with the true scores on its test rows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from orchestrator.training.logistic_fit import fit_logistic, fitted_plcc
from orchestrator.training.metrics import correlations, within_group_srcc


@dataclass(frozen=True)
class EvaluationMetrics:
    """Metrics on the test rows.

    Attributes:
        metrics: `srcc`, `plcc`, `krcc`, `rmse`, `plcc_fitted`, `srcc_within_generator`, `srcc_within_prompt`. The
            logistic curve of `plcc_fitted` is fitted on the validation rows. The last two are means of the SRCC within
            each generator's or prompt's images.
        reasons: metric → reason for its NaN; metrics without a NaN have no key.
    """

    metrics: dict[str, float]
    reasons: dict[str, str]


def evaluate_table(table: pd.DataFrame, target: str, part: str = "test") -> EvaluationMetrics:
    """Evaluate one target on the rows of a `part`; fit the logistic curve on the rows of "validation".

    A part other than "test" is another data set with its own units, so there is no `rmse`.
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
    reasons = {"plcc_fitted": fitted.reason}
    for group, column in (("generator", "generator"), ("prompt", "prompt_id")):
        metrics[f"srcc_within_{group}"] = within_group_srcc(predicted, truth, test[column]).srcc
        reasons[f"srcc_within_{group}"] = f"no {group} has 5 test images whose scores and predictions differ"
    return EvaluationMetrics(
        metrics=metrics,
        reasons={
            name: reasons.get(name) or figures.reason or "the predictions are not finite"
            for name, value in metrics.items()
            if not math.isfinite(value)
        },
    )


def mean_agreement(by_target: Mapping[str, EvaluationMetrics]) -> EvaluationMetrics:
    """Return the means over targets; a metric that is NaN for one target is NaN, with that target's reason."""
    first, *_ = by_target.values()
    reasons = {name: reason for found in reversed(list(by_target.values())) for name, reason in found.reasons.items()}
    metrics = {m: sum(found.metrics[m] for found in by_target.values()) / len(by_target) for m in first.metrics}
    return EvaluationMetrics(metrics, reasons)


def flat_agreement(table: pd.DataFrame, targets: tuple[str, ...], prefix: str, part: str = "test") -> dict[str, float]:
    """Return the prefixed means over targets and, for several targets, the metrics of each."""
    by_target = {target: evaluate_table(table, target, part) for target in targets}
    flat = {f"{prefix}{name}": value for name, value in mean_agreement(by_target).metrics.items()}
    if len(targets) > 1:
        flat |= {f"{prefix}{m}_{t}": value for t, found in by_target.items() for m, value in found.metrics.items()}
    return flat
