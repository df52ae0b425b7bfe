"""Where a score lies among the scores that a model was trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_COUNT = 101


def quantiles_of(scores: NDArray[np.float64], targets: Sequence[str]) -> dict[str, tuple[float, ...]]:
    """Target → the 0th to 100th percentile of its scores; scores are (n, T) in MOS units, n at least 1."""
    import numpy as np

    found = np.quantile(scores, np.linspace(0, 1, _COUNT), axis=0)
    return {target: tuple(found[:, column].tolist()) for column, target in enumerate(targets)}


def percentiles(scores: NDArray[np.float32], quantiles: Sequence[float]) -> NDArray[np.float64]:
    """Share of the training scores, 0 … 100, that lie below each score; NaN where the score is.

    Rough: between two quantiles it is interpolated, on a run of equal ones it is the run's middle.

    Args:
        scores: (n,) in MOS units.
        quantiles: ascending, evenly spaced in probability.
    """
    import numpy as np

    known, places = np.unique(np.asarray(quantiles, dtype="float64"), return_inverse=True)
    shares = np.linspace(0, 100, len(quantiles))
    middles = np.bincount(places, shares) / np.bincount(places)
    inside = np.interp(scores, known, middles)
    beyond = np.where(scores < known[0], 0.0, np.where(scores > known[-1], 100.0, inside))
    return np.where(np.isnan(scores), np.nan, beyond)


def from_tag(content: Mapping[str, object]) -> dict[str, tuple[float, ...]]:
    """Quantiles as a registry's tag holds them; a target's that make no sense are left out."""
    import math

    found = {target: _floats(values) for target, values in content.items()}
    return {
        target: values
        for target, values in found.items()
        if len(values) > 1 and all(map(math.isfinite, values)) and list(values) == sorted(values)
    }


def _floats(values: object) -> tuple[float, ...]:
    """A list of numbers; empty where it is anything else."""
    numbers = isinstance(values, (list, tuple)) and all(isinstance(value, (int, float)) for value in values)
    return tuple(map(float, values)) if numbers else ()  # type: ignore[call-overload]
