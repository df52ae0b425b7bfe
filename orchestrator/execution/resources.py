"""What every trial of a sweep gets of the cluster: CPUs, and a part of a GPU."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from orchestrator.cluster.session import require_slots, slots_on
from orchestrator.core.spec import SweepSpec
from orchestrator.execution.extreme_models import extreme_model
from orchestrator.execution.gpu_packing import ResourceShare, gpu_nodes, pack
from orchestrator.execution.job import Job
from orchestrator.execution.plan import Arm
from orchestrator.execution.prepare import PreparedSweep

if TYPE_CHECKING:
    from orchestrator.execution.sweep_context import SweepContext


def allocate_resources(
    prepared: PreparedSweep, task: SweepContext, arms: Sequence[Arm], say: Callable[[str], None]
) -> tuple[PreparedSweep, SweepContext, int]:
    """The sweep and its task with settled numbers of CPUs and GPUs, and how many trials fit side by side.

    This process is connected to the cluster.

    Args:
        prepared: the sweep.
        task: what its jobs share.
        arms: its searches, whose largest models are tried where the number of GPUs is left open.
        say: told how it was found.

    Raises:
        InputError: no GPU could be measured.
    """
    import ray

    spec = prepared.spec
    if spec.gpus_per_trial == "auto":
        jobs = largest_jobs(arms, task, spec.seed)
        share, how = pack(task, jobs, spec.cpus_per_trial, spec.concurrency, say)
        say(how)
    else:
        share = ResourceShare(spec.cpus_per_trial or _cpus_beside(spec.gpus), spec.gpus)
        if unused := 0 if share.gpus else sum(node["GPU"] for node in gpu_nodes(ray.nodes())):
            say(f"The cluster has {unused:g} GPUs that no trial uses; --gpus-per-trial auto shares them out.")
    settled = spec.model_copy(update={"cpus_per_trial": share.cpus, "gpus_per_trial": share.gpus})
    device = "cuda" if share.gpus else "cpu"
    task = replace(task, threads=settled.threads, device=device, gpus=share.gpus)
    return replace(prepared, spec=settled), task, require_slots(ray.nodes(), share.cpus, share.gpus)


def count_slots(spec: SweepSpec) -> Callable[[Collection[str]], int]:
    """How many trials of a sweep with settled numbers fit side by side on the cluster less some hosts; perhaps 0."""

    def room(left_out: Collection[str]) -> int:
        import ray

        nodes = [node for node in ray.nodes() if node["NodeID"] not in left_out]
        return slots_on(nodes, spec.cpus_per_trial or 1.0, spec.gpus)

    return room


def _cpus_beside(gpus: float) -> float:
    """CPUs of a trial with so many GPUs: as large a part of a node's as of its GPUs, and one at least."""
    import ray

    if not gpus:
        return 1.0
    shares = [int(node.get("CPU", 0) / node["GPU"] * gpus) for node in gpu_nodes(ray.nodes())]
    return float(max(1, min(shares, default=1)))


_TAKE_MEMORY = ("batch_size", "ema")
"""Settings of a training that take memory, the more the larger."""


def largest_jobs(arms: Sequence[Arm], task: SweepContext, seed: int) -> list[Job]:
    """Of every search the trainings that may take the most memory.

    Its largest model with its largest batches; with a fine-tuned backbone one of these for every setting of it at the
    ends of the space, for there the more is frozen, the less is taken.
    """
    jobs = []
    for arm in arms:
        configuration, _ = extreme_model(arm.space, arm.variant, arm.of, task.features.shapes, len(task.targets), True)
        corners = [corner for largest in (False, True) for corner in arm.space.corners(largest)]
        most = {name: max(corner.training.get(name, 0) for corner in corners) for name in _TAKE_MEMORY}
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
