"""Namespaces of the hosts: network, mounts and processes, which the kernel ends with their first process.

A run leaves nothing behind, however it ends, and two runs share no name, since a bridge is local to its sandbox.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
_NAMESPACES = ["--net", "--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child", "--mount-proc"]
_TOOLS = {"unshare": "util-linux", "nsenter": "util-linux", "mount": "mount", "ip": "iproute2"}
_TRIAL = "ip link add try0 type bridge && mount -t tmpfs tmpfs /mnt && hostname try"


def missing_tools() -> list[str]:
    """List Debian's packages that have to be installed first."""
    return sorted({package for tool, package in _TOOLS.items() if shutil.which(tool) is None})


def refusal() -> str | None:
    """Return the reason why this machine allows no namespaces, in its own words, or None."""
    if os.geteuid() != 0:
        return "only root may make the hosts' namespaces here"
    tried = subprocess.run([*new_namespaces(), "sh", "-c", _TRIAL], capture_output=True, text=True, encoding="utf-8")
    return None if tried.returncode == 0 else (tried.stderr.strip() or f"unshare ended with {tried.returncode}")


def new_namespaces() -> list[str]:
    """Return the prefix of a command in namespaces of its own, whose processes end with it."""
    return ["unshare", *_NAMESPACES]


def in_sandbox(arguments: Sequence[str]) -> list[str]:
    """Return the command that runs `python -m tests.multihost` in a sandbox."""
    return [*new_namespaces(), sys.executable, "-m", "tests.multihost", "--inside", *arguments]
