"""Hosts that joined a running sweep and cannot run its jobs: it goes on without them."""

from __future__ import annotations

import logging
from collections.abc import Collection

import ray
from ray.tune import PlacementGroupFactory
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from orchestrator.execution.session import slots_on
from orchestrator.source_code import code_digest

logger = logging.getLogger(__name__)

_ANSWER_SECONDS = 20.0


def can_do_without(host: str, left_out: Collection[str], wanted: PlacementGroupFactory) -> bool:
    """Whether jobs fit on another host that is not left out. This one is never: what it lacks, the sweep lacks.

    Args:
        host: Ray's id of the node.
        left_out: ids of those that the sweep does without already.
        wanted: what a job asks for.
    """
    if host == ray.get_runtime_context().get_node_id():
        return False
    job = wanted.required_resources
    others = [node for node in ray.nodes() if node["NodeID"] not in {host, *left_out}]
    return slots_on(others, job.get("CPU", 1.0), job.get("GPU", 0.0)) > 0


def elsewhere(wanted: PlacementGroupFactory, left_out: Collection[str]) -> PlacementGroupFactory:
    """The same on any host but these."""
    selector = {"ray.io/node-id": f"!in({','.join(sorted(left_out))})"}
    return PlacementGroupFactory(
        wanted.bundles, wanted.strategy, bundle_label_selector=[selector] * len(wanted.bundles)
    )


def unfit_for(error: BaseException | None) -> str | None:
    """The id of the host where a worker could not even begin, if it has other code of this project; else None."""
    if not getattr(error, "actor_init_failed", False):
        return None
    try:
        host = str(ray._private.state.actors(error.actor_id)["Address"]["NodeID"])  # type: ignore[union-attr]
        return host if _has_other_code(host) else None
    except Exception:
        logger.warning("Which code the host has where a worker could not begin is not known", exc_info=True)
        return None


def name_of(host: str) -> str:
    """The host as people know it."""
    node = next((node for node in ray.nodes() if node["NodeID"] == host), None)
    return f"{node['NodeManagerAddress']} ({node['NodeManagerHostname']})" if node else host


def _has_other_code(host: str) -> bool:
    there = NodeAffinitySchedulingStrategy(node_id=host, soft=False)
    asked = ray.remote(num_cpus=0, max_retries=0)(_digest).options(scheduling_strategy=there).remote()
    try:
        return bool(ray.get(asked, timeout=_ANSWER_SECONDS) != code_digest())
    except ray.exceptions.RayTaskError as error:
        return isinstance(error.cause, ImportError | AttributeError)  # it has none


def _digest() -> str:
    return code_digest()
