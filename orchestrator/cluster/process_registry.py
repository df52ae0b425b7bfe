"""What was started on this host: a file for each part of a cluster, with the ids of its processes."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from orchestrator.core.atomic_files import write_file
from orchestrator.core.user_profile import find_setting


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
        """The one that is meant; None where it has just ended."""
        try:
            return cls(process.pid, process.create_time(), process.name())
        except psutil.Error:
            return None

    def alive(self) -> psutil.Process | None:
        """The process, where it still runs."""
        try:
            found = psutil.Process(self.pid)
            same = abs(found.create_time() - self.since) < 0.02 and found.status() != psutil.STATUS_ZOMBIE
        except psutil.Error:
            return None
        return found if same else None


@dataclass(frozen=True)
class StartedNode:
    """This host's part of one cluster.

    Attributes:
        name: by which it is ended.
        role: head or worker.
        address: of the cluster's head.
        bind: this host's own address in it.
        token: the token's file; None for a cluster without.
        folder: Ray's files; removed at the end where it was made for this.
        made: whether it was.
        since: when it began.
        processes: the first is the one that started the others.
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
        """Those of its processes that run, and what they have started since."""
        found: dict[int, psutil.Process] = {}
        for remembered in self.processes:
            if process := remembered.alive():
                found |= {one.pid: one for one in family(process)}
        return list(found.values())

    def save(self) -> None:
        """Writes the file that remembers it, in one step."""
        file = _folder() / f"{self.name}.json"
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_file(file, json.dumps(asdict(self), indent=1) + "\n")

    def forget(self) -> None:
        """Removes that file."""
        (_folder() / f"{self.name}.json").unlink(missing_ok=True)


def records() -> list[StartedNode]:
    """All that this user has started on this host and not ended, oldest first; without those that cannot be read."""
    found = [_read(file) for file in sorted(_folder().glob("*.json"))]
    return sorted((one for one in found if one), key=lambda one: one.since)


def cluster_address(address: str | None) -> str | None:
    """The cluster that is joined: the one given, else RAY_ADDRESS, else the profile's; None where one is started.

    "local" starts one whatever the environment says; "auto" is the one that this host has a part of.
    """
    setting = find_setting("address", address)
    if setting is None or setting.value == "local":
        return None
    if setting.value == "auto":
        here = {record.address for record in records() if record.alive()}
        return here.pop() if len(here) == 1 else "auto"
    return setting.value


def family(process: psutil.Process) -> list[psutil.Process]:
    """A process and all that descend from it."""
    try:
        return [process, *process.children(recursive=True)]
    except psutil.Error:
        return []


def snapshot(processes: Iterable[psutil.Process]) -> tuple[Process, ...]:
    """Processes as they are written down."""
    return tuple(one for process in processes if (one := Process.of(process)))


def log_of(name: str) -> Path:
    """What Ray said while a part of a cluster started."""
    return _folder() / f"{name}.log"


def _folder() -> Path:
    import platformdirs

    # A home folder may be shared by many hosts.
    return Path(platformdirs.user_state_dir("hyperassess")) / "clusters" / socket.gethostname()


def _read(file: Path) -> StartedNode | None:
    try:
        content = json.loads(file.read_text())
        return StartedNode(**{**content, "processes": tuple(Process(**one) for one in content["processes"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None
