"""Resources of a sweep's trials: CPUs, and GPUs or a part of one."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from orchestrator.cluster.session import require_slots, slots_on
from orchestrator.core.spec import SweepSpec
from orchestrator.execution.extreme_models import extreme_model
from orchestrator.execution.gpu_packing import ResourceShare, gpu_nodes, pack
from orchestrator.execution.job import Job
from orchestrator.execution.plan import Arm
from orchestrator.execution.prepare import PreparedSweep

if TYPE_CHECKING:
    from orchestrator.execution.sweep_context import SweepContext

Nodes = Callable[[], Sequence[dict[str, Any]]]
"""Function that returns the nodes of the cluster as `ray.nodes()` does."""


def allocate_resources(
    prepared: PreparedSweep,
    arms: Sequence[Arm],
    probe_context: Callable[[], SweepContext],
    nodes: Nodes,
    report: Callable[[str], None],
) -> tuple[PreparedSweep, int]:
    """Return the sweep with settled numbers of CPUs and GPUs, and how many of its trials fit in parallel.

    Args:
        prepared: the sweep.
        arms: its searches, whose largest models are measured if the number of GPUs is "auto".
        probe_context: returns what the jobs share, to measure these models.
        nodes: returns the nodes of the cluster.
        report: called with a sentence on how the numbers were settled.

    Raises:
        InputError: no GPU could be measured, or no node has room for a trial.
    """
    spec = prepared.spec
    if spec.gpus_per_trial == "auto":
        context = probe_context()
        jobs = largest_jobs(arms, context, spec.seed)
        share, how = pack(context, jobs, spec.cpus_per_trial, spec.concurrency, report)
        report(how)
    else:
        share = ResourceShare(spec.cpus_per_trial or _proportional_cpus(spec.gpus, nodes), spec.gpus)
        if unused := 0 if share.gpus else sum(node["GPU"] for node in gpu_nodes(nodes())):
            report(f"The cluster has {unused:g} GPUs that no trial uses; --gpus-per-trial auto shares them out.")
    settled = spec.model_copy(update={"cpus_per_trial": share.cpus, "gpus_per_trial": share.gpus})
    return replace(prepared, spec=settled), require_slots(nodes(), share.cpus, share.gpus)


def count_slots(spec: SweepSpec, nodes: Nodes) -> Callable[[Collection[str]], int]:
    """Return a function that counts how many of the sweep's trials fit in parallel without the given nodes."""

    def count(excluded_nodes: Collection[str]) -> int:
        included = [node for node in nodes() if node["NodeID"] not in excluded_nodes]
        return slots_on(included, spec.cpus_per_trial or 1.0, spec.gpus)

    return count


def _proportional_cpus(gpus: float, nodes: Nodes) -> float:
    """Return the CPUs of a trial with `gpus` GPUs: the same share of a node's CPUs as of its GPUs, at least one."""
    if not gpus:
        return 1.0
    shares = [int(node.get("CPU", 0) / node["GPU"] * gpus) for node in gpu_nodes(nodes())]
    return float(max(1, min(shares, default=1)))


_MEMORY_SETTINGS = ("batch_size", "ema")
"""Settings of a training that increase its memory."""


def largest_jobs(arms: Sequence[Arm], context: SweepContext, seed: int) -> list[Job]:
    """Return the trainings of every search that may take the most memory.

    They are of its largest model with its largest batches. With a fine-tuned backbone there is one for every setting
    of it at the ends of the space, since more frozen layers take less memory.
    """
    jobs = []
    for arm in arms:
        shapes, targets = context.features.shapes, len(context.targets)
        configuration, _ = extreme_model(arm.space, arm.variant, arm.of, shapes, targets, True)
        corners = [corner for largest in (False, True) for corner in arm.space.corners(largest)]
        most = {name: max(corner.training.get(name, 0) for corner in corners) for name in _MEMORY_SETTINGS}
        training = {**configuration.training, **{name: value for name, value in most.items() if value}, "epochs": 2}
        backbones = {repr(corner.backbone): corner.backbone for corner in corners}
        jobs += [
            Job(
                study=arm.study,
                number=0,
                variant=arm.variant,
                control_of=arm.of,
                model=configuration.model,
                training=training,
                split=0,
                seed=seed,
                test=False,
                backbone=backbone,
            )
            for backbone in backbones.values()
        ]
    return jobs
