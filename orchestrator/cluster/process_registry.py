"""Registry of this host's cluster processes: one file per started node, with the ids of its processes."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from orchestrator.core.atomic_files import write_file
from orchestrator.core.service_addresses import find_setting


@dataclass(frozen=True)
class Process:
    """A process that cannot be mistaken for a later one with the same number.

    Attributes:
        pid: its number.
        since: when it began, in seconds since 1970.
        command: its name.
    """

    pid: int
    since: float
    command: str

    @classmethod
    def of(cls, process: psutil.Process) -> Process | None:
        """Return a running process's id and start time; None if it has just ended."""
        try:
            return cls(process.pid, process.create_time(), process.name())
        except psutil.Error:
            return None

    def alive(self) -> psutil.Process | None:
        """Return the process if it still runs."""
        try:
            found = psutil.Process(self.pid)
            same = abs(found.create_time() - self.since) < 0.02 and found.status() != psutil.STATUS_ZOMBIE
        except psutil.Error:
            return None
        return found if same else None


@dataclass(frozen=True)
class StartedNode:
    """A node that this host started.

    Attributes:
        name: name by which it is stopped.
        role: head or worker.
        address: of the cluster's head.
        bind: this host's own address in it.
        token: the token's file; None for a cluster without a token.
        folder: Ray's files.
        made: whether `folder` was created for this node; it is then removed with the node.
        since: when it started.
        processes: the first started the others.
    """

    name: str
    role: str
    address: str
    bind: str
    token: str | None
    folder: str
    made: bool
    since: str
    processes: tuple[Process, ...]

    def alive(self) -> list[psutil.Process]:
        """Return its running processes and their running children."""
        found: dict[int, psutil.Process] = {}
        for remembered in self.processes:
            if process := remembered.alive():
                found |= {one.pid: one for one in family(process)}
        return list(found.values())

    def save(self) -> None:
        """Write the node's file."""
        file = _folder() / f"{self.name}.json"
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_file(file, json.dumps(asdict(self), indent=1) + "\n")

    def forget(self) -> None:
        """Delete the node's file."""
        (_folder() / f"{self.name}.json").unlink(missing_ok=True)


def records() -> list[StartedNode]:
    """Return the nodes that this user started on this host and has not stopped, oldest first; skip unreadable files."""
    found = [_read(file) for file in sorted(_folder().glob("*.json"))]
    return sorted((one for one in found if one), key=lambda one: one.since)


def cluster_address(address: str | None) -> str | None:
    """Return the cluster to join: the given one, RAY_ADDRESS, or the profile's. None starts a local one.

    "local" starts a local cluster whatever the environment names; "auto" is the cluster that this host is part of.
    """
    setting = find_setting("address", address)
    if setting is None or setting.value == "local":
        return None
    if setting.value == "auto":
        here = {record.address for record in records() if record.alive()}
        return here.pop() if len(here) == 1 else "auto"
    return setting.value


def family(process: psutil.Process) -> list[psutil.Process]:
    """Return a process and all of its descendants."""
    try:
        return [process, *process.children(recursive=True)]
    except psutil.Error:
        return []


def snapshot(processes: Iterable[psutil.Process]) -> tuple[Process, ...]:
    """Return processes in the form that is saved."""
    return tuple(one for process in processes if (one := Process.of(process)))


def log_of(name: str) -> Path:
    """Return the file with Ray's output while a node started."""
    return _folder() / f"{name}.log"


def _folder() -> Path:
    import platformdirs

    # A home folder may be shared by many hosts.
    return Path(platformdirs.user_state_dir("hyperassess")) / "clusters" / socket.gethostname()


def _read(file: Path) -> StartedNode | None:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        return StartedNode(**{**content, "processes": tuple(Process(**one) for one in content["processes"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None
