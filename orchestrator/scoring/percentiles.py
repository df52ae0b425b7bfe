"""Percentiles of scores within the scores that a model was trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_COUNT = 101


def quantiles_of(scores: NDArray[np.float64], targets: Sequence[str]) -> dict[str, tuple[float, ...]]:
    """Return the 0th to 100th percentile of each target's scores, by target.

    Args:
        scores: (n, T) in MOS units, n at least 1.
        targets: the T names of the columns.

    Example:
        >>> import numpy as np
        >>> quantiles = quantiles_of(np.array([[1.0], [3.0], [5.0]]), ["quality"])["quality"]
        >>> len(quantiles), quantiles[50]
        (101, 3.0)
    """
    import numpy as np

    quantiles = np.quantile(scores, np.linspace(0, 1, _COUNT), axis=0)
    return {target: tuple(quantiles[:, column].tolist()) for column, target in enumerate(targets)}


def percentiles(scores: NDArray[np.float32], quantiles: Sequence[float]) -> NDArray[np.float64]:
    """Return the percentage of the training scores below each score, 0 … 100; NaN if the score is NaN.

    The result is approximate: it is interpolated between two quantiles, and is the mean over equal quantiles.

    Args:
        scores: (n,) in MOS units.
        quantiles: ascending, evenly spaced in probability.

    Example:
        >>> import numpy as np
        >>> percentiles(np.array([0, 3, 9], np.float32), [1.0, 3.0, 5.0]).tolist()
        [0.0, 50.0, 100.0]
    """
    import numpy as np

    distinct, index = np.unique(np.asarray(quantiles, dtype="float64"), return_inverse=True)
    percentages = np.linspace(0, 100, len(quantiles))
    means = np.bincount(index, percentages) / np.bincount(index)
    inside = np.interp(scores, distinct, means)
    clamped = np.where(scores < distinct[0], 0.0, np.where(scores > distinct[-1], 100.0, inside))
    return np.where(np.isnan(scores), np.nan, clamped)


def from_tag(content: Mapping[str, object]) -> dict[str, tuple[float, ...]]:
    """Parse quantiles from the content of a registry's tag; targets with invalid quantiles are excluded.

    Example:
        >>> from_tag({"quality": [1, 2, 3], "alignment": [3, 2, 1]})
        {'quality': (1.0, 2.0, 3.0)}
    """
    import math

    by_target = {target: _floats(values) for target, values in content.items()}
    return {
        target: values
        for target, values in by_target.items()
        if len(values) > 1 and all(map(math.isfinite, values)) and list(values) == sorted(values)
    }


def _floats(values: object) -> tuple[float, ...]:
    """Return a list of numbers as floats; empty if `values` is anything else."""
    numbers = isinstance(values, (list, tuple)) and all(isinstance(value, (int, float)) for value in values)
    return tuple(map(float, values)) if numbers else ()  # type: ignore[call-overload]
