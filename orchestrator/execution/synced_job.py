"""A job on a node that does not see the sweep's folder: it works in one of its own, and a storage has the files."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from orchestrator.core.object_store import PATIENCE, ObjectStoreUnavailable, retry
from orchestrator.data.cache import cache_dir
from orchestrator.execution.job import Job, JobRunner
from orchestrator.execution.sweep_context import SweepContext
from orchestrator.execution.trial_store import TrialStore, TrialSync

_SCRATCH = "scratch"


class SyncedJob:
    """Steps whose folder is fetched before the first and brought to the storage after each.

    An epoch is told after its checkpoint has arrived. A storage that is away costs checkpoints, not epochs; a job
    that cannot begin, or whose predictions cannot arrive, waits for it.

    Args:
        job: what is done.
        task: what all jobs share.
        storage: of the sweep.
        make: the steps themselves, in the folder that the task names.
        patience: seconds to wait for the storage.

    Raises:
        ObjectStoreUnavailable: it was away for longer.
    """

    def __init__(
        self,
        job: Job,
        task: SweepContext,
        storage: TrialStore,
        make: Callable[[Job, SweepContext], JobRunner],
        patience: float = PATIENCE,
    ) -> None:
        self._job = job
        self._patience = patience
        self._paused = False
        self._scratch = _own_scratch()
        self._mirror = TrialSync(storage, job.key, self._scratch / job.key)
        try:
            self.folder = self._scratch / job.key
            self.folder.mkdir(parents=True)
            retry(self._mirror.begin, patience)
            self._steps = make(job, task.working_in(self._scratch))
        except BaseException:
            shutil.rmtree(self._scratch, ignore_errors=True)
            raise

    def step(self) -> dict[str, Any]:
        """Does a step and brings what it wrote to the storage."""
        message = self._steps.step()
        note = self._save("outcome" in message)
        if note:
            message.setdefault("notes", []).append(note)
        return message

    def close(self) -> None:
        """Lets go of the job's folder, which goes."""
        self._steps.close()
        shutil.rmtree(self._scratch, ignore_errors=True)

    def _save(self, last: bool) -> str | None:
        try:
            if last and self._job.test:
                retry(self._mirror.save, self._patience)
            else:
                self._mirror.save()
        except ObjectStoreUnavailable as error:
            if last and self._job.test:  # its predictions are what it was done for
                raise
            paused, self._paused = self._paused, True
            return None if paused else f"{error}: checkpoints are paused."
        self._paused = False
        return None


def _own_scratch() -> Path:
    """A folder of this process's and this job's own; those of dead processes of this host go.

    The cache may be a volume of many hosts, and a process number says something on its own only.
    """
    parent = cache_dir() / _SCRATCH / socket.gethostname()
    parent.mkdir(parents=True, exist_ok=True)
    for path in parent.iterdir():
        pid = path.name.partition("-")[0]
        if pid.isdigit() and not Path("/proc", pid).exists():
            shutil.rmtree(path, ignore_errors=True)
    number = 0
    while True:
        with suppress(FileExistsError):
            path = parent / f"{os.getpid()}-{number}"
            path.mkdir()
            return path
        number += 1
