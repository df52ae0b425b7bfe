"""Limit of a trial's GPU memory to its share."""

from __future__ import annotations

CONTEXT_BYTES = 600_000_000
"""Lower bound of the GPU memory that a process takes outside PyTorch's allocator: CUDA's context and the handles of
cuBLAS and cuDNN."""


def limit_gpu_memory(gpus: float) -> None:
    """Limit this process to its trial's share of the GPU, so that it and no other trial runs out of memory.

    Args:
        gpus: share of a GPU; 1 or more sets no limit.
    """
    if gpus >= 1:
        return
    import torch

    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(max(gpus - CONTEXT_BYTES / total, gpus / 2))
