"""The features of a dataset's rows, as paths to what the store holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.data.arrays import StoredArray

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class Feature:
    """A stored array, and which of its rows belong to the dataset's rows; None: they are the same."""

    array: StoredArray
    rows: NDArray[np.int64] | None = None

    @property
    def count(self) -> int:
        """N, how many rows the dataset has."""
        return self.array.rows if self.rows is None else len(self.rows)

    def read(self) -> NDArray[np.float16 | np.uint8]:
        """(N, *shape), memory-mapped where the rows are the same, else a copy."""
        opened = self.array.open()
        return opened if self.rows is None else opened[self.rows]


@dataclass(frozen=True, eq=False)
class FeatureSet:
    """Features by name; small, and may be sent to any process that sees the same disk.

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
        """What `tensors` takes of memory once every row has been read."""
        return sum(feature.array.nbytes * feature.count // feature.array.rows for feature in self.features.values())

    def tensors(self) -> dict[str, Tensor]:
        """Each feature as (N, *shape), in the dataset's order, float16 or, of pixels, uint8; memory-mapped if large."""
        import torch

        return {name: torch.from_numpy(feature.read()) for name, feature in self.features.items()}
