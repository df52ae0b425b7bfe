"""Confidence intervals of correlations, by a bootstrap over prompts.

The images of a prompt are not independent draws, so prompts are resampled, with replacement, each with all of its
images. A resample is a count for every prompt. Ranks within it follow from cumulative sums of those counts along the
sorted values, so that the values are sorted only once for all replicates.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import nan
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from orchestrator.training.metrics import FloatArray, plcc, srcc, undefined_because

Metric = Literal["srcc", "plcc"]

# Number of weights in a block of replicates: 8 bytes each, with a few copies at a time.
_BLOCK = 2_000_000
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Interval:
    """Estimate with its percentile bootstrap interval; all NaN if there is a `reason`.

    Attributes:
        estimate: correlation on the original rows.
        low, high: bounds at `confidence`.
        replicates: number of resamples used; a resample in which a run has no correlation is excluded.
        reason: reason why there is no interval; else None.

    Example:
        >>> Interval(estimate=0.8, low=0.7, high=0.9, confidence=0.95, replicates=1000).reason is None
        True
    """

    estimate: float
    low: float
    high: float
    confidence: float
    replicates: int
    reason: str | None = None


@dataclass(frozen=True)
class _Run:
    """Test rows of one run; `prompts` (n,) are indices of the prompts of all runs together."""

    prediction: FloatArray
    truth: FloatArray
    prompts: NDArray[np.intp]


def median_interval(
    predictions: Sequence[ArrayLike],
    truth: ArrayLike | Sequence[ArrayLike],
    prompt_ids: ArrayLike | Sequence[ArrayLike],
    metric: Metric = "srcc",
    confidence: float = 0.95,
    replicates: int = 1000,
    seed: int = 0,
) -> Interval:
    """Compute the interval of the median over runs of a correlation on test.

    Args:
        predictions: (n,) for each run.
        truth: (n,) if all runs share their test rows, else (n_i,) for each run.
        prompt_ids: ids of any type, shaped like `truth`; prompts of several runs are matched by value.
        metric: the correlation.
        confidence: share of resamples between the bounds, in (0, 1).
        replicates: number of resamples.
        seed: seed of the resamples; equal seeds and prompts lead to equal resamples.

    Raises:
        ValueError: there is no run, or the shapes of a run differ.

    Example:
        >>> interval = median_interval([np.arange(40) % 7], np.arange(40) % 5, np.arange(40) // 4, replicates=100)
        >>> interval.low <= interval.estimate <= interval.high, interval.replicates
        (True, 100)
    """
    runs, n_prompts = _runs(predictions, truth, prompt_ids)
    return _bootstrap([runs], n_prompts, metric, confidence, replicates, seed)


def paired_interval(
    predictions: Sequence[ArrayLike],
    others: Sequence[ArrayLike],
    truth: ArrayLike | Sequence[ArrayLike],
    prompt_ids: ArrayLike | Sequence[ArrayLike],
    metric: Metric = "srcc",
    confidence: float = 0.95,
    replicates: int = 1000,
    seed: int = 0,
    targets: int = 1,
) -> Interval:
    """Compute the interval of the median over runs of the difference `predictions` − `others`, paired by run.

    Both sides of a pair are resampled together, which cancels the common effect of the test prompts. Arguments are
    those of `median_interval`. Run i of `others` has the split, and so the test rows, of run i of `predictions`. With
    several targets, all runs of the first target precede those of the second. A run's difference is its mean over
    the targets.

    Raises:
        ValueError: the two do not have the same number of runs, or the number is not a multiple of `targets`.

    Example:
        >>> truth, prompts = np.arange(40) % 5, np.arange(40) // 4
        >>> round(paired_interval([truth], [-truth], truth, prompts, replicates=100).estimate, 6)
        2.0
    """
    if len(predictions) % targets:
        raise ValueError(f"{len(predictions)} columns of predictions are not {targets} for every run")
    if len(predictions) != len(others):
        raise ValueError(f"{len(predictions)} runs and {len(others)}: a paired comparison needs equal numbers")
    sides = [_runs(side, truth, prompt_ids) for side in (predictions, others)]
    n_prompts = sides[0][1]
    runs = [side for side, _ in sides]
    return _bootstrap(runs, n_prompts, metric, confidence, replicates, seed, targets)


def _runs(
    predictions: Sequence[ArrayLike],
    truth: ArrayLike | Sequence[ArrayLike],
    prompt_ids: ArrayLike | Sequence[ArrayLike],
) -> tuple[list[_Run], int]:
    if not predictions:
        raise ValueError("an interval needs at least one run")
    truths, prompts = _per_run(truth, len(predictions)), _per_run(prompt_ids, len(predictions))
    names, codes = np.unique(np.concatenate(prompts), return_inverse=True)
    runs = []
    for prediction, true_scores, code in zip(
        predictions, truths, np.split(codes, np.cumsum([len(p) for p in prompts])[:-1]), strict=True
    ):
        run = _Run(np.asarray(prediction, np.float64), np.asarray(true_scores, np.float64), code)
        if not run.prediction.shape == run.truth.shape == run.prompts.shape or run.truth.ndim != 1:
            raise ValueError(
                f"a run has predictions {run.prediction.shape}, true scores {run.truth.shape} and "
                f"prompts {run.prompts.shape}; all must be (n,)"
            )
        runs.append(run)
    return runs, len(names)


def _per_run(values: ArrayLike | Sequence[ArrayLike], n_runs: int) -> list[NDArray[Any]]:
    """Return an array for every run: each run's own, or the same array for all."""
    if isinstance(values, (list, tuple)) and values and np.ndim(values[0]) == 1:
        if len(values) != n_runs:
            raise ValueError(f"{n_runs} runs of predictions, but {len(values)} of true scores or prompts")
        return [np.asarray(value) for value in values]
    return [np.asarray(values)] * n_runs


def _bootstrap(
    sides: Sequence[Sequence[_Run]],
    n_prompts: int,
    metric: Metric,
    confidence: float,
    replicates: int,
    seed: int,
    targets: int = 1,
) -> Interval:
    """Compute the interval of the median over runs of a single side, or of the first side minus the second."""
    if reason := _undefined_reason(sides, n_prompts):
        return Interval(nan, nan, nan, confidence, 0, reason)
    draws = np.random.default_rng(seed).integers(0, n_prompts, size=(replicates, n_prompts))
    counts = np.stack([np.bincount(draw, minlength=n_prompts) for draw in draws]).astype(np.float64)
    exact: dict[str, Callable[[FloatArray, FloatArray], float]] = {"srcc": srcc, "plcc": plcc}
    weighted = {"srcc": _weighted_srcc, "plcc": _weighted_plcc}[metric]

    estimate = _median_over_runs(
        [np.array([[exact[metric](run.prediction, run.truth)] for run in side]) for side in sides], targets
    )
    block = max(1, _BLOCK // max(len(run.truth) for run in sides[0]))
    resampled = np.concatenate(
        [
            _median_over_runs(
                [np.stack([weighted(run, part[:, run.prompts]) for run in side]) for side in sides], targets
            )
            for part in np.split(counts, range(block, replicates, block))
        ]
    )
    resampled = resampled[np.isfinite(resampled)]
    if not len(resampled):
        return Interval(nan, nan, nan, confidence, 0, "no resample has a correlation")
    low, high = np.quantile(resampled, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(float(estimate[0]), float(low), float(high), confidence, len(resampled))


def _undefined_reason(sides: Sequence[Sequence[_Run]], n_prompts: int) -> str | None:
    """Return the reason why there is no interval, or None."""
    if n_prompts < 2:
        return "a single prompt cannot be resampled"
    for run in (run for side in sides for run in side):
        if reason := undefined_because(run.prediction, run.truth):
            return reason
    return None


def _median_over_runs(sides: Sequence[FloatArray], targets: int = 1) -> FloatArray:
    """Return the median (R,) of one side's values, or of the differences of two, (targets · runs, R) each.

    A run's value is its mean over the targets.
    """
    values = sides[0] - sides[1] if len(sides) == 2 else sides[0]
    by_target = values.reshape(targets, -1, values.shape[-1])
    return np.asarray(np.median(by_target.mean(axis=0), axis=0))


def _weighted_plcc(run: _Run, weights: FloatArray) -> FloatArray:
    """Return Pearson's correlation (R,) in every resample with weights (R, n)."""
    x, y = run.prediction - run.prediction.mean(), run.truth - run.truth.mean()
    columns = np.stack((np.ones_like(x), x, y, x * x, y * y, x * y), axis=1)
    total, sx, sy, sxx, syy, sxy = (weights @ columns).T
    with np.errstate(invalid="ignore", divide="ignore"):
        spread_x, spread_y = sxx - sx * sx / total, syy - sy * sy / total
        # The spread of a constant resample is a rounding error, not 0.
        defined = (spread_x > _ROUNDING * sxx) & (spread_y > _ROUNDING * syy)
        return np.where(defined, (sxy - sx * sy / total) / np.sqrt(spread_x * spread_y), nan)


def _weighted_srcc(run: _Run, weights: FloatArray) -> FloatArray:
    """Return Spearman's correlation (R,) in every resample with weights (R, n)."""
    # Average ranks have the mean (total + 1) / 2 with any ties, so they are centred exactly.
    middle = (weights.sum(axis=1, keepdims=True) + 1) / 2
    x = _weighted_ranks(run.prediction, weights) - middle
    y = _weighted_ranks(run.truth, weights) - middle
    covariance = np.einsum("rn,rn,rn->r", weights, x, y)
    spread = np.einsum("rn,rn,rn->r", weights, x, x) * np.einsum("rn,rn,rn->r", weights, y, y)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(covariance / np.sqrt(spread))


def _weighted_ranks(values: FloatArray, weights: FloatArray) -> FloatArray:
    """Return the average rank (R, n) of every row in resamples that contain row i `weights[r, i]` times."""
    order = np.argsort(values, kind="stable")
    _, starts, group = np.unique(values[order], return_index=True, return_inverse=True)
    tied = np.add.reduceat(weights[:, order], starts, axis=1)
    ranks = np.cumsum(tied, axis=1) - (tied - 1) / 2
    group_of_row = np.empty_like(order)
    group_of_row[order] = group
    return np.asarray(ranks[:, group_of_row])
