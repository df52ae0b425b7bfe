"""Folder of a trial, locked by the one worker that writes to it."""

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
"""Seconds to wait for the lock: workers of a killed driver live for some seconds after it."""

ASIDE = ".aside-"
"""Part of the name of a folder with files that another configuration left in a trial's folder."""

JOB = "job.json"
"""File with the job of the folder."""

_LOCK, _WORKER = ".lock", "worker.json"


class TrialDirLocked(TimeoutError):
    """Another worker still writes to the folder; it may be free later."""


@dataclass(frozen=True)
class WorkerInfo:
    """Worker that writes to a folder, or wrote to it last.

    Attributes:
        pid, host: of its process.
        node: Ray's id of its node; None without Ray.
        started: time at which it began this job, in seconds since 1970.
        token: unique for this worker and job.
    """

    pid: int = field(default_factory=os.getpid)
    host: str = field(default_factory=socket.gethostname)
    node: str | None = field(default_factory=lambda: _ray_node())
    started: float = field(default_factory=time)
    token: str = field(default_factory=lambda: uuid4().hex)


class LockedTrialDir:
    """Folder locked until `close` or the death of this process, by a lock of the operating system.

    Args:
        path: the folder; created if missing.
        wait: seconds to wait for another worker.

    Raises:
        TrialDirLocked: another worker did not release it in that time.
    """

    def __init__(self, path: Path, wait: float = WAIT_SECONDS) -> None:
        from filelock import FileLock, Timeout

        self.path = path
        path.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(path / _LOCK, timeout=wait)
        try:
            self._lock.acquire()
        except Timeout:
            raise TrialDirLocked(
                f"{path} is still written to by another worker{_describe(read_worker(path))}."
            ) from None
        self._write(_WORKER, asdict(WorkerInfo()))

    def close(self) -> None:
        """Release the lock, if held."""
        self._lock.release()

    def claim(self, job: Job) -> str | None:
        """Write the job to the folder; set files of another configuration aside and return a note about that."""
        previous = _read(self.path / JOB)
        note = None
        if previous is not None and _identity(previous) != _identity(job.as_dict()):
            aside = self.set_aside()
            note = (
                f"{job.key} held another configuration's files; they are in {aside.name} now, and it restarted from "
                "the first epoch."
            )
        self._write(JOB, json.loads(json.dumps(job.as_dict())))
        return note

    def set_aside(self) -> Path:
        """Move all files into a new folder next to this one; return that folder."""
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
            if not is_disk_full(error):  # a training does not need these files
                raise


def read_worker(folder: Path) -> WorkerInfo | None:
    """Return the worker that writes to a trial's folder, or wrote last; None if the folder names none."""
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
    """Return the values that define a job's training, with defaults for settings that are newer than a saved job."""
    from orchestrator.training.settings import FitSettings

    identity: dict[str, Any] = json.loads(json.dumps({"backbone": {}, "source": None, **job}))
    identity.pop("params", None)  # the same values as in model and training
    with suppress(InputError, TypeError):
        settings = FitSettings.from_dict({**identity["training"], "seed": identity["seed"]})
        identity["training"] = json.loads(json.dumps(settings.as_dict()))
    return identity


def _ray_node() -> str | None:
    ray = sys.modules.get("ray")
    if ray is None or not ray.is_initialized():
        return None
    return str(ray.get_runtime_context().get_node_id())


def _describe(worker: WorkerInfo | None) -> str:
    return f", pid {worker.pid} on {worker.host}" if worker else ""
