"""A host: its own network, disk, processes, shared memory and name, joined to the others by a cable to a bridge."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

from tests.multihost.sandbox import REPOSITORY, new_namespaces

NETWORK = "10.77.0"
_BRIDGE = "hosts0"
# `home` is the host's own disk, at one path on every host, and so is /tmp; `hosts`, where all disks lie, nobody sees
# from inside. What has to stay there of the real /tmp is what the programs lie in.
_BOOT = """
set -e
all=$1 name=$2
shift 2
for kept in "$@"; do
  mkdir -p "$all/kept$kept" && mount --bind "$kept" "$all/kept$kept"
done
mount --bind "$all/hosts/$name" "$all/home"
mount --bind "$all/home/tmp" /tmp
for kept in "$@"; do
  mkdir -p "$kept" && mount --bind "$all/kept$kept" "$kept"
done
mount -t tmpfs -o size=1m tmpfs "$all/hosts"
mount -t tmpfs tmpfs /dev/shm
mount --bind "$all/names" /etc/hosts
hostname "$name"
ip link set lo up
touch "$all/home/.booted"
while :; do sleep 3600 & wait; done
"""
_PROGRAMS = [REPOSITORY, Path(sys.prefix), Path(sys.base_prefix)]


class Lan:
    """The bridge, and a folder that holds all disks.

    Args:
        folder: not in /tmp, of which every host has its own.
        hosts: the names of all hosts that there will be, in the order of their addresses.
    """

    def __init__(self, folder: Path, hosts: Sequence[str]) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.addresses = {name: f"{NETWORK}.{number}" for number, name in enumerate(hosts, 1)}
        self.home.mkdir()
        (folder / "hosts").mkdir()
        lines = ["127.0.0.1 localhost", *(f"{address} {name}" for name, address in self.addresses.items())]
        (folder / "names").write_text("\n".join(lines) + "\n", encoding="utf-8")
        _call("ip", "link", "set", "lo", "up")
        _call("ip", "link", "add", _BRIDGE, "type", "bridge")
        _call("ip", "address", "add", f"{NETWORK}.254/24", "dev", _BRIDGE)
        _call("ip", "link", "set", _BRIDGE, "up")


class Host:
    """A host that is up from its making until `power_off`."""

    def __init__(self, lan: Lan, name: str) -> None:
        self.name = name
        self.address = lan.addresses[name]
        self.home = lan.home
        self.disk = lan.folder / "hosts" / name
        """The host's disk as seen from outside; inside it is `home`."""
        self.logs = lan.folder / "logs" / name
        for made in (self.disk / "tmp", self.logs):
            made.mkdir(parents=True)
        (self.disk / "tmp").chmod(0o1777)
        kept = sorted({path for path in _PROGRAMS if path.is_relative_to("/tmp")})
        with (self.logs / "boot.txt").open("ab") as log:
            boot = [*new_namespaces(), "bash", "-c", _BOOT, "boot", lan.folder, name, *kept]
            self._boot = subprocess.Popen(boot, stdout=log, stderr=log)
        until = time.monotonic() + 20
        while not (self.disk / ".booted").exists():
            if self._boot.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"{name} did not boot: {(self.logs / 'boot.txt').read_text(encoding='utf-8')}")
            time.sleep(0.02)
        self._init = psutil.Process(self._boot.pid).children()[0].pid
        self._cable = f"to-{name}"
        _call("ip", "link", "add", self._cable, "type", "veth", "peer", "name", "eth0", "netns", str(self._init))
        _call("ip", "link", "set", self._cable, "master", _BRIDGE, "up")
        self.run(["ip", "address", "add", f"{self.address}/24", "dev", "eth0"])
        self.run(["ip", "link", "set", "eth0", "up"])

    def environment(self, more: Mapping[str, str]) -> dict[str, str]:
        """Return the host's variables: none of this user's, and `more`."""
        return {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "PYTHONPATH": str(REPOSITORY),
            "OMP_NUM_THREADS": "1",
            "HF_HUB_OFFLINE": "1",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            **more,
        }

    def start(
        self, title: str, command: Sequence[object], environment: Mapping[str, str] = {}, **streams: int
    ) -> subprocess.Popen[str]:
        """Start a command on this host, in its home; its output goes to the log of that title, or to `streams`."""
        enter = ["nsenter", "--target", str(self._init), "--net", "--mount", "--uts", "--ipc", "--pid"]
        whole = [*enter, "env", "-C", str(self.home), *map(str, command)]
        with (self.logs / f"{title}.txt").open("ab") as log:
            kept = {"stdout": log, "stderr": log, **streams}
            return subprocess.Popen(whole, env=self.environment(environment), text=True, **kept)  # type: ignore[call-overload]

    def run(self, command: Sequence[object], environment: Mapping[str, str] = {}, seconds: float = 120) -> str:
        """Run a command to its end and return its output.

        Raises:
            RuntimeError: it failed, with its output.
        """
        process = self.start("run", command, environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            out, err = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            raise RuntimeError(f"{self.name}: {command} did not end within {seconds:.0f} s") from None
        if process.returncode:
            raise RuntimeError(f"{self.name}: {command} ended with {process.returncode}:\n{(out + err)[-4000:]}")
        return out

    def unplug(self) -> None:
        """Cut the host's network without notice to any process on either side."""
        _call("ip", "link", "set", self._cable, "down")

    def power_off(self) -> None:
        """Kill every process of the host at once."""
        os.kill(self._init, signal.SIGKILL)
        self._boot.wait(20)


def _call(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True, encoding="utf-8")
