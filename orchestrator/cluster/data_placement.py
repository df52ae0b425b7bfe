"""Placement of a sweep's data: which files every node sees, and which arrays go through Ray's object store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from orchestrator.cluster.shared_features import FeatureSharer, files_of
from orchestrator.core.code_digest import code_digest
from orchestrator.core.disk_space import format_bytes
from orchestrator.core.errors import InputError
from orchestrator.core.object_store import ObjectStore, ObjectStoreUnavailable
from orchestrator.data.feature_store import PIXELS

if TYPE_CHECKING:
    from orchestrator.data import FeatureSet

_ANSWER_SECONDS = 90.0
_USABLE = 0.9
"""Share of an object store that may be filled; Ray's own messages need the rest."""


@dataclass(frozen=True)
class NodeProbe:
    """Result of a node's probe.

    Attributes:
        name: its address.
        store: bytes of its object store.
        unseen: the files among those asked for that it cannot read.
        sees_folder: whether the sweep's folder is there.
        trouble: why it cannot use the storage; None if it can or there is no storage.
        code: digest of this project's code as the node has it; None if not asked for.
    """

    name: str
    store: int
    unseen: tuple[Path, ...]
    sees_folder: bool
    trouble: str | None = None
    code: str | None = None


def distribute_features(features: Sequence[FeatureSet], trials: Path, storage: ObjectStore | None) -> list[FeatureSet]:
    """Return the features in a form that every node of the joined cluster can open.

    Each array goes into Ray's object store. A node without the array's file fetches the object once, when its
    first job opens it. Such a node may join at any time. The files alone are used only if every current node sees
    them and the object stores are too small.

    Args:
        features: of every data set that the sweep reads.
        trials: the folder of the sweep's trials; created if missing.
        storage: the object store used instead of the folder, if any.

    Raises:
        InputError: a node has other code, sees neither folder nor storage, or its object store is too small for the
            features.
    """
    trials.mkdir(parents=True, exist_ok=True)
    files = files_of(*features)
    views = probe_nodes(trials, tuple(files), storage)
    check(views, files, trials, storage)
    if len(views) > 1 and not any(view.unseen for view in views) and not _fits(views, files):
        return list(features)
    sharing = FeatureSharer()
    return [sharing.share(one) for one in features]


def _fits(views: Sequence[NodeProbe], files: Mapping[Path, int]) -> bool:
    return sum(files.values()) <= _USABLE * min(view.store for view in views)


def check(views: Sequence[NodeProbe], files: Mapping[Path, int], trials: Path, storage: ObjectStore | None) -> None:
    """Raise InputError, in a sentence, for the first node that could not run a job."""
    for view in views:
        if view.code not in {None, code_digest()}:
            raise InputError(
                f"The node {view.name} has other code of this project than this host, or none: bring both to the same, "
                "and have the node leave and join again."
            )
        if view.trouble:
            raise InputError(
                f"The node {view.name} cannot use the storage: {view.trouble} Set AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID "
                "and AWS_SECRET_ACCESS_KEY where the node's Ray is started, or give a folder that it sees."
            )
        if storage is None and not view.sees_folder:
            raise InputError(
                f"The node {view.name} does not see {trials}: give --storage-path a folder that all nodes see, or "
                "s3://BUCKET/PREFIX."
            )
        needed = sum(files[path] for path in view.unseen)
        if needed > _USABLE * view.store:
            pixels = any(path.stem == PIXELS.partition(".")[2] for path in view.unseen)
            what = "decoded images that --backbone finetune reads" if pixels else "features"
            raise InputError(
                f"The {what} take {format_bytes(needed)}, which do not fit the object store of the node {view.name} "
                f"({format_bytes(view.store)}): start its Ray with --object-store-memory {int(needed * 1.25)}, or let "
                "it see the folder HYPERASSESS_CACHE of this machine under the same path."
            )


def probe_nodes(trials: Path, files: tuple[Path, ...], storage: ObjectStore | None) -> list[NodeProbe]:
    """Probe every node of the cluster; a node that does not answer has left, or fails with its first job."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    look = ray.remote(num_cpus=0, max_retries=0)(_look)
    asked: dict[Any, dict[str, Any]] = {}
    with _marked(trials) as marker:
        for node in ray.nodes():
            if node["Alive"]:
                there = NodeAffinitySchedulingStrategy(node_id=node["NodeID"], soft=False)
                asked[look.options(scheduling_strategy=there).remote(marker, files, storage)] = node
        answered, _ = ray.wait(list(asked), num_returns=len(asked), timeout=_ANSWER_SECONDS)
    views = []
    for call in answered:
        node = asked[call]
        name = f"{node['NodeManagerAddress']} ({node['NodeManagerHostname']})"
        try:
            unseen, sees_folder, trouble, code = ray.get(call)
        except ray.exceptions.RayTaskError as error:
            unseen, sees_folder, trouble, code = (), False, str(error.cause), None
            if isinstance(error.cause, ImportError | AttributeError | TypeError):
                trouble, code = None, ""  # it has another `_look`, or none
        except ValueError:  # and this one's says less
            unseen, sees_folder, trouble, code = (), False, None, ""
        except ray.exceptions.RayError:
            continue
        store = int(node["Resources"].get("object_store_memory", 0))
        views.append(NodeProbe(name, store, unseen, sees_folder, trouble, code))
    return views


@contextmanager
def _marked(folder: Path) -> Iterator[Path]:
    """Yield a file with a new name: clients of a file server remember for a minute which names exist."""
    marker = folder / f".seen-{uuid4().hex}"
    marker.write_bytes(b"HyperAssess")
    try:
        yield marker
    finally:
        marker.unlink(missing_ok=True)


def _look(
    marker: Path, files: tuple[Path, ...], storage: ObjectStore | None
) -> tuple[tuple[Path, ...], bool, str | None, str]:
    """Probe this node; runs as a Ray task. Another folder of the same name does not hold the marker."""
    unseen = tuple(path for path in files if not _readable(path))
    sees = _readable(marker)
    trouble = None
    if storage is not None:
        try:
            storage.check()
        except ObjectStoreUnavailable as error:
            trouble = str(error)
    return unseen, sees, trouble, code_digest()


def _readable(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return bool(file.read(1))
    except OSError:
        return False
