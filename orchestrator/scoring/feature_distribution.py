"""Distance of images and prompts to those of the training, in the encoders' features."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.floating]

FEATURES = {"image": "image.statistics", "prompt": "prompt.embedding"}
"""Kind of input → the feature that its distance is measured in."""

_COMPONENTS = 32
"""Largest number of principal components.

More of them marked more coarse noise and bar charts, but fewer prompts in other languages (AGIQA-3K).
"""
_ROWS_PER_COMPONENT = 4
_MAX_ROWS = 4000
"""Largest number of rows that a distribution is fitted to, and that its limit is measured on."""
_QUANTILE = 0.99
_SHALLOW = 256
"""Number of channels of the statistics that are used, the shallowest first.

Deeper channels see what is depicted, and hardly respond to noise, blank images or pages of text.
"""
_RELATIVE_FLOOR = 0.01
_LARGEST = 1e3
"""Bound on a standardised value: distances stay finite."""


@dataclass(frozen=True, eq=False)
class FeatureDistribution:
    """Normal distribution of one feature over the training rows, by probabilistic PCA (Tipping & Bishop, 1999).

    Attributes:
        mean, scale: of each value over the training rows, (D,).
        components: principal components of the standardised values, (D, d).
        deviations: standard deviation along each component, (d,).
        residual: standard deviation along each other direction, (1,).
        limit: 99 % quantile of the validation rows' distances, (1,).
        floor: what is added to a channel's standard deviation before its logarithm is taken, (C,); empty for vectors
            that are used as they are.

    Example:
        >>> import numpy as np
        >>> rows = np.random.default_rng(0).normal(size=(400, 8))
        >>> distribution = FeatureDistribution.fit("prompt", rows[:300], rows[300:])
        >>> distribution.unlike(np.stack([rows[0], np.full(8, 9.0)])).tolist()
        [False, True]
    """

    mean: Array
    scale: Array
    components: Array
    deviations: Array
    residual: Array
    limit: Array
    floor: Array

    @classmethod
    def fit(cls, kind: str, train: Array, validation: Array) -> FeatureDistribution:
        """Fit the distribution to training rows (n, D) and its limit to validation rows (m, D); n, m at least 1.

        Args:
            kind: "image" or "prompt".
            train: the feature of the training rows.
            validation: the feature of rows that neither the model nor the distribution was fitted to.
        """
        import numpy as np

        train = train.astype("float64")
        floor = np.zeros(0)
        if kind == "image":
            spread = np.median(_halves(train)[1], axis=0)
            floor = _RELATIVE_FLOOR * np.where(spread > 0, spread, 1.0)
        values = _values(train, floor)
        mean, scale = values.mean(0), values.std(0)
        scale[scale < 1e-6 * np.maximum(np.abs(mean), 1.0)] = 1.0
        standardised = (values - mean) / scale
        variances, directions = np.linalg.eigh(standardised.T @ standardised / len(standardised))
        count = max(1, min(_COMPONENTS, len(values) // _ROWS_PER_COMPONENT, len(variances) - 1))
        kept, rest = variances[::-1][:count], variances[::-1][count:]
        residual = max(float(rest.mean()) if len(rest) else 0.0, 1e-3)
        fitted = [mean, scale, directions[:, ::-1][:, :count], np.sqrt(np.maximum(kept, residual))]
        fitted += [np.sqrt([residual]), np.zeros(1), floor]
        unlimited = cls(*(np.ascontiguousarray(array, dtype="float32") for array in fitted))
        limit = np.quantile(unlimited.distance(validation), _QUANTILE, method="higher")
        return cls(**{**unlimited.arrays(), "limit": np.array([limit], "float32")})

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array]) -> FeatureDistribution:
        """Return the distribution with these arrays; raise ValueError if they are not those of `arrays`."""
        import numpy as np

        names = [field.name for field in fields(cls)]
        if set(arrays) != set(names):
            raise ValueError(f"a feature distribution has {', '.join(names)}, not {', '.join(sorted(arrays))}")
        found = cls(**arrays)
        size, count = len(found.mean), len(found.deviations)
        shapes = [(size,), (size,), (size, count), (count,), (1,), (1,), found.floor.shape]
        if [arrays[name].shape for name in names] != shapes or len(found.floor) not in {0, size // 2}:
            raise ValueError("the arrays of a feature distribution do not fit together")
        if not all(np.isfinite(array).all() for array in arrays.values()):
            raise ValueError("a feature distribution is not finite")
        return found

    def arrays(self) -> dict[str, Array]:
        """Return the arrays by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def distance(self, rows: Array) -> NDArray[np.float64]:
        """Return the Mahalanobis distance (n,) of rows (n, D) to the training rows' mean."""
        import numpy as np

        values = (_values(rows.astype("float64"), self.floor) - self.mean) / self.scale
        values = np.clip(np.nan_to_num(values, nan=_LARGEST), -_LARGEST, _LARGEST)
        along = values @ self.components
        rest = np.maximum((values**2).sum(1) - (along**2).sum(1), 0.0) / self.residual**2
        distance: NDArray[np.float64] = np.sqrt(((along / self.deviations) ** 2).sum(1) + rest)
        return distance

    def unlike(self, rows: Array) -> NDArray[np.bool_]:
        """Return whether each of the rows (n, D) is further from the training rows than the limit, (n,)."""
        # A row of the training itself is encoded again with rounding differences of about 1e-4.
        further: NDArray[np.bool_] = self.distance(rows) > float(self.limit[0]) * (1 + 1e-3)
        return further


def thin_rows(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return row numbers (n,) that are enough for `FeatureDistribution.fit`: all, or 4,000 evenly spaced ones.

    Example:
        >>> import numpy as np
        >>> len(thin_rows(np.arange(9))), len(thin_rows(np.arange(100_000)))
        (9, 4000)
    """
    import numpy as np

    return rows[np.linspace(0, len(rows) - 1, min(len(rows), _MAX_ROWS)).astype("int64")]


def save_distributions(distributions: Mapping[str, FeatureDistribution], file: Path) -> None:
    """Write distributions, kind → distribution, as safetensors.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "features.safetensors"
        >>> save_distributions({}, file)
        >>> load_distributions(file)
        {}
    """
    from safetensors.numpy import save_file

    save_file(
        {f"{kind}.{name}": array for kind, one in distributions.items() for name, array in one.arrays().items()}, file
    )


def load_distributions(file: Path) -> dict[str, FeatureDistribution]:
    """Read distributions, kind → distribution.

    Raises:
        OSError, ValueError, SafetensorError: the file is missing or contains anything else.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "features.safetensors"
        >>> save_distributions({}, file)
        >>> sorted(load_distributions(file))
        []
    """
    from safetensors.numpy import load_file

    arrays: dict[str, dict[str, Array]] = {}
    for key, array in load_file(file).items():
        kind, _, name = key.partition(".")
        arrays.setdefault(kind, {})[name] = array
    if unknown := sorted(set(arrays) - set(FEATURES)):
        raise ValueError(f"{file.name} holds a distribution of {unknown[0]}")
    return {kind: FeatureDistribution.from_arrays(found) for kind, found in arrays.items()}


def _halves(rows: Array) -> tuple[Array, Array]:
    """Return means and standard deviations (n, C) of the shallowest channels, of statistics (n, 2 · channels)."""
    half = rows.shape[1] // 2
    channels = min(half, _SHALLOW)
    return rows[:, :channels], rows[:, half : half + channels]


def _values(rows: Array, floor: Array) -> Array:
    """Return the values (n, D) whose distribution is normal, nearly."""
    import numpy as np

    if not len(floor):
        return rows
    means, spreads = _halves(rows)
    return np.concatenate([means, np.log(np.maximum(spreads, 0.0) + floor)], 1)
