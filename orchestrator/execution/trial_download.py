"""Download of the trials' files that reports and MLflow need into the sweep's folder."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from orchestrator.core.object_store import ObjectStoreUnavailable, retry
from orchestrator.execution.job import EpochReport, Job
from orchestrator.execution.trial_store import TrialStore
from orchestrator.search.ledger_trial import LedgerTrial
from orchestrator.search.outcome import Outcome

logger = logging.getLogger(__name__)

_PAUSE = 60.0
"""Seconds without requests after the store did not answer: the sweep waits during a request."""


class TrialDownloader:
    """Callback that fetches an ended job's files into the sweep's folder, before the recorder stages them.

    It fetches all files but the last state of jobs that are kept, since only a training resumes from that state. Of
    other jobs it fetches the history and other small files. A job takes one to four requests.

    Args:
        store: of the sweep.
        trials: the driver's folder with a folder per job.
        keeps: returns whether all files of a job are wanted.
    """

    def __init__(self, store: TrialStore, trials: Path, keeps: Callable[[Job, Outcome], bool]) -> None:
        self._store = store
        self._trials = trials
        self._keeps = keeps
        self._missed: set[str] = set()
        self._unavailable_until = 0.0

    def on_job_start(self, job: Job) -> None:
        """Do nothing."""

    def on_epoch(self, job: Job, epoch: EpochReport) -> None:
        """Do nothing."""

    def on_message(self, job: Job, note: str) -> None:
        """Do nothing."""

    def on_job_interrupted(self, job: Job) -> None:
        """Do nothing: the worker that resumes the job fetches its files."""

    def on_job_end(self, job: Job, outcome: Outcome, final: dict[str, float], error: str | None) -> None:
        """Fetch the job's files; if the store does not answer, `after` fetches them."""
        self._missed.add(job.key)
        if time.monotonic() < self._unavailable_until:
            return
        try:
            self._fetch(job.key, self._keeps(job, outcome))
            self._missed.remove(job.key)
        except OSError as error:
            if isinstance(error, ObjectStoreUnavailable):
                self._unavailable_until = time.monotonic() + _PAUSE
            logger.warning("the files of %s were not fetched: %s", job.key, error)

    def before(self, known: Iterable[tuple[Job, LedgerTrial]]) -> None:
        """Fetch the histories of unfinished jobs, for records that lack some of their epochs."""
        for job, trial in known:
            if trial.outcome is None:
                self._fetch_patiently(job.key, everything=False)

    def after(self, known: Iterable[tuple[Job, LedgerTrial]], late: Callable[[Job, Outcome], None]) -> None:
        """Fetch what is missing: files of confirm runs, which the report reads, and of jobs that were missed.

        Args:
            known: all jobs.
            late: called with each job that was missed before and fetched now.

        Raises:
            ObjectStoreUnavailable: the store did not answer for too long.
        """
        for job, trial in known:
            if trial.outcome is None:
                continue
            missed = job.key in self._missed or not (self._trials / job.key).is_dir()
            reported = job.study == "confirm" and trial.outcome is Outcome.COMPLETE
            if not (reported or missed):
                continue
            fetched = self._fetch_patiently(job.key, reported or self._keeps(job, trial.outcome))
            if missed:
                self._missed.discard(job.key)
                if fetched:
                    late(job, trial.outcome)

    def _fetch_patiently(self, key: str, everything: bool) -> bool:
        return retry(lambda: self._fetch(key, everything))

    def _fetch(self, key: str, everything: bool) -> bool:
        def wanted(name: str) -> bool:
            return not name.startswith("last-") if everything else not name.endswith((".safetensors", ".csv"))

        return self._store.fetch(key, self._trials / key, wanted)
