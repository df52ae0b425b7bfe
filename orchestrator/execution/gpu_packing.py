"""How many trials share a GPU, and how each is kept to its share.

A probe on a GPU of the cluster trains the space's largest models for a few batches and looks at the memory they took;
as many trials as fit beside one another, with a margin, share a GPU from then on.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from orchestrator.core.errors import InputError, reason
from orchestrator.execution.gpu_memory import CONTEXT_BYTES

if TYPE_CHECKING:
    from orchestrator.execution.job import Job
    from orchestrator.execution.sweep_context import SweepContext

MARGIN = 0.1
"""Share of a GPU's memory that no trial is promised."""

_PROBE_BATCHES = 3
_SECONDS, _PATIENCE = 60.0, 900.0
"""That a probe may take before it is said that it waits, and in all."""

_FINEST = 10_000
"""Ray divides a GPU into so many parts."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ResourceShare:
    """What one trial gets.

    Attributes:
        cpus: CPUs; as many threads, rounded down, and at least one.
        gpus: GPUs, or the part of one.
    """

    cpus: float
    gpus: float


@dataclass(frozen=True)
class GpuProbe:
    """What the probe saw on one GPU.

    Attributes:
        gpu: its name.
        total: bytes of memory that it has.
        peak: bytes that the largest trial took at most, with what its process takes beside.
        fits: False where the largest model ran out of memory with the GPU to itself.
    """

    gpu: str
    total: int
    peak: int
    fits: bool = True


def trials_per_gpu(measured: GpuProbe, cpus_per_gpu: float, cpus: float | None, concurrency: int | None) -> int:
    """How many of the largest trials share one GPU; 1 at least.

    Args:
        measured: by the probe.
        cpus_per_gpu: CPUs that there are for every GPU of a node.
        cpus: CPUs that a trial was given; None where it takes what there is, and one at least.
        concurrency: trials at a time for every GPU, if that is limited.
    """
    if not measured.fits:
        return 1
    limits = [measured.total * (1 - MARGIN) // measured.peak, cpus_per_gpu // (cpus or 1.0)]
    return max(1, int(min(limits + ([concurrency] if concurrency else []))))


def share_of(per_gpu: int, cpus_per_gpu: float, cpus: float | None) -> ResourceShare:
    """A trial's part where `per_gpu` of them share a GPU: the CPUs go round as well, unless their number was given."""
    return ResourceShare(
        cpus=cpus or float(max(1, int(cpus_per_gpu // per_gpu))), gpus=math.floor(_FINEST / per_gpu) / _FINEST
    )


def gpu_nodes(nodes: Sequence[dict[str, Any]]) -> list[dict[str, float]]:
    """Resources of the living nodes that have a GPU, from what `ray.nodes()` says."""
    return [node["Resources"] for node in nodes if node["Alive"] and node["Resources"].get("GPU", 0) >= 1]


def pack(
    task: SweepContext, jobs: Sequence[Job], cpus: float | None, concurrency: int | None, say: Callable[[str], None]
) -> tuple[ResourceShare, str]:
    """The share of a trial on the cluster that this process is connected to, and a sentence on how it was found.

    Args:
        task: what the jobs share; its device is a GPU's.
        jobs: the largest ones.
        cpus: CPUs that a trial was given; None for what there is.
        concurrency: trials at a time, if that is limited.
        say: told that every GPU is taken.

    Raises:
        InputError: the probe failed, and not for want of memory; or no GPU was free.
    """
    import ray

    nodes = gpu_nodes(ray.nodes())
    if not nodes:
        return ResourceShare(cpus or 1.0, 0.0), "The cluster has no GPU: trials run on CPUs."
    cpus_per_gpu = min(node.get("CPU", 0) / node["GPU"] for node in nodes)
    gpus = int(sum(node["GPU"] for node in nodes))
    probe = ray.remote(num_gpus=1, num_cpus=min(1.0, cpus_per_gpu), max_calls=1)(measure)
    call = probe.remote(replace(task, device="cuda"), list(jobs))
    if not ray.wait([call], timeout=_SECONDS)[0]:
        say(f"Waiting for a GPU to measure the largest trial on, for {_PATIENCE / 60:.0f} minutes in all.")
        if not ray.wait([call], timeout=_PATIENCE - _SECONDS)[0]:
            ray.cancel(call, force=True)
            raise InputError("--gpus-per-trial auto: no GPU was free to measure the largest trial on; name a number.")
    try:
        measured: GpuProbe = ray.get(call)
    except Exception as error:  # whatever befalls a process on another machine
        raise InputError(
            f"--gpus-per-trial auto: the probe of a GPU failed ({reason(error)}); name a number."
        ) from error
    per_gpu = trials_per_gpu(measured, cpus_per_gpu, cpus, math.ceil(concurrency / gpus) if concurrency else None)
    share = share_of(per_gpu, cpus_per_gpu, cpus)
    logger.info("packing: %s", {**asdict(measured), **asdict(share), "trials_per_gpu": per_gpu})
    return share, _sentence(measured, per_gpu, share)


def _sentence(measured: GpuProbe, per_gpu: int, share: ResourceShare) -> str:
    total = measured.total / 1e9
    if not measured.fits:
        return (
            f"The space's largest model does not fit in a {measured.gpu} ({total:.1f} GB): such trials end as "
            "infeasible, the others have a GPU each."
        )
    together = "one trial" if per_gpu == 1 else f"{per_gpu} trials"
    return (
        f"The largest trial takes {measured.peak / 1e9:.1f} GB of a {measured.gpu} ({total:.1f} GB): {together} a GPU, "
        f"{share.cpus:g} CPU{'s' if share.cpus != 1 else ''} each."
    )


def measure(task: SweepContext, jobs: Sequence[Job]) -> GpuProbe:
    """Trains each job for a few batches and evaluates it; in a process that has a GPU to itself."""
    import torch

    task.plugins.load(same_code=task.code is not None)
    properties = torch.cuda.get_device_properties(0)
    peak, fits = 0, True
    for job in jobs:
        try:
            _short_training(task, job)
        except torch.OutOfMemoryError:
            fits = False
        peak = max(peak, torch.cuda.max_memory_reserved())
        torch.cuda.empty_cache()
    free, total = torch.cuda.mem_get_info()
    beside = total - free - torch.cuda.memory_reserved()
    return GpuProbe(properties.name, total, peak + max(beside, CONTEXT_BYTES), fits)


def _short_training(task: SweepContext, job: Job) -> None:
    import torch

    from orchestrator.execution.training_job import build_model
    from orchestrator.training.settings import FitSettings
    from orchestrator.training.trainer import Trainer

    torch.set_num_threads(task.threads)
    settings = FitSettings.from_dict({**job.training, "seed": job.seed})
    training = Trainer(build_model(job, task), task.training_data(job.split), settings, torch.device(task.device))
    # The whole split was needed to prepare the model and for its features to lie where they will.
    training.data = replace(training.data, train=training.data.train[: _PROBE_BATCHES * settings.batch_size])
    training.run_epoch()
