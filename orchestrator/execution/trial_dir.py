"""A trial's folder in the hands of the one worker that writes there."""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import time
from typing import Any
from uuid import uuid4

from orchestrator.core.atomic_files import write_file
from orchestrator.core.disk_space import is_disk_full
from orchestrator.core.errors import InputError
from orchestrator.execution.job import Job

WAIT_SECONDS = 60.0
"""After a killed driver its workers live on for some seconds, and the next driver's have to wait for their end."""

ASIDE = ".aside-"
"""In the name of a folder that holds what another configuration left in a trial's."""

JOB = "job.json"
"""Names the job whose folder it is."""

_LOCK, _WORKER = ".lock", "worker.json"


class TrialDirLocked(TimeoutError):
    """Another worker still writes to the folder; it may be free a little later."""


@dataclass(frozen=True)
class WorkerInfo:
    """Who works in a folder, or did last.

    Attributes:
        pid, host: its process.
        node: Ray's id of its node; None outside Ray.
        started: seconds since 1970 when it began this job.
        token: of this worker on this job, like no other.
    """

    pid: int = field(default_factory=os.getpid)
    host: str = field(default_factory=socket.gethostname)
    node: str | None = field(default_factory=lambda: _ray_node())
    started: float = field(default_factory=time)
    token: str = field(default_factory=lambda: uuid4().hex)


class LockedTrialDir:
    """Held from its making to `close`, or to the death of this process, by a lock of the operating system.

    Args:
        path: the folder; made where it is not there.
        wait: seconds to wait for another worker.

    Raises:
        TrialDirLocked: another one did not let go in that time.
    """

    def __init__(self, path: Path, wait: float = WAIT_SECONDS) -> None:
        from filelock import FileLock, Timeout

        self.path = path
        path.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(path / _LOCK, timeout=wait)
        try:
            self._lock.acquire()
        except Timeout:
            raise TrialDirLocked(f"{path} is still written to by another worker{_who(read_worker(path))}.") from None
        self._write(_WORKER, asdict(WorkerInfo()))

    def close(self) -> None:
        """Lets go; again, it does nothing."""
        self._lock.release()

    def claim(self, job: Job) -> str | None:
        """Makes the folder this job's: what another configuration left here is set aside, and where to is said."""
        there = _read(self.path / JOB)
        note = None
        if there is not None and _identity(there) != _identity(job.as_dict()):
            aside = self.set_aside()
            note = f"{job.key} held another configuration's files; they are in {aside.name} now, and it began anew."
        self._write(JOB, json.loads(json.dumps(job.as_dict())))
        return note

    def set_aside(self) -> Path:
        """Moves all that was written here into a new folder beside this one."""
        number = 1
        while (aside := self.path.with_name(f"{self.path.name}{ASIDE}{number}")).exists():
            number += 1
        aside.mkdir()
        for path in self.path.iterdir():
            if path.name not in {_LOCK, _WORKER}:
                path.rename(aside / path.name)
        return aside

    def _write(self, name: str, content: Mapping[str, Any]) -> None:
        try:
            write_file(self.path / name, json.dumps(content, indent=1) + "\n")
        except OSError as error:
            if not is_disk_full(error):  # a training does not need these two
                raise


def read_worker(folder: Path) -> WorkerInfo | None:
    """Who works in a trial's folder, or did last; None where nobody is written down."""
    with suppress(TypeError):
        return WorkerInfo(**(_read(folder / _WORKER) or {"unknown": None}))
    return None


def _read(path: Path) -> dict[str, Any] | None:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def _identity(job: Mapping[str, Any]) -> dict[str, Any]:
    """What makes a job's training, with what is newer than a saved one at its default."""
    from orchestrator.training.settings import FitSettings

    identity: dict[str, Any] = json.loads(json.dumps({"backbone": {}, "source": None, **job}))
    identity.pop("params", None)  # the search's own spelling of what model and training say
    with suppress(InputError, TypeError):
        settings = FitSettings.from_dict({**identity["training"], "seed": identity["seed"]})
        identity["training"] = json.loads(json.dumps(settings.as_dict()))
    return identity


def _ray_node() -> str | None:
    ray = sys.modules.get("ray")
    if ray is None or not ray.is_initialized():
        return None
    return str(ray.get_runtime_context().get_node_id())


def _who(worker: WorkerInfo | None) -> str:
    return f", pid {worker.pid} on {worker.host}" if worker else ""
