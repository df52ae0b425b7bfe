"""Paired bootstrap interval of the difference in correlation of two models on the same test images."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from orchestrator.registry.promotion.sweep_results import rows_of_test, targets_of
from orchestrator.training.bootstrap import Interval, Metric, paired_interval

Pair = tuple[pd.DataFrame, pd.DataFrame]
"""Tables of predictions of two runs; images that only one of them has are excluded."""


def paired_difference(
    pairs: Sequence[Pair], targets: Sequence[str], metric: Metric = "srcc", confidence: float = 0.95
) -> Interval:
    """Return the median over pairs of the first correlation minus the second, each the mean over targets.

    Prompts are resampled, the same for both tables.

    Raises:
        ValueError: there is no pair, or a pair shares no image.
    """
    aligned = [_aligned(*pair) for pair in pairs]
    if not aligned or any(first.empty for first, _ in aligned):
        raise ValueError("there is no image that both have scored")
    by_target = [(first, second, target) for target in targets for first, second in aligned]
    return paired_interval(
        [first[f"predicted_{target}"].to_numpy() for first, _, target in by_target],
        [second[f"predicted_{target}"].to_numpy() for _, second, target in by_target],
        [first[target].to_numpy() for first, _, target in by_target],
        [first["prompt_id"].to_numpy() for first, _, _ in by_target],
        metric,
        confidence,
        targets=len(targets),
    )


def shared_targets(first: pd.DataFrame, second: pd.DataFrame) -> tuple[str, ...]:
    """Return the scores that both tables predict, in the order of the first."""
    second_targets = targets_of(second)
    return tuple(target for target in targets_of(first) if target in second_targets)


def _aligned(first: pd.DataFrame, second: pd.DataFrame) -> Pair:
    """Return the test rows of the images that both tables have, sorted by name."""
    tables = rows_of_test(first), rows_of_test(second)
    common = set(tables[0]["name"]) & set(tables[1]["name"])
    return tuple(rows[rows["name"].isin(common)].reset_index(drop=True) for rows in tables)  # type: ignore[return-value]
