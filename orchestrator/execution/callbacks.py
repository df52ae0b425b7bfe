"""Who is told of a sweep's progress: the recorder, the terminal, and whoever else wants to know."""

from __future__ import annotations

from typing import Protocol

from orchestrator.execution.job import Epoch, Job
from orchestrator.search.outcome import Outcome


class Watcher(Protocol):
    """Told of every step of every job, in the driver's thread: must return at once and must not raise."""

    def started(self, job: Job) -> None:
        """A job was handed out."""

    def epoch(self, job: Job, epoch: Epoch) -> None:
        """A job finished an epoch."""

    def ended(self, job: Job, outcome: Outcome, final: dict[str, float], error: str | None) -> None:
        """A job ended for good; `final` holds its best epoch's and, for a confirm run, its test figures."""

    def noted(self, job: Job, note: str) -> None:
        """Something happened to a job that people should know of, in one line; it goes on."""

    def interrupted(self, job: Job) -> None:
        """A job was stopped before its end and can go on later from its checkpoint."""
