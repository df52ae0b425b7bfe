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
        waiting: whether it has no worker: it was handed to the executor, or interrupted.
        curve: objective of each epoch of this process.
        test: test SRCC of a confirm run; NaN before its end.
        began, ended: times at which it got a worker and ended, by `time.monotonic`; None before.
        host, device: of its worker; empty before its first epoch.
        number: it was the n-th to end; 0 before.
    """

    job: Job
    epoch: int = 0
    latest: float = math.nan
    best: float = math.nan
    outcome: Outcome | None = None
    waiting: bool = True
    curve: list[float] = field(default_factory=list)
    test: float = math.nan
    began: float | None = None
    ended: float | None = None
    host: str = ""
    device: str = ""
    number: int = 0


@dataclass
class SweepProgress:
    """Callback that counts a sweep's jobs, its rate, the time left and the busy share of its slots.

    The live view reads it four times a second, so no method iterates over the jobs that have ended.

    Args:
        budget: largest number of jobs that the whole sweep runs.
        epochs: of a training.
        slots: slots of the sweep.

    Attributes:
        lines: progress of each job, by its key.
        hosts: names of the hosts that trained, in their order.
        busy_seconds: sum of the seconds of all epochs.
    """

    budget: int
    epochs: int
    slots: Slots
    lines: dict[str, JobProgress] = field(default_factory=dict)
    hosts: dict[str, None] = field(default_factory=dict)
    busy_seconds: float = 0.0
    _slot_seconds_before: float | None = None
    _recent: deque[float] = field(default_factory=deque)
    _ended: deque[JobProgress] = field(default_factory=lambda: deque(maxlen=_LATEST))
    _ended_jobs: int = 0
    _has_trained: bool = False
    _ended_epochs: int = 0
    _open: dict[str, JobProgress] = field(default_factory=dict)
    _outcomes: Counter[str] = field(default_factory=Counter)
    _best_complete: dict[str, JobProgress] = field(default_factory=dict)

    def load_known(self, known: Iterable[tuple[Job, LedgerTrial]]) -> None:
        """Take over the jobs that ended or began before this process began; call it before any job runs."""
        for job, trial in known:
            curve = [trial.epochs[epoch] for epoch in sorted(trial.epochs)]
            best = max(filter(math.isfinite, curve), default=math.nan)
            latest = curve[-1] if curve else math.nan
            self.lines[job.key] = JobProgress(job, max(trial.epochs, default=0), latest, best, curve=curve)
            if trial.outcome is not None:
                self.on_job_end(job, trial.outcome, {}, None)

    def on_job_start(self, job: Job) -> None:
        """Count a job that starts or resumes."""
        line = self.lines.setdefault(job.key, JobProgress(job))
        line.waiting = True
        self._open[job.key] = line

    def mark_running(self, job: Job) -> None:
        """Count a job as running, since it has got a worker."""
        line = self.lines[job.key]
        line.waiting, self._has_trained = False, True
        if line.began is None:
            line.began = time.monotonic()

    def on_epoch(self, job: Job, epoch: EpochReport) -> None:
        """Count an epoch and its time."""
        self.mark_running(job)  # not every executor reports that a job has got a worker
        line = self.lines[job.key]
        line.epoch, line.latest = epoch.number, epoch.objective
        line.curve.append(epoch.objective)
        if host := epoch.place.get("host"):
            line.host, line.device = host, epoch.place.get("device", "")
            self.hosts[host] = None
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
        self._open.pop(job.key, None)
        self._ended_jobs += 1
        line.outcome, line.number, line.ended = outcome, self._ended_jobs, time.monotonic()
        line.test = final.get("test_srcc", math.nan)
        self._ended.append(line)
        self._ended_epochs += line.epoch
        self._outcomes[str(outcome)] += 1
        if outcome is Outcome.COMPLETE and math.isfinite(line.best):
            before = self._best_complete.setdefault(job.study, line)
            self._best_complete[job.study] = max(before, line, key=lambda candidate: candidate.best)

    def on_message(self, job: Job, note: str) -> None:
        """Ignore messages."""

    def on_job_interrupted(self, job: Job) -> None:
        """Mark a job as waiting."""
        self.lines[job.key].waiting = True

    def outcomes(self) -> dict[str, int]:
        """Return the number of ended jobs by outcome."""
        return dict(self._outcomes)

    def best(self, study: str) -> JobProgress | None:
        """Return the job of a study with the highest objective so far, of those that are open or complete."""
        candidates = [line for line in self.open_jobs() if line.job.study == study and math.isfinite(line.best)]
        if study in self._best_complete:
            candidates.insert(0, self._best_complete[study])
        return max(candidates, key=lambda line: line.best, default=None)

    def open_jobs(self) -> list[JobProgress]:
        """Return the jobs that were handed to the executor and have not ended."""
        return list(self._open.values())

    def running(self) -> list[JobProgress]:
        """Return the open jobs that have a worker."""
        return [line for line in self.open_jobs() if not line.waiting]

    def has_trained(self) -> bool:
        """Return whether a job has had a worker since this process began."""
        return self._has_trained

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
        ahead += sum(max(0.0, mean_epochs - line.epoch) for line in self.open_jobs())
        return ahead / self.rate()

    def busy_share(self) -> float:
        """Return the share of the slots' time, since the first epoch ended, in which an epoch was trained."""
        if self._slot_seconds_before is None:
            return 0.0
        return min(1.0, self.busy_seconds / max(self.slots.slot_seconds() - self._slot_seconds_before, 1e-3))

    def _active_seconds(self) -> float:
        """Return the time by a clock that stands still while the sweep is paused."""
        return time.monotonic() - self.slots.paused_seconds()
