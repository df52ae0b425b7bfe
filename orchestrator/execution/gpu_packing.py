"""Number of trials that share a GPU, and the resources of each.

A probe on a GPU of the cluster trains the space's largest models for a few batches and measures their memory. As many
trials as fit into a GPU's memory, with a margin, share it from then on.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from orchestrator.core.errors import InputError, reason
from orchestrator.execution.gpu_memory_limit import CONTEXT_BYTES

if TYPE_CHECKING:
    from orchestrator.execution.job import Job
    from orchestrator.execution.sweep_context import SweepContext

MARGIN = 0.1
"""Share of a GPU's memory that stays free."""

_PROBE_BATCHES = 3
_REPORT_SECONDS, _LIMIT_SECONDS = 60.0, 900.0
"""Time after which a waiting probe is reported, and after which it is cancelled."""

_FINEST = 10_000
"""Number of parts into which Ray divides a GPU."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ResourceShare:
    """Resources of one trial.

    Attributes:
        cpus: CPUs; the number of threads is this rounded down, at least 1.
        gpus: GPUs, or a share of one.
    """

    cpus: float
    gpus: float


@dataclass(frozen=True)
class GpuProbe:
    """Measurements of the probe on one GPU.

    Attributes:
        gpu: its name.
        total: bytes of its memory.
        peak: largest number of bytes that a trial took, including its process outside PyTorch's allocator.
        fits: False if the largest model ran out of memory on a GPU of its own.
    """

    gpu: str
    total: int
    peak: int
    fits: bool = True


def trials_per_gpu(measured: GpuProbe, cpus_per_gpu: float, cpus: float | None, concurrency: int | None) -> int:
    """Return the number of the largest trials that share one GPU, at least 1.

    Args:
        measured: by the probe.
        cpus_per_gpu: CPUs per GPU of a node.
        cpus: CPUs set for a trial; None for an equal share, at least 1.
        concurrency: limit of parallel trials per GPU, if any.
    """
    if not measured.fits:
        return 1
    limits = [measured.total * (1 - MARGIN) // measured.peak, cpus_per_gpu // (cpus or 1.0)]
    return max(1, int(min(limits + ([concurrency] if concurrency else []))))


def share_of(per_gpu: int, cpus_per_gpu: float, cpus: float | None) -> ResourceShare:
    """Return a trial's resources if `per_gpu` trials share a GPU; they share the CPUs too, unless `cpus` is set."""
    return ResourceShare(
        cpus=cpus or float(max(1, int(cpus_per_gpu // per_gpu))), gpus=math.floor(_FINEST / per_gpu) / _FINEST
    )


def gpu_nodes(nodes: Sequence[dict[str, Any]]) -> list[dict[str, float]]:
    """Return the resources of the living nodes with a GPU, from the result of `ray.nodes()`."""
    return [node["Resources"] for node in nodes if node["Alive"] and node["Resources"].get("GPU", 0) >= 1]


def pack(
    context: SweepContext,
    jobs: Sequence[Job],
    cpus: float | None,
    concurrency: int | None,
    report: Callable[[str], None],
) -> tuple[ResourceShare, str]:
    """Measure and return the resources of a trial on the connected cluster, with a sentence about the measurement.

    Args:
        context: shared by the jobs.
        jobs: the largest jobs.
        cpus: CPUs set for a trial; None for an equal share.
        concurrency: limit of parallel trials, if any.
        report: called with a sentence if every GPU is taken.

    Raises:
        InputError: the probe failed for another reason than memory, or no GPU was free.
    """
    import ray

    nodes = gpu_nodes(ray.nodes())
    if not nodes:
        return ResourceShare(cpus or 1.0, 0.0), "The cluster has no GPU: trials run on CPUs."
    cpus_per_gpu = min(node.get("CPU", 0) / node["GPU"] for node in nodes)
    gpus = int(sum(node["GPU"] for node in nodes))
    probe = ray.remote(num_gpus=1, num_cpus=min(1.0, cpus_per_gpu), max_calls=1)(measure)
    call = probe.remote(replace(context, device="cuda"), list(jobs))
    if not ray.wait([call], timeout=_REPORT_SECONDS)[0]:
        report(f"Waiting for a GPU to measure the largest trial on, for {_LIMIT_SECONDS / 60:.0f} minutes in all.")
        if not ray.wait([call], timeout=_LIMIT_SECONDS - _REPORT_SECONDS)[0]:
            ray.cancel(call, force=True)
            raise InputError("--gpus-per-trial auto: no GPU was free to measure the largest trial on; name a number.")
    try:
        measured: GpuProbe = ray.get(call)
    except Exception as error:  # a process on another machine can fail in any way
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


def measure(context: SweepContext, jobs: Sequence[Job]) -> GpuProbe:
    """Train each job for a few batches and evaluate it; the process has a GPU to itself."""
    import torch

    context.plugins.load(same_code=context.code is not None)
    properties = torch.cuda.get_device_properties(0)
    peak, fits = 0, True
    for job in jobs:
        try:
            _short_training(context, job)
        except torch.OutOfMemoryError:
            fits = False
        peak = max(peak, torch.cuda.max_memory_reserved())
        torch.cuda.empty_cache()
    free, total = torch.cuda.mem_get_info()
    outside = total - free - torch.cuda.memory_reserved()
    return GpuProbe(properties.name, total, peak + max(outside, CONTEXT_BYTES), fits)


def _short_training(context: SweepContext, job: Job) -> None:
    import torch

    from orchestrator.execution.training_job import build_model
    from orchestrator.training.settings import FitSettings
    from orchestrator.training.trainer import Trainer

    torch.set_num_threads(context.threads)
    settings = FitSettings.from_dict({**job.training, "seed": job.seed})
    training = Trainer(
        build_model(job, context), context.training_data(job.split), settings, torch.device(context.device)
    )
    # The trainer needed the whole split to prepare the model and to place the features.
    training.data = replace(training.data, train=training.data.train[: _PROBE_BATCHES * settings.batch_size])
    training.run_epoch()
