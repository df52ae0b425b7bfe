"""Real Ray nodes on this machine, some of them in a mount namespace where the test's folders are empty."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType

# Ray reads its authentication mode at import, which this process has done already.
_SETTINGS = {
    "RAY_AUTH_MODE": "disabled",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_health_check_period_ms": "500",  # so that a lost node is known as such within seconds
    "RAY_health_check_failure_threshold": "3",
}


def can_hide() -> bool:
    """Return whether this system allows a mount namespace."""
    if shutil.which("unshare") is None:
        return False
    command = [*_unshare(), "sh", "-c", "mount -t tmpfs tmpfs /mnt"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _unshare() -> list[str]:
    return ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-rm"]


class Nodes:
    """Cluster that this process can join."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        self.temporary = Path(tempfile.mkdtemp(prefix="nodes", dir="/tmp"))  # short: sockets lie in it
        self._processes: list[subprocess.Popen[bytes]] = []

    def head(self, cpus: int = 1) -> subprocess.Popen[bytes]:
        options = ["--head", f"--port={self.port}", "--include-dashboard=false", f"--temp-dir={self.temporary}"]
        process = self._start([], [*options, f"--num-cpus={cpus}", "--object-store-memory=200000000"], {})
        end = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < end:
            with suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return process
            time.sleep(0.1)
        raise RuntimeError((self.folder / "node-0.txt").read_text(encoding="utf-8"))

    def join(
        self,
        hidden: tuple[Path, ...] = (),
        cpus: int = 1,
        instead: Mapping[Path, Path] = MappingProxyType({}),
        **environment: str,
    ) -> subprocess.Popen[bytes]:
        """Start a node that sees the folders `hidden` as empty and the folders in `instead` as their replacements."""
        mounts = [f"mount -t tmpfs tmpfs {path}" for path in hidden]
        mounts += [f"mount --bind {other} {path}" for path, other in instead.items()]
        shell = [*_unshare(), "sh", "-c", "\n".join(["set -e", *mounts, 'exec "$@"']), "sh"]
        options = [f"--address={self.address}", f"--num-cpus={cpus}", "--object-store-memory=200000000"]
        return self._start(shell, options, environment)

    def _start(self, shell: list[str], options: list[str], environment: dict[str, str]) -> subprocess.Popen[bytes]:
        command = [*shell, str(Path(sys.executable).parent / "ray"), "start", "--block", *options]
        log = self.folder / f"node-{len(self._processes)}.txt"
        with log.open("wb") as file:
            process = subprocess.Popen(
                command,
                stdout=file,
                stderr=subprocess.STDOUT,
                env={**os.environ, **_SETTINGS, **environment},
                start_new_session=True,
            )
        self._processes.append(process)
        return process

    @staticmethod
    def cut_off(process: subprocess.Popen[bytes]) -> None:
        """Kill all processes of a node at once, like a loss of power."""
        for pid in _descendants(process.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()

    def close(self) -> None:
        for process in reversed(self._processes):
            if process.poll() is None:
                self.cut_off(process)
        shutil.rmtree(self.temporary, ignore_errors=True)


def _descendants(pid: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parent = int(stat.read_text(encoding="utf-8").rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(stat.parent.name))
    found, wave = [], [pid]
    while wave:
        found += wave
        wave = [child for one in wave for child in children.get(one, [])]
    return found
