"""Hosts that joined a running sweep and cannot run its jobs: it goes on without them."""

from __future__ import annotations

import logging
from collections.abc import Collection

import ray
from ray.tune import PlacementGroupFactory
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from orchestrator.cluster.session import slots_on
from orchestrator.core.code_digest import code_digest

logger = logging.getLogger(__name__)

_ANSWER_SECONDS = 60.0


class NodeUnreachable(Exception):
    """A host does not say which code it has: it has left, or is very busy."""


def can_exclude(host: str, left_out: Collection[str], wanted: PlacementGroupFactory) -> bool:
    """Whether jobs fit on another host that is not left out. This one is never: what it lacks, the sweep lacks.

    Args:
        host: Ray's id of the node.
        left_out: ids of those that the sweep does without already.
        wanted: what a job asks for.
    """
    if host in left_out:
        return True
    job = wanted.required_resources
    try:
        others = [node for node in ray.nodes() if node["NodeID"] not in {host, *left_out}]
        here = ray.get_runtime_context().get_node_id()
    except Exception:  # a head that is away for a moment
        logger.warning("Which hosts there are is not known", exc_info=True)
        return False
    return host != here and slots_on(others, job.get("CPU", 1.0), job.get("GPU", 0.0)) > 0


def exclude_nodes(wanted: PlacementGroupFactory, left_out: Collection[str]) -> PlacementGroupFactory:
    """The same on any host but these."""
    selector = {"ray.io/node-id": f"!in({','.join(sorted(left_out))})"}
    return PlacementGroupFactory(
        wanted.bundles, wanted.strategy, bundle_label_selector=[selector] * len(wanted.bundles)
    )


def mismatched_node(error: BaseException | None, left_out: Collection[str]) -> str | None:
    """The id of the host where a worker could not even begin, if that has other code of this project; else None.

    Args:
        error: what Ray says of the worker.
        left_out: hosts of which that is known.

    Raises:
        Silent: the host does not answer.
    """
    if not getattr(error, "actor_init_failed", False):
        return None
    try:
        host = str(ray._private.state.actors(error.actor_id)["Address"]["NodeID"])  # type: ignore[union-attr]
    except Exception:
        logger.warning("Where a worker could not begin is not known", exc_info=True)
        return None
    try:
        return host if host in left_out or _has_other_code(host) else None
    except Exception as silence:
        logger.warning("Which code the host %s has is not known", host, exc_info=True)
        raise NodeUnreachable from silence


def name_of(host: str) -> str:
    """The host as people know it."""
    try:
        node = next(node for node in ray.nodes() if node["NodeID"] == host)
    except Exception:  # it has left, or the head is away
        return host
    return f"{node['NodeManagerAddress']} ({node['NodeManagerHostname']})"


def _has_other_code(host: str) -> bool:
    there = NodeAffinitySchedulingStrategy(node_id=host, soft=False)
    asked = ray.remote(num_cpus=0, max_retries=0)(_digest).options(scheduling_strategy=there).remote()
    try:
        return bool(ray.get(asked, timeout=_ANSWER_SECONDS) != code_digest())
    except ray.exceptions.RayTaskError:  # it cannot even be asked
        return True


def _digest() -> str:
    return code_digest()
