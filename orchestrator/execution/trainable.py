"""Tune trainable: a process that runs one job after another."""

from __future__ import annotations

import faulthandler
import gc
import logging
import os
import signal
import socket
import sys
import time
from contextlib import suppress
from typing import IO, Any

import ray
from ray import tune

from orchestrator.cluster.unfit_node_errors import CodeMismatch
from orchestrator.core.code_digest import code_digest
from orchestrator.core.errors import InputError
from orchestrator.execution.failures import (
    UNFIT,
    FailureKind,
    corrupts_process,
    failure_from,
)
from orchestrator.execution.job import Job, JobRunner
from orchestrator.execution.run_output import RunOutput
from orchestrator.execution.sweep_context import SweepContext
from orchestrator.execution.synced_job import SyncedJob
from orchestrator.execution.watchdog import STACKS

logger = logging.getLogger(__name__)

PAUSE = 5.0
"""Seconds before a transient error is reported, so that its cause may be gone when the job is retried."""


class JobTrainable(tune.Trainable):
    """Runner of jobs; reused for the next job, so that a process starts once and opens the features once.

    A job keeps its own checkpoints and reads its folder when it starts. So it resumes in the same way after a worker's
    death, a driver's death and a stop. Tune's checkpoints are not used. They cost a round trip per epoch and are
    always an epoch behind.
    """

    def setup(self, config: dict[str, Any], context: SweepContext) -> None:
        """Store the context that all jobs share and begin the first job."""
        self._context = context
        self._runner: JobRunner | None = None
        self._epoch = 0
        self._stacks: IO[str] | None = None
        self._output: RunOutput | None = None
        self._begin(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Begin the next job in the same process."""
        self._begin(new_config)
        return True

    def step(self) -> dict[str, Any]:
        """Run one step of the job; return an error in it like a result, so that the process can run the next job.

        Raises:
            RuntimeError: the error corrupted the process; Tune replaces it.
        """
        if self._output is None:
            self._output = RunOutput()
        with self._output.captured():
            return self._step(self._output)

    def _step(self, output: RunOutput) -> dict[str, Any]:
        try:
            if self._runner is None:
                self._runner = _start(self._job, self._context)
                output.move_to(self._runner.folder)
                logger.info("%s runs on %s, pid %d", self._job.title, socket.gethostname(), os.getpid())
                self._register_stack_dump()
            message = self._runner.step()
            self._epoch = max((epoch["number"] for epoch in message["epochs"]), default=self._epoch)
        except Exception as error:
            logger.exception("the step failed after epoch %d", self._epoch)
            if isinstance(self._runner, SyncedJob):
                self._runner.save_log()
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

    def _register_stack_dump(self) -> None:
        """Write the stacks of all threads to the job's folder at SIGUSR1, even if the interpreter hangs."""
        folder = self._runner.folder if self._runner else None
        if folder is None or not folder.is_dir():
            return
        with suppress(OSError):  # optional for a job
            previous, self._stacks = self._stacks, (folder / STACKS).open("w", encoding="utf-8")
            faulthandler.register(signal.SIGUSR1, self._stacks)
            if previous:
                previous.close()

    def cleanup(self) -> None:
        """Release the job's folder when Tune stops the process."""
        self._close()

    def _begin(self, config: dict[str, Any]) -> None:
        self._close()
        self._job = Job.from_config(config)
        self._epoch = 0

    def _close(self) -> None:
        if self._runner is not None:
            self._runner.close()
        self._runner = None
        if self._output is not None and not self._output.captures:
            self._output.close(self._context.trials / self._job.key)
            self._output = None


def _start(job: Job, context: SweepContext) -> JobRunner:
    if context.code not in {None, code_digest()}:
        raise CodeMismatch(
            f"The code of this project on the node {socket.gethostname()} is not that with which the sweep began. "
            "Bring it back or take the node out, and resume; or resume with one code on all."
        )
    try:
        context.plugins.load(same_code=context.code is not None)
    except InputError as error:
        raise CodeMismatch(f"The node {socket.gethostname()} lacks a plug-in: {str(error).rstrip('.')}.") from error
    return SyncedJob(job, context, _make_runner)


def _make_runner(job: Job, context: SweepContext) -> JobRunner:
    if job.variant:
        from orchestrator.execution.training_job import TrainingJob

        return TrainingJob(job, context)
    from orchestrator.execution.baselines_job import BaselinesJob

    return BaselinesJob(job, context)


def _free_memory() -> None:
    """Free the memory of a failed job, since the process runs the next one."""
    gc.collect()
    if (torch := sys.modules.get("torch")) and torch.cuda.is_initialized():
        torch.cuda.empty_cache()
