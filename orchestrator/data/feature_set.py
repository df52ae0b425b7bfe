"""The features of a dataset's rows, as paths to what the store holds."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from orchestrator.data.array_files import StoredArray


class ArrayHandle(Protocol):
    """An array that a process can open: a file of the store, or something that stands for one elsewhere."""

    @property
    def rows(self) -> int:
        """Number of rows."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of a row."""

    @property
    def nbytes(self) -> int:
        """Size in bytes."""

    def open(self) -> NDArray[np.float16 | np.uint8]:
        """Return (rows, *shape) without a copy; the array is not to be written."""


@dataclass(frozen=True, eq=False)
class Feature:
    """An array and the array rows that belong to the data set's rows; None if they are the same rows."""

    array: ArrayHandle
    rows: NDArray[np.int64] | None = None

    @property
    def count(self) -> int:
        """N, how many rows the dataset has."""
        return self.array.rows if self.rows is None else len(self.rows)

    def read(self) -> NDArray[np.float16 | np.uint8]:
        """Return (N, *shape), memory-mapped if the rows are the same, otherwise a copy."""
        opened = self.array.open()
        return opened if self.rows is None else opened[self.rows]


@dataclass(frozen=True, eq=False)
class FeatureSet:
    """Features by name; small, and may be sent to any process that can open its arrays.

    Attributes:
        features: feature name (`image.map`, `prompt.embedding` …) → where it is stored.
        identity: kind → identity of the encoder that gave it, for every kind that had a part in it.
    """

    features: Mapping[str, Feature]
    identity: Mapping[str, str]

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of one row of each feature."""
        return {name: feature.array.shape for name, feature in self.features.items()}

    @property
    def nbytes(self) -> int:
        """Memory in bytes that `tensors` takes once every row has been read."""
        return sum(feature.array.nbytes * feature.count // feature.array.rows for feature in self.features.values())

    def tensors(self) -> dict[str, Tensor]:
        """Return each feature as (N, *shape), in row order, float16 or, for pixels, uint8; memory-mapped if large."""
        import torch

        with warnings.catch_warnings():
            # What several processes share is read-only, and nobody writes to features.
            warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
            return {name: torch.from_numpy(feature.read()) for name, feature in self.features.items()}

    def through(self, change: Callable[[StoredArray], ArrayHandle]) -> FeatureSet:
        """Return the same features with every stored array replaced by `change(array)`."""
        features = {name: replace(one, array=change(one.array)) for name, one in self.features.items()}  # type: ignore[arg-type]
        return replace(self, features=features)
