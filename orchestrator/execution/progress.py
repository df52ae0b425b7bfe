"""Counts of a running sweep: jobs by state, best objectives, rate, time left, busy share of the slots."""

from __future__ import annotations

import math
import time
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from orchestrator.execution.job import EpochReport, Job
from orchestrator.execution.slots import Slots
from orchestrator.search.ledger_trial import LedgerTrial
from orchestrator.search.outcome import Outcome

_RATE_WINDOW = 60.0
"""Seconds over which the rate of epochs is measured."""

_LATEST = 10
"""Number of ended jobs that are shown."""


@dataclass
class JobProgress:
    """Progress of one job.

    Attributes:
        job: the job.
        epoch: number of its last epoch; 0 before the first.
        latest: objective of that epoch.
        best: highest objective so far.
        outcome: how it ended; None while it runs or waits.
        waiting: True while it is interrupted.
    """

    job: Job
    epoch: int = 0
    latest: float = math.nan
    best: float = math.nan
    outcome: Outcome | None = None
    waiting: bool = False


@dataclass
class SweepProgress:
    """Callback that counts a sweep's jobs, its rate, the time left and the busy share of its slots.

    The live view reads it four times a second, so no method iterates over the jobs that have ended.

    Args:
        budget: largest number of jobs that the whole sweep runs.
        epochs: of a training.
        slots: slots of the sweep.
    """

    budget: int
    epochs: int
    slots: Slots
    lines: dict[str, JobProgress] = field(default_factory=dict)
    began: float = field(default_factory=time.monotonic)
    busy_seconds: float = 0.0
    _slot_seconds_before: float | None = None
    _recent: deque[float] = field(default_factory=deque)
    _ended: deque[JobProgress] = field(default_factory=lambda: deque(maxlen=_LATEST))
    _ended_jobs: int = 0
    _ended_epochs: int = 0
    _open: dict[str, JobProgress] = field(default_factory=dict)
    _outcomes: Counter[str] = field(default_factory=Counter)
    _best_complete: dict[str, JobProgress] = field(default_factory=dict)

    def load_finished(self, known: Iterable[tuple[Job, LedgerTrial]]) -> None:
        """Count the jobs that ended before this process began; call it before any job runs."""
        for job, trial in known:
            if trial.outcome is None:
                continue
            objectives = [value for value in trial.epochs.values() if math.isfinite(value)]
            self.lines[job.key] = JobProgress(job, max(trial.epochs, default=0), best=max(objectives, default=math.nan))
            self.on_job_end(job, trial.outcome, {}, None)

    def on_job_start(self, job: Job) -> None:
        """Count a job that starts or resumes."""
        line = self.lines.setdefault(job.key, JobProgress(job))
        line.waiting = False
        self._open[job.key] = line

    def on_epoch(self, job: Job, epoch: EpochReport) -> None:
        """Count an epoch and its time."""
        line = self.lines[job.key]
        line.epoch, line.latest = epoch.number, epoch.objective
        if epoch.objective > line.best or math.isnan(line.best):
            line.best = epoch.objective
        now = self._active_seconds()
        if self._slot_seconds_before is None:
            self._slot_seconds_before = self.slots.slot_seconds()
        self.busy_seconds += epoch.seconds
        self._recent.append(now)
        while self._recent and now - self._recent[0] > _RATE_WINDOW:
            self._recent.popleft()

    def on_job_end(self, job: Job, outcome: Outcome, final: dict[str, float], error: str | None) -> None:
        """Count a job that ended."""
        line = self.lines[job.key]
        line.outcome = outcome
        self._open.pop(job.key, None)
        self._ended.append(line)
        self._ended_jobs += 1
        self._ended_epochs += line.epoch
        if job.study == "search":
            self._outcomes[str(outcome)] += 1
        if outcome is Outcome.COMPLETE and math.isfinite(line.best):
            before = self._best_complete.setdefault(job.study, line)
            self._best_complete[job.study] = max(before, line, key=lambda candidate: candidate.best)

    def on_message(self, job: Job, note: str) -> None:
        """Ignore messages."""

    def on_job_interrupted(self, job: Job) -> None:
        """Mark a job as waiting."""
        self.lines[job.key].waiting = True

    def counts(self) -> Counter[str]:
        """Return the number of searched trials by outcome, and of those that run under `running`."""
        running = sum(line.job.study == "search" for line in self.running())
        return self._outcomes + Counter({"running": running})

    def best(self, study: str) -> JobProgress | None:
        """Return the job of a study with the highest objective so far, of those that run or are complete."""
        candidates = [line for line in self.running() if line.job.study == study and math.isfinite(line.best)]
        if study in self._best_complete:
            candidates.insert(0, self._best_complete[study])
        return max(candidates, key=lambda line: line.best, default=None)

    def running(self) -> list[JobProgress]:
        """Return the jobs that were started and have not ended."""
        return list(self._open.values())

    def latest(self) -> list[JobProgress]:
        """Return the jobs that ended lately, the latest first."""
        return list(reversed(self._ended))

    def ended_jobs(self) -> int:
        """Return how many jobs have ended."""
        return self._ended_jobs

    def remaining_jobs(self) -> int:
        """Return how many jobs of the budget have not ended."""
        return self.budget - self._ended_jobs

    @property
    def paused(self) -> bool:
        """True if the user has paused the sweep."""
        return self.slots.paused

    def rate(self) -> float:
        """Return the epochs a second over the last minute; time for which the sweep was paused does not count."""
        if len(self._recent) < 2:
            return 0.0
        return len(self._recent) / max(self._active_seconds() - self._recent[0], 1e-3)

    def seconds_left(self) -> float | None:
        """Estimate the seconds left by the epochs that jobs have needed so far.

        None before a job has ended, and while the sweep is paused.
        """
        if self.paused or not self._ended_jobs or not self.rate():
            return None
        mean_epochs = self._ended_epochs / self._ended_jobs
        ahead = (self.budget - len(self.lines)) * mean_epochs
        ahead += sum(max(0.0, mean_epochs - line.epoch) for line in self.running())
        return ahead / self.rate()

    def busy_share(self) -> float:
        """Return the share of the slots' time, since the first epoch ended, in which an epoch was trained."""
        if self._slot_seconds_before is None:
            return 0.0
        return min(1.0, self.busy_seconds / max(self.slots.slot_seconds() - self._slot_seconds_before, 1e-3))

    def _active_seconds(self) -> float:
        """Return the time by a clock that stands still while the sweep is paused."""
        return time.monotonic() - self.slots.paused_seconds()
