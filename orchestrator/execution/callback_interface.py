"""Interface of a sweep's callbacks, and the order in which the controller calls them."""

from __future__ import annotations

from typing import Protocol

from orchestrator.execution.job import EpochReport, Job
from orchestrator.search.outcome import Outcome


class SweepCallback(Protocol):
    """Callback of every step of every job, in the driver's thread; must return at once and must not raise."""

    def on_job_start(self, job: Job) -> None:
        """Handle the start of a job, or its restart."""

    def on_epoch(self, job: Job, epoch: EpochReport) -> None:
        """Handle an epoch that a job finished."""

    def on_job_end(self, job: Job, outcome: Outcome, final: dict[str, float], error: str | None) -> None:
        """Handle the end of a job.

        Args:
            job: the job.
            outcome: how it ended.
            final: metrics of its best epoch and, for a confirm run, its test metrics.
            error: its traceback or message if it failed.
        """

    def on_message(self, job: Job, note: str) -> None:
        """Handle a message of one line for the user; the job continues."""

    def on_job_interrupted(self, job: Job) -> None:
        """Handle a job that was stopped before its end and can resume from its checkpoint."""


def order_callbacks(
    *,
    downloader: SweepCallback,
    recorder: SweepCallback,
    progress: SweepCallback,
    view: SweepCallback,
    watchdog: SweepCallback,
    notifier: SweepCallback,
    collector: SweepCallback,
) -> list[SweepCallback]:
    """Return the callbacks of a sweep in the order in which the controller calls them.

    1. The downloader fetches the files of an ended job, which the recorder then stages for MLflow.
    2. The recorder writes each step to the spool, so that nothing is shown that is not recorded.
    3. The progress counts the step.
    4. The view reads the progress.
    5. The watchdog needs no other callback and no other needs it.
    6. The notifier sends only what is recorded.
    7. The checkpoint garbage collector is last, since it may delete files that the recorder had to stage first.
    """
    return [downloader, recorder, progress, view, watchdog, notifier, collector]
