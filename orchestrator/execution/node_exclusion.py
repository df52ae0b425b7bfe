"""Exclusion of nodes that joined a running sweep and cannot run its jobs."""

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
    """A node does not answer which code it has: it has left, or is very busy."""


def can_exclude(node_id: str, excluded: Collection[str], wanted: PlacementGroupFactory) -> bool:
    """Return whether the sweep can exclude a node: another node must have room for a job.

    The driver's own node cannot be excluded, since the sweep lacks what it lacks.

    Args:
        node_id: Ray's id of the node.
        excluded: ids of the nodes that are excluded already.
        wanted: resources of a job.
    """
    if node_id in excluded:
        return True
    job = wanted.required_resources
    try:
        others = [node for node in ray.nodes() if node["NodeID"] not in {node_id, *excluded}]
        driver_node = ray.get_runtime_context().get_node_id()
    except Exception:  # the head may be unavailable for a moment
        logger.warning("The nodes of the cluster are not known", exc_info=True)
        return False
    return node_id != driver_node and slots_on(others, job.get("CPU", 1.0), job.get("GPU", 0.0)) > 0


def exclude_nodes(wanted: PlacementGroupFactory, excluded: Collection[str]) -> PlacementGroupFactory:
    """Return the same request on any node but these."""
    selector = {"ray.io/node-id": f"!in({','.join(sorted(excluded))})"}
    return PlacementGroupFactory(
        wanted.bundles, wanted.strategy, bundle_label_selector=[selector] * len(wanted.bundles)
    )


def mismatched_node(error: BaseException | None, excluded: Collection[str]) -> str | None:
    """Return the id of the node where a worker could not start, if the node has other code of this project.

    Args:
        error: Ray's exception for the worker.
        excluded: nodes that are known to have other code.

    Raises:
        NodeUnreachable: the node does not answer.
    """
    if not getattr(error, "actor_init_failed", False):
        return None
    try:
        node_id = str(ray._private.state.actors(error.actor_id)["Address"]["NodeID"])  # type: ignore[union-attr]
    except Exception:
        logger.warning("The node of a worker that could not start is not known", exc_info=True)
        return None
    try:
        return node_id if node_id in excluded or _has_other_code(node_id) else None
    except Exception as unanswered:
        logger.warning("The code of the node %s is not known", node_id, exc_info=True)
        raise NodeUnreachable from unanswered


def name_of(node_id: str) -> str:
    """Return a node's address and host name, or its id if it has left."""
    try:
        node = next(node for node in ray.nodes() if node["NodeID"] == node_id)
    except Exception:  # it has left, or the head is unavailable
        return node_id
    return f"{node['NodeManagerAddress']} ({node['NodeManagerHostname']})"


def _has_other_code(node_id: str) -> bool:
    on_node = NodeAffinitySchedulingStrategy(node_id=node_id, soft=False)
    answer = ray.remote(num_cpus=0, max_retries=0)(_digest).options(scheduling_strategy=on_node).remote()
    try:
        return bool(ray.get(answer, timeout=_ANSWER_SECONDS) != code_digest())
    except ray.exceptions.RayTaskError:  # its code has no `_digest`
        return True


def _digest() -> str:
    return code_digest()
