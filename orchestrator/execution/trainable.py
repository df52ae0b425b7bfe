"""The Tune trainable: a process that runs one job after another."""

from __future__ import annotations

import faulthandler
import gc
import signal
import socket
import sys
import time
from contextlib import suppress
from typing import IO, Any

import ray
from ray import tune

from orchestrator.cluster.node_errors import CodeMismatch, TrialDirNotVisible
from orchestrator.core.code_digest import code_digest
from orchestrator.core.errors import InputError
from orchestrator.execution.failures import (
    UNFIT,
    FailureKind,
    corrupts_process,
    failure_from,
)
from orchestrator.execution.job import Job, JobRunner
from orchestrator.execution.sweep_context import SweepContext
from orchestrator.execution.watchdog import STACKS

PAUSE = 5.0
"""Seconds before a transient error is told, so that what was away may be back when the job starts again."""


class JobTrainable(tune.Trainable):
    """Runs jobs; reused from one to the next, so that a process starts once and features are opened once.

    Its checkpoints are the job's own: a job that starts anywhere looks into its folder first, so that a worker
    that died, a driver that died and a plain resume are one and the same. Tune's are not used: they cost a round
    trip an epoch and are always an epoch behind.
    """

    def setup(self, config: dict[str, Any], task: SweepContext) -> None:
        """Keeps what all jobs share and begins the first."""
        self._task = task
        self._steps: JobRunner | None = None
        self._epoch = 0
        self._stacks: IO[str] | None = None
        self._begin(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Begins the next job in the same process."""
        self._begin(new_config)
        return True

    def step(self) -> dict[str, Any]:
        """One step of the job; an error in it is told like a result, and the process lives on.

        Raises:
            RuntimeError: the error spoilt the process itself; Tune replaces it.
        """
        try:
            if self._steps is None:
                self._steps = _steps(self._job, self._task)
                self._show_stacks_when_asked()
            message = self._steps.step()
            self._epoch = max((epoch["number"] for epoch in message["epochs"]), default=self._epoch)
        except Exception as error:
            self._close()
            if corrupts_process(error):
                raise
            failure = failure_from(error, self._epoch)
            message = {"epochs": [], "failure": failure.as_dict()}
            if failure.kind in UNFIT:
                message["unfit"] = ray.get_runtime_context().get_node_id()
            if failure.kind in {FailureKind.TRANSIENT, FailureKind.STORAGE}:
                time.sleep(PAUSE)
        if "failure" in message:
            _free_memory()
        return {"message": [message], "done": "outcome" in message or "failure" in message}

    def _show_stacks_when_asked(self) -> None:
        """At SIGUSR1 the process writes down where it is, even if Python's own code hangs."""
        folder = self._steps.folder if self._steps else None
        if folder is None or not folder.is_dir():
            return
        with suppress(OSError):  # a job does without
            before, self._stacks = self._stacks, (folder / STACKS).open("w")
            faulthandler.register(signal.SIGUSR1, self._stacks)
            if before:
                before.close()

    def cleanup(self) -> None:
        """Lets go of the job's folder when Tune stops the process."""
        self._close()

    def _begin(self, config: dict[str, Any]) -> None:
        self._close()
        self._job = Job.from_config(config)
        self._epoch = 0

    def _close(self) -> None:
        if self._steps is not None:
            self._steps.close()
        self._steps = None


def _steps(job: Job, task: SweepContext) -> JobRunner:
    if task.code not in {None, code_digest()}:
        raise CodeMismatch(
            f"The code of this project on the node {socket.gethostname()} is not that with which the sweep began. "
            "Bring it back or take the node out, and resume; or resume with one code on all."
        )
    try:
        task.plugins.load(same_code=task.code is not None)
    except InputError as error:
        raise CodeMismatch(f"The node {socket.gethostname()} lacks a plug-in: {str(error).rstrip('.')}.") from error
    if task.storage is not None:
        from orchestrator.execution.synced_job import SyncedJob

        return SyncedJob(job, task, task.storage, _local_steps)
    if not task.trials.is_dir():
        raise TrialDirNotVisible(
            f"The node {socket.gethostname()} does not see {task.trials}. Begin a sweep with --storage-path, a folder "
            "that all nodes see or s3://BUCKET/PREFIX, or take the node out."
        )
    return _local_steps(job, task)


def _local_steps(job: Job, task: SweepContext) -> JobRunner:
    if job.variant:
        from orchestrator.execution.training_job import TrainingJob

        return TrainingJob(job, task)
    from orchestrator.execution.baselines_job import BaselinesJob

    return BaselinesJob(job, task)


def _free_memory() -> None:
    """Gives back what a failed job held, for the process goes on with the next one."""
    gc.collect()
    if (torch := sys.modules.get("torch")) and torch.cuda.is_initialized():
        torch.cuda.empty_cache()
