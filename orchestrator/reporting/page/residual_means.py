"""Mean residuals, predicted minus rated, of groups of images, with intervals that know which images share a prompt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

PARTS = 8
"""Number of groups of equal size that the scores are divided into."""

_CONFIDENCE = 0.95


@dataclass(frozen=True)
class MeanResidual:
    """Residuals of a group of images, in the units of the score.

    Attributes:
        name: the generator, or the range of scores.
        centre: mean rated score.
        images: number of images.
        mean: mean residual; above 0 if the model overrates them.
        margin: half of the mean's 95 % interval; None with fewer than two prompts.
    """

    name: str
    centre: float
    images: int
    mean: float
    margin: float | None

    @property
    def low(self) -> float:
        """Lower end of the interval; the mean if there is none."""
        return self.mean - (self.margin or 0.0)

    @property
    def high(self) -> float:
        """Upper end of the interval; the mean if there is none."""
        return self.mean + (self.margin or 0.0)


def residuals_by_generator(table: pd.DataFrame, target: str, most: int = 20) -> list[MeanResidual]:
    """Return the residuals of the generators with most images, the most overrated first."""
    common = table["generator"].value_counts().index[:most]
    groups = [_group(str(name), table[table["generator"] == name], target) for name in common]
    return sorted(groups, key=lambda group: -group.mean)


def residuals_by_score(table: pd.DataFrame, target: str) -> list[MeanResidual]:
    """Return the residuals of eight groups of equal size, from the lowest to the highest rated score."""
    ordered = table.sort_values(target, kind="stable")
    parts = [ordered.iloc[rows] for rows in np.array_split(np.arange(len(ordered)), PARTS) if len(rows)]
    return [_group(f"{part[target].iloc[0]:.2f} to {part[target].iloc[-1]:.2f}", part, target) for part in parts]


def _group(name: str, rows: pd.DataFrame, target: str) -> MeanResidual:
    residuals = (rows[f"predicted_{target}"] - rows[target]).to_numpy("float64")
    margin = clustered_margin(residuals, rows["prompt_id"].to_numpy())
    return MeanResidual(name, float(rows[target].mean()), len(rows), float(residuals.mean()), margin)


def clustered_margin(values: NDArray[np.float64], clusters: NDArray[np.int64]) -> float | None:
    """Return half of the 95 % interval of a mean of values (n,) that are dependent within clusters (n,).

    The standard error is cluster-robust, and Student's t has one degree of freedom less than there are clusters.
    Source: Cameron and Miller, "A practitioner's guide to cluster-robust inference", 2015, equation 11, section VI.

    Example:
        >>> round(clustered_margin(np.array([1.0, 3.0]), np.array([0, 1])), 2)
        12.71
        >>> clustered_margin(np.array([1.0, 3.0]), np.array([0, 0])) is None
        True
    """
    _, code = np.unique(clusters, return_inverse=True)
    count = int(code.max()) + 1 if len(code) else 0
    if count < 2:
        return None
    from scipy.special import stdtrit  # a fraction of the time that scipy.stats takes to import

    sums = np.bincount(code, weights=values - values.mean())
    quantile = stdtrit(count - 1, (1 + _CONFIDENCE) / 2)
    return float(quantile * np.sqrt(count / (count - 1) * np.sum(sums**2)) / len(values))


def score_sentence(target: str, parts: list[MeanResidual]) -> str:
    """Return what is seen by score, in a sentence."""
    first, last = parts[0], parts[-1]
    figures = (
        f"{first.mean:+.2f} in the lowest {'eighth' if len(parts) == PARTS else 'part'} of {target} and "
        f"{last.mean:+.2f} in the highest"
    )
    if first.low > 0 and last.high < 0:
        return (
            f"Low scores are overrated and high ones underrated: the mean residual is {figures}. "
            "Models that minimise squared errors predict scores closer to the mean, so that some of it is expected."
        )
    return f"The mean residual is {figures}."


def generator_sentence(target: str, groups: list[MeanResidual]) -> str:
    """Return the generators whose interval excludes 0 and whose residual is largest; empty with one generator."""
    if len(groups) < 2:
        return ""
    most = max(groups, key=lambda group: abs(group.mean))
    if most.low <= 0 <= most.high:
        return (
            f"No generator's mean residual of {target} stands out: the largest, of {most.name}, has an interval over 0."
        )
    word = "overrated" if most.mean > 0 else "underrated"
    return f"The images of {most.name} are the most {word} in {target}: {most.mean:+.2f} on average of {most.images}."
