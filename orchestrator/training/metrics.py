"""Correlations of predicted scores with mean opinion scores."""

from dataclasses import asdict, dataclass
from math import nan
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]

_FEWEST_ROWS = 3
_FEWEST_ROWS_IN_GROUP = 5


@dataclass(frozen=True)
class Correlations:
    """Correlations and error of n predictions with respect to their true scores.

    Attributes:
        srcc: Spearman's rank correlation, in [-1, 1].
        plcc: Pearson's correlation of the raw predictions (no logistic fit), in [-1, 1].
        krcc: Kendall's tau-b, in [-1, 1].
        rmse: root mean squared error, in the scores' units.
        reason: reason why the correlations are NaN; None if they are numbers.

    Example:
        >>> Correlations(srcc=0.8, plcc=0.7, krcc=0.6, rmse=0.5).as_dict()["srcc"]
        0.8
    """

    srcc: float
    plcc: float
    krcc: float
    rmse: float
    reason: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as plain values."""
        return asdict(self)


@dataclass(frozen=True)
class WithinGroup:
    """Mean SRCC within groups, weighted by rows; NaN if `groups` is 0.

    Example:
        >>> WithinGroup(srcc=0.8, groups=2, rows=20).groups
        2
    """

    srcc: float
    groups: int
    rows: int


def correlations(prediction: ArrayLike, truth: ArrayLike) -> Correlations:
    """Compare predictions (n,) with true scores (n,).

    For constant or non-finite values, or fewer than 3 rows, the correlations are NaN and `reason` is set.

    Raises:
        ValueError: the shapes differ or are not (n,).

    Example:
        >>> round(correlations([1, 2, 3, 5], [1, 2, 3, 4]).srcc, 6)
        1.0
        >>> correlations([1, 1, 1], [1, 2, 3]).reason
        'predictions are constant'
    """
    x, y = _vectors(prediction, truth)
    reason = undefined_because(x, y)
    rmse = float(np.sqrt(np.mean((x - y) ** 2))) if len(x) and _finite(x) and _finite(y) else nan
    if reason is not None:
        return Correlations(nan, nan, nan, rmse, reason)
    from scipy.stats import kendalltau, rankdata  # its import takes half a second, and few commands correlate

    krcc = float(kendalltau(x, y, method="asymptotic").statistic)
    return Correlations(_pearson(rankdata(x), rankdata(y)), _pearson(x, y), krcc, rmse)


def srcc(prediction: ArrayLike, truth: ArrayLike) -> float:
    """Compute Spearman's rank correlation alone; NaN if `correlations` would have a reason.

    Example:
        >>> round(srcc([1, 2, 3, 5], [4, 3, 2, 1]), 6)
        -1.0
    """
    from scipy.stats import rankdata

    x, y = _vectors(prediction, truth)
    return nan if undefined_because(x, y) else _pearson(rankdata(x), rankdata(y))


def plcc(prediction: ArrayLike, truth: ArrayLike) -> float:
    """Compute Pearson's correlation alone; NaN if `correlations` would have a reason.

    Example:
        >>> round(plcc([1, 2, 3], [2, 4, 6]), 6)
        1.0
    """
    x, y = _vectors(prediction, truth)
    return nan if undefined_because(x, y) else _pearson(x, y)


def within_group_srcc(prediction: ArrayLike, truth: ArrayLike, groups: ArrayLike) -> WithinGroup:
    """Compute the mean SRCC within the groups of `groups` (n,), such as generators, weighted by their rows.

    A model that has only learned to recognise an image's generator has no correlation within groups. Groups of fewer
    than 5 rows, or with constant predictions or scores, are excluded.

    Raises:
        ValueError: the shapes differ or are not (n,).

    Example:
        >>> result = within_group_srcc([1, 2, 3, 4, 5, 9], [1, 2, 3, 4, 5, 0], ["sd"] * 5 + ["dalle"])
        >>> round(result.srcc, 6), result.groups, result.rows
        (1.0, 1, 5)
    """
    x, y = _vectors(prediction, truth)
    # As text, so that a missing name among others is a group and not an error.
    _, code = np.unique(np.asarray(groups).astype(str), return_inverse=True)
    if code.shape != x.shape:
        raise ValueError(f"groups are {code.shape}, the predictions {x.shape}")
    correlated: list[tuple[float, int]] = []
    for rows in np.split(np.argsort(code, kind="stable"), np.cumsum(np.bincount(code))[:-1]):
        if len(rows) >= _FEWEST_ROWS_IN_GROUP:
            inside = srcc(x[rows], y[rows])
            if np.isfinite(inside):
                correlated.append((inside, len(rows)))
    if not correlated:
        return WithinGroup(nan, 0, 0)
    values, sizes = zip(*correlated, strict=True)
    return WithinGroup(float(np.average(values, weights=sizes)), len(correlated), sum(sizes))


def undefined_because(prediction: FloatArray, truth: FloatArray) -> str | None:
    """Return the reason why predictions (n,) and true scores (n,) have no correlation, or None.

    Example:
        >>> undefined_because(np.zeros(2), np.zeros(2))
        'fewer than 3 rows'
    """
    if len(prediction) < _FEWEST_ROWS:
        return f"fewer than {_FEWEST_ROWS} rows"
    for values, what in ((prediction, "predictions"), (truth, "true scores")):
        if not _finite(values):
            return f"{what} are not finite"
        if np.ptp(values) == 0:
            return f"{what} are constant"
    return None


def _vectors(prediction: ArrayLike, truth: ArrayLike) -> tuple[FloatArray, FloatArray]:
    x, y = np.asarray(prediction, dtype=np.float64), np.asarray(truth, dtype=np.float64)
    if x.ndim != 1 or x.shape != y.shape:
        raise ValueError(f"predictions are {x.shape} and true scores {y.shape}; both must be (n,)")
    return x, y


def _finite(values: FloatArray) -> bool:
    return bool(np.isfinite(values).all())


def _pearson(x: FloatArray, y: FloatArray) -> float:
    x, y = _unit(x), _unit(y)
    return float(np.clip(x @ y, -1.0, 1.0))


def _unit(values: FloatArray) -> FloatArray:
    # An exact scaling by a power of two first keeps the squares of very large and very small values in range.
    values = np.ldexp(values, -int(np.frexp(np.abs(values).max())[1]))
    centred = values - values.mean()
    centred = centred / np.abs(centred).max()
    return centred / np.linalg.norm(centred)
