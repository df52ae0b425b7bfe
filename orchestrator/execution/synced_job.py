"""Steps of a job between fetching its trial's folder and saving it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from orchestrator.core.object_store import RETRY_SECONDS, ObjectStoreUnavailable, retry
from orchestrator.execution.job import Job, JobRunner
from orchestrator.execution.run_output import log_message
from orchestrator.execution.sweep_context import SweepContext


class SyncedJob:
    """A job whose folder is fetched before its first step and saved after each step.

    An epoch is reported after its checkpoint was saved, if it has one: short epochs share a checkpoint. While the store
    is unavailable, epochs continue without checkpoints. A job's start and the save of a confirm run's predictions wait
    for the store.

    Args:
        job: the job.
        context: shared by all jobs of the sweep.
        make: creates the steps themselves, in the folder that the context names.
        retry_seconds: time to wait for the store.

    Raises:
        TrialDirNotVisible: this node does not see the sweep's folder.
        ObjectStoreUnavailable: the store did not answer in that time.
    """

    def __init__(
        self,
        job: Job,
        context: SweepContext,
        make: Callable[[Job, SweepContext], JobRunner],
        retry_seconds: float = RETRY_SECONDS,
    ) -> None:
        self._job = job
        self._retry_seconds = retry_seconds
        self._paused = False
        self._trial_folder = context.store.open_folder(job.key)
        try:
            retry(self._trial_folder.fetch, retry_seconds)
            self._runner = make(job, context.working_in(self._trial_folder.path.parent))
        except BaseException:
            self._trial_folder.close()
            raise

    @property
    def folder(self) -> Path:
        """Folder that the job writes to."""
        return self._trial_folder.path

    def step(self) -> dict[str, Any]:
        """Run a step and save its files."""
        message = self._runner.step()
        log_message(message)  # before its files are saved, one of which is the log
        if getattr(self._runner, "checkpoint_pending", False):
            return message
        note = self._save("outcome" in message)
        if note:
            message.setdefault("notes", []).append(note)
        return message

    def save_log(self) -> None:
        """Save the files after a step that failed, so that the driver gets its log; without a retry."""
        with suppress(Exception):  # the step's own error is reported
            self._trial_folder.save()

    def close(self) -> None:
        """Release the job's folder and delete a local copy."""
        self._runner.close()
        self._trial_folder.close()

    def _save(self, last: bool) -> str | None:
        required = last and self._job.test  # predictions are the purpose of a confirm run
        try:
            retry(self._trial_folder.save, self._retry_seconds if required else 0.0)
        except ObjectStoreUnavailable as error:
            if required:
                raise
            paused, self._paused = self._paused, True
            return None if paused else f"{error}: checkpoints are paused."
        self._paused = False
        return None
