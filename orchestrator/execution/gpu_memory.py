"""The limit of a trial's GPU memory to its share."""

from __future__ import annotations

CONTEXT_BYTES = 600_000_000
"""What a process takes of a GPU beside PyTorch's allocator (CUDA's context, cuBLAS's and cuDNN's handles), if not more
was seen."""


def limit_gpu_memory(gpus: float) -> None:
    """Lets this process take no more of its GPU than its trials' share: beyond it, allocations fail here and not in a
    neighbour.

    Args:
        gpus: part of a GPU; 1 or more leave it whole.
    """
    if gpus >= 1:
        return
    import torch

    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(max(gpus - CONTEXT_BYTES / total, gpus / 2))
