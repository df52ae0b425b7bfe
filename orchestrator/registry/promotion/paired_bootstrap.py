"""Two models' scores of the same test images, and the interval of the difference of their agreement."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from orchestrator.registry.promotion.sweep_results import rows_of_test, targets_of
from orchestrator.training.bootstrap import Interval, Metric, paired_interval

Pair = tuple[pd.DataFrame, pd.DataFrame]
"""One run's table of predictions beside another's; images that one of them lacks are left out."""


def paired_difference(
    pairs: Sequence[Pair], targets: Sequence[str], metric: Metric = "srcc", confidence: float = 0.95
) -> Interval:
    """Median over pairs of the first's correlation less the second's, each the mean over targets.

    Prompts are resampled, both sides together.

    Raises:
        ValueError: no pair, or a pair that shares no image.
    """
    aligned = [_aligned(*pair) for pair in pairs]
    if not aligned or any(mine.empty for mine, _ in aligned):
        raise ValueError("there is nothing that both have scored")
    by_target = [(mine, other, target) for target in targets for mine, other in aligned]
    return paired_interval(
        [mine[f"predicted_{target}"].to_numpy() for mine, _, target in by_target],
        [other[f"predicted_{target}"].to_numpy() for _, other, target in by_target],
        [mine[target].to_numpy() for mine, _, target in by_target],
        [mine["prompt_id"].to_numpy() for mine, _, _ in by_target],
        metric,
        confidence,
        targets=len(targets),
    )


def shared_targets(one: pd.DataFrame, other: pd.DataFrame) -> tuple[str, ...]:
    """The scores that both tables have predictions of, in the first one's order."""
    there = targets_of(other)
    return tuple(target for target in targets_of(one) if target in there)


def _aligned(one: pd.DataFrame, other: pd.DataFrame) -> Pair:
    """The test rows of both, of the images that both have, by name."""
    mine, theirs = rows_of_test(one), rows_of_test(other)
    common = set(mine["name"]) & set(theirs["name"])
    return tuple(rows[rows["name"].isin(common)].reset_index(drop=True) for rows in (mine, theirs))  # type: ignore[return-value]
