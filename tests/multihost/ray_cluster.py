"""Ray on the hosts, by `python -m orchestrator.cluster`: a head, workers that join it, and one token for all."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.multihost.host import Host

_TOKEN = Path(".config/hyperassess/token")
_STORE = "--object-store-memory=200MB"


class RayCluster:
    """A head, and workers that come and go; a host without the token is refused.

    Args:
        head: its host.
        store: where trials are kept, and with which key, as every node's environment has it.
    """

    def __init__(self, head: Host, store: Mapping[str, str]) -> None:
        self.head = head
        self._environment = dict(store)
        self.address = f"{head.address}:6379"

    def up(self) -> subprocess.Popen[str]:
        """Start the head, which runs no trial; the process ends when it listens."""
        command = [sys.executable, "-m", "orchestrator.cluster", "up", "--head", f"--bind={self.head.address}"]
        return self.head.start("cluster", [*command, "--num-cpus=0", _STORE], self._environment)

    def give_token(self, host: Host) -> None:
        """Copy the head's token to a host, as people would over ssh."""
        copy = host.disk / _TOKEN
        copy.parent.mkdir(parents=True, mode=0o700)
        shutil.copy(self.head.disk / _TOKEN, copy)
        os.chmod(copy, 0o600)

    def join(self, host: Host) -> subprocess.Popen[str]:
        """Let a host run one trial at a time; the process ends when it has joined."""
        command = [sys.executable, "-m", "orchestrator.cluster", "join", self.address]
        return host.start("cluster", [*command, "--num-cpus=1", _STORE], self._environment)

    def token(self) -> str:
        return (self.head.disk / _TOKEN).read_text(encoding="utf-8")

    def driver(self) -> dict[str, str]:
        """Return the variables of a Ray driver on the head; the project's commands need none."""
        return {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(self.head.home / _TOKEN)}
