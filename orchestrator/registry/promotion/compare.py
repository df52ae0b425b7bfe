"""Two models side by side on the test images that both have scored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from orchestrator.core.errors import InputError
from orchestrator.execution.evaluation import evaluate_table
from orchestrator.registry.promotion.compared_model import ComparedModel
from orchestrator.registry.promotion.gates.format import bounds
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
_MOST = 10
"""How many of the images are listed on which they differ most."""


@dataclass(frozen=True)
class TargetComparison:
    """One score of two models.

    Attributes:
        target: its name.
        figures: metric → the first's and the second's.
        differences: "srcc" and "plcc" → the first's less the second's, with its interval.
        furthest: the images on which they differ most, in ranks: name, truth, both predictions and both ranks.
    """

    target: str
    figures: dict[str, tuple[float, float]]
    differences: dict[str, Interval]
    furthest: pd.DataFrame


@dataclass(frozen=True)
class ModelComparison:
    """Two models on the same images.

    Attributes:
        first, second: what they are called.
        images, prompts: how many both have scored.
        left_out: test images that only one of them has scored.
        targets: each score that both give.
        rows: the shared images with columns `<target>`, `first_<target>`, `second_<target>`.
    """

    first: str
    second: str
    images: int
    prompts: int
    left_out: int
    targets: tuple[TargetComparison, ...]
    rows: pd.DataFrame

    def as_dict(self) -> dict[str, Any]:
        """For JSON; NaN is null."""
        return {
            "first": self.first,
            "second": self.second,
            "images": self.images,
            "prompts": self.prompts,
            "left_out": self.left_out,
            "targets": {found.target: _target_json(found) for found in self.targets},
        }

    def show(self, console: Console) -> None:
        """For people."""
        console.print(f"A  {escape(self.first)}\nB  {escape(self.second)}", highlight=False, soft_wrap=True)
        left = f"; {self.left_out} that only one has scored are left out" if self.left_out else ""
        console.print(f"{self.images} test images of {self.prompts} prompts{left}\n", highlight=False)
        for found in self.targets:
            table = Table(found.target, "A", "B", "A − B", "", box=None, pad_edge=False)
            for metric, (one, other) in found.figures.items():
                interval = found.differences.get(metric)
                told = bounds(interval) if interval and interval.reason is None else ""
                table.add_row(METRICS[metric], _number(one), _number(other), _signed(one - other), told)
            console.print(table, highlight=False)
            furthest = Table("furthest apart", found.target, "A", "B", "rank A", "rank B", box=None, pad_edge=False)
            for row in found.furthest.itertuples():
                cells = (f"{row.truth:.3f}", f"{row.first:.3f}", f"{row.second:.3f}")
                furthest.add_row(escape(str(row.name)), *cells, f"{row.first_rank:.0f}", f"{row.second_rank:.0f}")
            console.print()
            console.print(furthest, highlight=False)


def compare(first: ComparedModel, second: ComparedModel, confidence: float = 0.95) -> ModelComparison:
    """Compares two models on the test images that both have scored.

    Raises:
        InputError: their test sets share no image or no score, or say different truths of an image.
    """
    targets = shared_targets(first.table, second.table)
    if not targets:
        raise InputError(f"{first.name} and {second.name} give no score in common.")
    one, other = rows_of_test(first.table), rows_of_test(second.table)
    joined = one.merge(other, on="name", suffixes=("", " of B"))
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
    tables = tuple(_only(found.table, names) for found in (first, second))
    return ModelComparison(
        first=first.name,
        second=second.name,
        images=len(rows),
        prompts=int(rows["prompt_id"].nunique()),
        left_out=len(one) + len(other) - 2 * len(rows),
        targets=tuple(_compare_target(tables[0], tables[1], rows, target, confidence) for target in targets),
        rows=rows,
    )


def _only(table: pd.DataFrame, names: set[str]) -> pd.DataFrame:
    """A table with the test rows of these names, and its validation rows for the logistic fit."""
    return table[(table["part"] != "test") | table["name"].isin(names)]


def _compare_target(
    first: pd.DataFrame, second: pd.DataFrame, rows: pd.DataFrame, target: str, confidence: float
) -> TargetComparison:
    mine, theirs = evaluate_table(first, target).metrics, evaluate_table(second, target).metrics
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
        figures={metric: (mine[metric], theirs[metric]) for metric in METRICS},
        differences={
            "srcc": paired_difference([(first, second)], [target], "srcc", confidence),
            "plcc": paired_difference([(first, second)], [target], "plcc", confidence),
        },
        furthest=furthest.loc[order[:_MOST]].reset_index(drop=True),
    )


def _target_json(found: TargetComparison) -> dict[str, Any]:
    return {
        "first": {metric: number_json(one) for metric, (one, _) in found.figures.items()},
        "second": {metric: number_json(other) for metric, (_, other) in found.figures.items()},
        "differences": {
            metric: {
                "difference": number_json(interval.estimate),
                "interval": [number_json(interval.low), number_json(interval.high)],
                "confidence": interval.confidence,
            }
            for metric, interval in found.differences.items()
        },
        "furthest": found.furthest.to_dict("records"),
    }


def _number(value: float) -> str:
    return f"{value:.4f}" if np.isfinite(value) else "–"


def _signed(value: float) -> str:
    return f"{value:+.4f}" if np.isfinite(value) else ""
