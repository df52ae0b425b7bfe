"""Comparison of two models on the test images that both have scored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from orchestrator.core.errors import InputError
from orchestrator.execution.prediction_metrics import evaluate_table
from orchestrator.registry.promotion.compare_on_common_splits import CommonGround, common_ground, difference
from orchestrator.registry.promotion.compared_model import ComparedModel
from orchestrator.registry.promotion.gates.format_intervals import bounds
from orchestrator.registry.promotion.paired_bootstrap import paired_difference, shared_targets
from orchestrator.registry.promotion.sweep_results import rows_of_test
from orchestrator.reporting.aggregate import number_json
from orchestrator.training.bootstrap import Interval

METRICS = {
    "srcc": "SRCC",
    "plcc": "PLCC",
    "krcc": "KRCC",
    "plcc_fitted": "fitted PLCC",
    "srcc_within_generator": "SRCC within generators",
    "srcc_within_prompt": "SRCC within prompts",
    "rmse": "RMSE",
}
_LARGEST = 10
"""Number of images listed, those on which the models differ most."""


@dataclass(frozen=True)
class TargetComparison:
    """Comparison of two models in one score.

    Attributes:
        target: name of the score.
        figures: metric → value of the first and of the second model.
        differences: "srcc" and "plcc" → first minus second, with its interval.
        furthest: images with the largest difference in rank: name, truth, both predictions and both ranks.
    """

    target: str
    figures: dict[str, tuple[float, float]]
    differences: dict[str, Interval]
    furthest: pd.DataFrame


@dataclass(frozen=True)
class ModelComparison:
    """Comparison of two models on the same images.

    Attributes:
        first, second: names of the models.
        images, prompts: number that both have scored.
        excluded: number of test images that only one of them has scored.
        targets: comparison in each score that both predict.
        rows: the shared images with columns `<target>`, `first_<target>`, `second_<target>`.
        validation: validation SRCC of both configurations on common ground, by which `promote` chooses; None without.
    """

    first: str
    second: str
    images: int
    prompts: int
    excluded: int
    targets: tuple[TargetComparison, ...]
    rows: pd.DataFrame
    validation: CommonGround | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the comparison for JSON; None for NaN in figures."""
        return {
            "first": self.first,
            "second": self.second,
            "images": self.images,
            "prompts": self.prompts,
            "left_out": self.excluded,
            "validation": self.validation.as_dict() if self.validation else None,
            "targets": {compared.target: _target_json(compared) for compared in self.targets},
        }

    def show(self, console: Console) -> None:
        """Print the comparison."""
        console.print(f"A  {escape(self.first)}\nB  {escape(self.second)}", highlight=False, soft_wrap=True)
        excluded = f"; {self.excluded} that only one has scored are excluded" if self.excluded else ""
        console.print(f"{self.images} test images of {self.prompts} prompts{excluded}\n", highlight=False)
        if self.validation:
            first, second = self.validation.values
            what = f"Validation SRCC {self.validation.description}"
            console.print(f"{what}: A {first:.4f}, B {second:.4f}\n", highlight=False, soft_wrap=True)
        for compared in self.targets:
            table = Table(compared.target, "A", "B", "A − B", "", box=None, pad_edge=False)
            for metric, (a, b) in compared.figures.items():
                interval = compared.differences.get(metric)
                shown = bounds(interval) if interval and interval.reason is None else ""
                table.add_row(METRICS[metric], _number(a), _number(b), _signed(a - b), shown)
            console.print(table, highlight=False)
            furthest = Table("furthest apart", compared.target, "A", "B", "rank A", "rank B", box=None, pad_edge=False)
            for row in compared.furthest.itertuples():
                cells = (f"{row.truth:.3f}", f"{row.first:.3f}", f"{row.second:.3f}")
                furthest.add_row(escape(str(row.name)), *cells, f"{row.first_rank:.0f}", f"{row.second_rank:.0f}")
            console.print()
            console.print(furthest, highlight=False)


def compare(first: ComparedModel, second: ComparedModel, confidence: float = 0.95) -> ModelComparison:
    """Compare two models on the test images that both have scored.

    Raises:
        InputError: they share fewer than three images or no score, or differ in the true score of an image.
    """
    targets = shared_targets(first.table, second.table)
    if not targets:
        raise InputError(f"{first.name} and {second.name} have no score in common.")
    first_rows, second_rows = rows_of_test(first.table), rows_of_test(second.table)
    joined = first_rows.merge(second_rows, on="name", suffixes=("", " of B"))
    if len(joined) < 3:
        raise InputError(f"{first.name} and {second.name} were tested on other images: they share {len(joined)}.")
    for target in targets:
        if not np.array_equal(joined[target], joined[f"{target} of B"]):
            raise InputError(
                f"{first.name} and {second.name} were tested on different {target} scores of the same images: their "
                "data sets differ."
            )
    rows = joined[["name", "prompt_id", "generator", *targets]].copy()
    for target in targets:
        rows[f"first_{target}"] = joined[f"predicted_{target}"]
        rows[f"second_{target}"] = joined[f"predicted_{target} of B"]
    names = set(rows["name"])
    tables = tuple(_only(model.table, names) for model in (first, second))
    return ModelComparison(
        first=first.name,
        second=second.name,
        images=len(rows),
        prompts=int(rows["prompt_id"].nunique()),
        excluded=len(first_rows) + len(second_rows) - 2 * len(rows),
        targets=tuple(_compare_target(tables[0], tables[1], rows, target, confidence) for target in targets),
        rows=rows,
        validation=_validation(first, second),
    )


def _validation(first: ComparedModel, second: ComparedModel) -> CommonGround | None:
    """Return what `promote` would choose by; None if it would not compare the two."""
    one, other = first.candidate, second.candidate
    if one is None or other is None or difference(one.results, other.results):
        return None
    try:
        return common_ground([one, other], "srcc")
    except InputError:  # predictions of another run are gone; the comparison does without this line
        return None


def _only(table: pd.DataFrame, names: set[str]) -> pd.DataFrame:
    """Return the test rows of these images, and all validation rows for the logistic fit."""
    return table[(table["part"] != "test") | table["name"].isin(names)]


def _compare_target(
    first: pd.DataFrame, second: pd.DataFrame, rows: pd.DataFrame, target: str, confidence: float
) -> TargetComparison:
    metrics = evaluate_table(first, target).metrics, evaluate_table(second, target).metrics
    ranks = {side: rows[f"{side}_{target}"].rank() for side in ("first", "second")}
    furthest = pd.DataFrame(
        {
            "name": rows["name"],
            "truth": rows[target],
            "first": rows[f"first_{target}"],
            "second": rows[f"second_{target}"],
            "first_rank": ranks["first"],
            "second_rank": ranks["second"],
        }
    )
    order = (ranks["first"] - ranks["second"]).abs().sort_values(ascending=False, kind="stable").index
    return TargetComparison(
        target=target,
        figures={metric: (metrics[0][metric], metrics[1][metric]) for metric in METRICS},
        differences={
            "srcc": paired_difference([(first, second)], [target], "srcc", confidence),
            "plcc": paired_difference([(first, second)], [target], "plcc", confidence),
        },
        furthest=furthest.loc[order[:_LARGEST]].reset_index(drop=True),
    )


def _target_json(compared: TargetComparison) -> dict[str, Any]:
    return {
        "first": {metric: number_json(first) for metric, (first, _) in compared.figures.items()},
        "second": {metric: number_json(second) for metric, (_, second) in compared.figures.items()},
        "differences": {
            metric: {
                "difference": number_json(interval.estimate),
                "interval": [number_json(interval.low), number_json(interval.high)],
                "confidence": interval.confidence,
            }
            for metric, interval in compared.differences.items()
        },
        "furthest": compared.furthest.to_dict("records"),
    }


def _number(value: float) -> str:
    return f"{value:.4f}" if np.isfinite(value) else "–"


def _signed(value: float) -> str:
    return f"{value:+.4f}" if np.isfinite(value) else ""
