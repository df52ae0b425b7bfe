"""Callback that calls a function after the first epoch of a sweep's first job."""

from __future__ import annotations

from collections.abc import Callable

from orchestrator.execution.job import EpochReport, Job
from orchestrator.search.outcome import Outcome


class FirstEpochTrigger:
    """Callback that calls a function once, after the first epoch of any job."""

    def __init__(self, function: Callable[[], None]) -> None:
        self._function: Callable[[], None] | None = function

    def on_job_start(self, job: Job) -> None:
        """Do nothing."""

    def on_epoch(self, job: Job, epoch: EpochReport) -> None:
        """Call the function at the first epoch."""
        if self._function:
            self._function()
        self._function = None

    def on_job_end(self, job: Job, outcome: Outcome, final: dict[str, float], error: str | None) -> None:
        """Do nothing."""

    def on_message(self, job: Job, note: str) -> None:
        """Do nothing."""

    def on_job_interrupted(self, job: Job) -> None:
        """Do nothing."""
