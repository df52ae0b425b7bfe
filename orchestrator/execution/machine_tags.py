"""Device and machine of a training, as they appear in a run's tags."""

from __future__ import annotations

import os
import platform
import re
import socket
from functools import cache
from pathlib import Path


def training_device(gpu: object) -> str:
    """Return "cuda" if trainings have a GPU or a part of one, else "cpu".

    Args:
        gpu: number of GPUs of a training, or whether the machine has one.

    Example:
        >>> training_device(0.5), training_device(0)
        ('cuda', 'cpu')
    """
    return "cuda" if gpu else "cpu"


@cache
def machine_tags(device: str) -> dict[str, str]:
    """Return the tags `host`, `cpus` and `device` of this process, whose trainings run on "cpu" or "cuda"."""
    return {"host": socket.gethostname(), "cpus": str(os.cpu_count()), "device": device_name(device)}


def device_name(device: str) -> str:
    """Return the name of this machine's GPU for "cuda", else of its processor."""
    if device == "cuda":
        import torch

        return torch.cuda.get_device_name() if torch.cuda.is_available() else "cuda"
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
    except OSError:
        found = None
    return f"cpu: {found[1] if found else platform.processor() or platform.machine()}"
