"""How well predicted scores agree with mean opinion scores."""

from dataclasses import asdict, dataclass
from math import nan
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import kendalltau, rankdata

FloatArray = NDArray[np.float64]

_FEWEST_ROWS = 3
_FEWEST_ROWS_IN_GROUP = 5


@dataclass(frozen=True)
class Correlations:
    """Agreement of n predictions with their true scores.

    Attributes:
        srcc: Spearman's rank correlation, in [-1, 1].
        plcc: Pearson's correlation of the raw predictions (no logistic fit), in [-1, 1].
        krcc: Kendall's tau-b, in [-1, 1].
        rmse: root mean squared error, in the scores' units.
        reason: why the correlations are NaN; None where they are numbers.
    """

    srcc: float
    plcc: float
    krcc: float
    rmse: float
    reason: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


@dataclass(frozen=True)
class WithinGroup:
    """Mean SRCC inside groups, weighted by rows; NaN where `groups` is 0."""

    srcc: float
    groups: int
    rows: int


def correlations(prediction: ArrayLike, truth: ArrayLike) -> Correlations:
    """Compare predictions (n,) with true scores (n,).

    A constant or non-finite prediction, or fewer than 3 rows, has no correlation: NaN, with the reason.

    Raises:
        ValueError: the shapes differ or are not (n,).
    """
    x, y = _vectors(prediction, truth)
    reason = undefined_because(x, y)
    rmse = float(np.sqrt(np.mean((x - y) ** 2))) if len(x) and _finite(x) and _finite(y) else nan
    if reason is not None:
        return Correlations(nan, nan, nan, rmse, reason)
    krcc = float(kendalltau(x, y, method="asymptotic").statistic)
    return Correlations(_pearson(rankdata(x), rankdata(y)), _pearson(x, y), krcc, rmse)


def srcc(prediction: ArrayLike, truth: ArrayLike) -> float:
    """Spearman's rank correlation alone; NaN where `correlations` would give a reason."""
    x, y = _vectors(prediction, truth)
    return nan if undefined_because(x, y) else _pearson(rankdata(x), rankdata(y))


def plcc(prediction: ArrayLike, truth: ArrayLike) -> float:
    """Pearson's correlation alone; NaN where `correlations` would give a reason."""
    x, y = _vectors(prediction, truth)
    return nan if undefined_because(x, y) else _pearson(x, y)


def within_group_srcc(prediction: ArrayLike, truth: ArrayLike, groups: ArrayLike) -> WithinGroup:
    """Mean SRCC inside the groups of `groups` (n,), such as generators, weighted by their rows.

    A model that has only learned which generator made an image has none. Groups of fewer than 5 rows, or with
    constant predictions or scores, are left out.
    """
    x, y = _vectors(prediction, truth)
    # As text, so that a missing name beside others is a group and not an error.
    _, code = np.unique(np.asarray(groups).astype(str), return_inverse=True)
    if code.shape != x.shape:
        raise ValueError(f"groups are {code.shape}, the predictions {x.shape}")
    found: list[tuple[float, int]] = []
    for rows in np.split(np.argsort(code, kind="stable"), np.cumsum(np.bincount(code))[:-1]):
        if len(rows) >= _FEWEST_ROWS_IN_GROUP:
            inside = srcc(x[rows], y[rows])
            if np.isfinite(inside):
                found.append((inside, len(rows)))
    if not found:
        return WithinGroup(nan, 0, 0)
    values, sizes = zip(*found, strict=True)
    return WithinGroup(float(np.average(values, weights=sizes)), len(found), sum(sizes))


def undefined_because(prediction: FloatArray, truth: FloatArray) -> str | None:
    """Why these have no correlation, or None."""
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
