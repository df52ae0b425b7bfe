"""Features on a node that does not see the feature store: the first batch, and how often they lie in its memory.

AGIQA-3K's size by ResNet-50: 2,982 rows of a map (2048, 7, 7) and of levels (34,000), float16, 0.8 GB. The files are
gone once they are in the object store, so that every process has to take the object. Four processes on a second node
take their first batch of 64 rows, one after the other.
"""

import tempfile
import time
from pathlib import Path

import numpy as np
import ray
from ray.cluster_utils import Cluster
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from orchestrator.cluster.shared_features import FeatureSharer
from orchestrator.data.array_files import StoredArray
from orchestrator.data.feature_set import Feature, FeatureSet

_ROWS = 2982
_SHAPES = {"image.map": (2048, 7, 7), "image.levels": (34_000,)}
_STORE = 2 * 10**9


@ray.remote(num_cpus=1)
class _Process:
    def first_batch(self, features: FeatureSet) -> tuple[float, int]:
        """Return seconds to a batch in this process's own memory, and bytes of private memory that it took."""
        import torch

        rows = torch.arange(0, _ROWS, _ROWS // 64)[:64]
        before, began = _private(), time.perf_counter()
        self._tensors = features.tensors()
        self._batch = [tensor.index_select(0, rows).float() for tensor in self._tensors.values()]
        seconds = time.perf_counter() - began
        for tensor in self._tensors.values():
            tensor.max()  # every byte is read
        return seconds, _private() - before

    def ready(self) -> None:
        import torch  # noqa: F401


def _private() -> int:
    for line in Path("/proc/self/smaps_rollup").read_text(encoding="utf-8").splitlines():
        if line.startswith("Private_Dirty:"):
            return int(line.split()[1]) * 1024
    return 0


def _shared() -> int:
    """Return bytes of this machine's shared memory, which holds both nodes' object stores."""
    line = next(
        line for line in Path("/proc/meminfo").read_text(encoding="utf-8").splitlines() if line.startswith("Shmem:")
    )
    return int(line.split()[1]) * 1024


def _write(folder: Path) -> FeatureSet:
    features = {}
    for name, shape in _SHAPES.items():
        array = StoredArray(folder / f"{name}.npy", _ROWS, shape)
        file = np.lib.format.open_memmap(array.path, mode="w+", dtype="float16", shape=(_ROWS, *shape))
        file[:] = np.float16(0.5)
        del file
        features[name] = Feature(array)
    return FeatureSet(features, {})


def main() -> None:
    cluster = Cluster()
    cluster.add_node(num_cpus=0, object_store_memory=_STORE)
    second = cluster.add_node(num_cpus=4, object_store_memory=_STORE)
    ray.init(address=cluster.address, log_to_driver=False)
    try:
        with tempfile.TemporaryDirectory() as folder:
            features = _write(Path(folder))
            began, empty = time.perf_counter(), _shared()
            shared = FeatureSharer().share(features)
            print(f"{features.nbytes / 1e9:.2f} GB put into the object store in {time.perf_counter() - began:.2f} s")
        put = _shared() - empty
        there = NodeAffinitySchedulingStrategy(node_id=second.node_id, soft=False)
        processes = [_Process.options(scheduling_strategy=there).remote() for _ in range(4)]
        ray.get([process.ready.remote() for process in processes])
        for number, process in enumerate(processes, start=1):
            seconds, private = ray.get(process.first_batch.remote(shared))
            print(f"process {number}: first batch after {seconds:.2f} s, {private / 1e6:.0f} MB of its own memory")
        first, second_has = put / features.nbytes, (_shared() - empty - put) / features.nbytes
        print(f"copies: {first:.2f} on the first node, {second_has:.2f} on the second")
    finally:
        ray.shutdown()
        cluster.shutdown()
