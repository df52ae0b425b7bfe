"""Who is told of a sweep's progress: the recorder, the terminal, and whoever else wants to know."""

from __future__ import annotations

from typing import Protocol

from orchestrator.execution.job import EpochReport, Job
from orchestrator.search.outcome import Outcome


class SweepCallback(Protocol):
    """Told of every step of every job, in the driver's thread: must return at once and must not raise."""

    def on_job_start(self, job: Job) -> None:
        """A job was handed out."""

    def on_epoch(self, job: Job, epoch: EpochReport) -> None:
        """A job finished an epoch."""

    def on_job_end(self, job: Job, outcome: Outcome, final: dict[str, float], error: str | None) -> None:
        """A job ended for good; `final` holds its best epoch's and, for a confirm run, its test figures."""

    def on_message(self, job: Job, note: str) -> None:
        """Something happened to a job that people should know of, in one line; it goes on."""

    def on_job_interrupted(self, job: Job) -> None:
        """A job was stopped before its end and can go on later from its checkpoint."""
