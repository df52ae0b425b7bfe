"""Brings what people and reports read of a sweep's trials from its storage into the sweep's folder."""

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

_REST = 60.0
"""Seconds for which a storage that was away is left alone: the sweep waits while it is asked."""


class TrialDownloader:
    """Watches a sweep, told before the recorder: a job that ended leaves its files in the sweep's folder.

    Of the jobs that are kept everything comes but the last state, which only a training goes on from; of others the
    history and what else is small. It takes one to four requests, and MLflow's copy is taken from it at once.

    Args:
        store: of the sweep.
        trials: folder of the jobs' folders.
        keeps: whether a job's files are worth it.
    """

    def __init__(self, store: TrialStore, trials: Path, keeps: Callable[[Job, Outcome], bool]) -> None:
        self._store = store
        self._trials = trials
        self._keeps = keeps
        self._missed: set[str] = set()
        self._away_until = 0.0

    def on_job_start(self, job: Job) -> None:
        """Nothing."""

    def on_epoch(self, job: Job, epoch: EpochReport) -> None:
        """Nothing."""

    def on_message(self, job: Job, note: str) -> None:
        """Nothing."""

    def on_job_interrupted(self, job: Job) -> None:
        """It stays where it is, for whoever goes on with it."""

    def on_job_end(self, job: Job, outcome: Outcome, final: dict[str, float], error: str | None) -> None:
        """Fetches; a storage that is away is asked again at the end of the sweep."""
        self._missed.add(job.key)
        if time.monotonic() < self._away_until:
            return
        try:
            self._fetch(job.key, self._keeps(job, outcome))
            self._missed.remove(job.key)
        except OSError as away:
            if isinstance(away, ObjectStoreUnavailable):
                self._away_until = time.monotonic() + _REST
            logger.warning("the files of %s were not fetched: %s", job.key, away)

    def before(self, known: Iterable[tuple[Job, LedgerTrial]]) -> None:
        """Fetches the histories of jobs that are unfinished, for records that lack some of their epochs."""
        for job, trial in known:
            if trial.outcome is None:
                self._fetch_patiently(job.key, everything=False)

    def after(self, known: Iterable[tuple[Job, LedgerTrial]], late: Callable[[Job, Outcome], None]) -> None:
        """Fetches what is not here yet: of confirm runs, which the report reads, and of jobs that were missed.

        Args:
            known: all jobs.
            late: told of each job whose files came only now.

        Raises:
            ObjectStoreUnavailable: the storage has been away for too long.
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
