"""The Tune trainable: a process that runs one job after another."""

from __future__ import annotations

import traceback
from typing import Any

from ray import tune

from orchestrator.disk import is_disk_full
from orchestrator.execution.job import Job, Steps
from orchestrator.execution.task import SweepTask
from orchestrator.search.outcome import Outcome


class Worker(tune.Trainable):
    """Runs jobs; reused from one to the next, so that a process starts once and features are opened once.

    Its checkpoints are the job's own: a job that starts anywhere looks into its folder first, so that a worker
    that died, a driver that died and a plain resume are one and the same. Tune's are not used: they cost a round
    trip an epoch and are always an epoch behind.
    """

    def setup(self, config: dict[str, Any], task: SweepTask) -> None:
        """Keeps what all jobs share and begins the first."""
        self._task = task
        self._steps: Steps | None = None
        self._begin(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Begins the next job in the same process."""
        self._begin(new_config)
        return True

    def step(self) -> dict[str, Any]:
        """One step of the job; an error in it is the job's outcome, not the worker's end."""
        try:
            if self._steps is None:
                self._steps = _steps(self._job, self._task)
            message = self._steps.step()
        except Exception as error:
            self._close()
            # What a job has to leave cannot be written: no fault of the job, and the sweep has to stop.
            what = {"disk_full": str(error)} if is_disk_full(error) else _failure(error)
            message = {"epochs": [], **what}
        return {"message": [message], "done": "outcome" in message}

    def cleanup(self) -> None:
        """Lets go of the job's folder when Tune stops the process."""
        self._close()

    def _begin(self, config: dict[str, Any]) -> None:
        self._close()
        self._job = Job.from_config(config)

    def _close(self) -> None:
        if self._steps is not None:
            self._steps.close()
        self._steps = None


def _steps(job: Job, task: SweepTask) -> Steps:
    if job.variant:
        from orchestrator.execution.training_job import TrainingSteps

        return TrainingSteps(job, task)
    from orchestrator.execution.baselines_job import BaselinesStep

    return BaselinesStep(job, task)


def _failure(error: Exception) -> dict[str, str]:
    out_of_memory = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
    outcome = Outcome.INFEASIBLE if out_of_memory else Outcome.FAILED
    return {"outcome": str(outcome), "error": "".join(traceback.format_exception(error))[-8000:]}
