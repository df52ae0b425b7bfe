"""Features for nodes that do not see the feature store: through Ray's object store, once a node."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from orchestrator.cluster.unfit_node_errors import TrialDirNotVisible
from orchestrator.data.array_files import StoredArray

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from orchestrator.data import FeatureSet


@dataclass(frozen=True)
class SharedArray:
    """A stored array, and the object that stands for it where its file is not.

    Attributes:
        stored: the file; the name of its folder is unique to its content, so that one that is there is the right one.
        reference: Ray's, to the same array.
    """

    stored: StoredArray
    reference: Any

    @property
    def rows(self) -> int:
        """Number of rows."""
        return self.stored.rows

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of a row."""
        return self.stored.shape

    @property
    def nbytes(self) -> int:
        """Size in bytes."""
        return self.stored.nbytes

    def open(self) -> NDArray[np.float16 | np.uint8]:
        """Return (rows, *shape): the file, memory-mapped, or this node's copy of the object, read-only and mapped."""
        try:
            return self.stored.open()
        except (OSError, ValueError):
            import ray

            found: NDArray[np.float16 | np.uint8] = ray.get(self.reference)
            return found


class FeatureSharer:
    """Put arrays into Ray's object store, each once; they exist as long as this process."""

    def __init__(self, put: Callable[[Any], Any] | None = None) -> None:
        self._put = put
        self._references: dict[Path, Any] = {}

    def share(self, features: FeatureSet) -> FeatureSet:
        """Return the same features in a form that any node of the cluster can open."""
        return features.through(self._shared)

    def _shared(self, array: StoredArray) -> SharedArray:
        if array.path not in self._references:
            import ray

            put = self._put or ray.put
            self._references[array.path] = put(array.open().view(np.ndarray))
        return SharedArray(array, self._references[array.path])


def open_features(features: FeatureSet) -> dict[str, Tensor]:
    """Return the features by name, memory-mapped if they are files.

    Raises:
        TrialDirNotVisible: this node has neither the file nor an object in its place.
    """
    try:
        return features.tensors()
    except FileNotFoundError as error:  # no fault of the job's: the next one here would end by it as well
        raise TrialDirNotVisible(
            f"The node {socket.gethostname()} does not see {error.filename}. Let it see the folder HYPERASSESS_CACHE "
            "of the machine that began the sweep under the same path, or take the node out."
        ) from error


def files_of(*sets: FeatureSet) -> dict[Path, int]:
    """Return every file of the features, with its bytes."""
    arrays = [feature.array for one in sets for feature in one.features.values()]
    return {array.path: array.nbytes for array in arrays if isinstance(array, StoredArray)}
