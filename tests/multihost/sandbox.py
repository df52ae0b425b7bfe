"""Where the hosts live: network, mounts and processes of their own, which the kernel ends with their first process.

Nothing can be left behind, however a run ends, and two runs share no name: a bridge is seen by its own sandbox alone.
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
    """Debian's packages that have to be installed first."""
    return sorted({package for tool, package in _TOOLS.items() if shutil.which(tool) is None})


def refusal() -> str | None:
    """Why this machine lets nobody make namespaces, in its own words; None where it does."""
    if os.geteuid() != 0:
        return "only root may make the hosts' namespaces here"
    tried = subprocess.run([*new_namespaces(), "sh", "-c", _TRIAL], capture_output=True, text=True)
    return None if tried.returncode == 0 else (tried.stderr.strip() or f"unshare ended with {tried.returncode}")


def new_namespaces() -> list[str]:
    """What a command begins with that gets namespaces of its own, and takes all in them along when it ends."""
    return ["unshare", *_NAMESPACES]


def in_sandbox(arguments: Sequence[str]) -> list[str]:
    """The command that runs `python -m tests.multihost` in a sandbox."""
    return [*new_namespaces(), sys.executable, "-m", "tests.multihost", "--inside", *arguments]
