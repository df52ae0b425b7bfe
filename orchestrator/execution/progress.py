"""Keeping count of a sweep while it runs."""

from __future__ import annotations

import math
import time
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from orchestrator.execution.job import EpochReport, Job
from orchestrator.search.ledger_trial import LedgerTrial
from orchestrator.search.outcome import Outcome

_RATE_WINDOW = 60.0
_LATEST = 10
"""So many of the jobs that ended are shown."""


@dataclass
class JobProgress:
    """What is known of one job."""

    job: Job
    epoch: int = 0
    latest: float = math.nan
    best: float = math.nan
    outcome: Outcome | None = None
    waiting: bool = False


@dataclass
class SweepProgress:
    """Watches a sweep: jobs, states, the best so far, the rate, the time left, the busy share of the slots.

    It is drawn four times a second, so nothing here goes through the jobs that have ended.

    Args:
        budget: jobs that the whole sweep will run at most.
        epochs: of a training.
        slots: jobs side by side now.
    """

    budget: int
    epochs: int
    slots: int
    lines: dict[str, JobProgress] = field(default_factory=dict)
    began: float = field(default_factory=time.monotonic)
    busy_seconds: float = 0.0
    first_epoch_at: float | None = None
    _slot_seconds: float = 0.0
    _slots_since: float = 0.0
    _recent: deque[float] = field(default_factory=deque)
    _ended: deque[JobProgress] = field(default_factory=lambda: deque(maxlen=_LATEST))
    _ended_jobs: int = 0
    _ended_epochs: int = 0
    _open: dict[str, JobProgress] = field(default_factory=dict)
    _outcomes: Counter[str] = field(default_factory=Counter)
    _best_complete: dict[str, JobProgress] = field(default_factory=dict)

    def load_finished(self, known: Iterable[tuple[Job, LedgerTrial]]) -> None:
        """Takes in what ended before this process began; call it before any job runs."""
        for job, trial in known:
            if trial.outcome is None:
                continue
            objectives = [value for value in trial.epochs.values() if math.isfinite(value)]
            self.lines[job.key] = JobProgress(job, max(trial.epochs, default=0), best=max(objectives, default=math.nan))
            self.on_job_end(job, trial.outcome, {}, None)

    def on_job_start(self, job: Job) -> None:
        """A job was handed out, perhaps not for the first time."""
        line = self.lines.setdefault(job.key, JobProgress(job))
        line.waiting = False
        self._open[job.key] = line

    def on_epoch(self, job: Job, epoch: EpochReport) -> None:
        """A job finished an epoch."""
        line = self.lines[job.key]
        line.epoch, line.latest = epoch.number, epoch.objective
        if epoch.objective > line.best or math.isnan(line.best):
            line.best = epoch.objective
        now = time.monotonic()
        if self.first_epoch_at is None:
            self.first_epoch_at = self._slots_since = now
        self.busy_seconds += epoch.seconds
        self._recent.append(now)
        while self._recent and now - self._recent[0] > _RATE_WINDOW:
            self._recent.popleft()

    def on_job_end(self, job: Job, outcome: Outcome, final: dict[str, float], error: str | None) -> None:
        """A job ended."""
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
            self._best_complete[job.study] = max(before, line, key=lambda one: one.best)

    def on_message(self, job: Job, note: str) -> None:
        """Nothing to count."""

    def on_job_interrupted(self, job: Job) -> None:
        """A job was stopped, for now."""
        self.lines[job.key].waiting = True

    def counts(self) -> Counter[str]:
        """Searched trials by outcome, and `running`."""
        running = sum(line.job.study == "search" for line in self.running())
        return self._outcomes + Counter({"running": running})

    def best(self, study: str) -> JobProgress | None:
        """The job of a study with the highest objective so far, of those that run or are complete."""
        found = [line for line in self.running() if line.job.study == study and math.isfinite(line.best)]
        if study in self._best_complete:
            found.insert(0, self._best_complete[study])
        return max(found, key=lambda line: line.best, default=None)

    def running(self) -> list[JobProgress]:
        """Jobs that have not ended."""
        return list(self._open.values())

    def latest(self) -> list[JobProgress]:
        """Jobs that ended lately, the latest first."""
        return list(reversed(self._ended))

    def ended_jobs(self) -> int:
        """How many jobs have ended."""
        return self._ended_jobs

    def rate(self) -> float:
        """Epochs a second over the last minute."""
        if len(self._recent) < 2:
            return 0.0
        return len(self._recent) / max(time.monotonic() - self._recent[0], 1e-3)

    def seconds_left(self) -> float | None:
        """An estimate, by the epochs that jobs have needed so far; None before one has ended."""
        if not self._ended_jobs or not self.rate():
            return None
        mean_epochs = self._ended_epochs / self._ended_jobs
        ahead = (self.budget - len(self.lines)) * mean_epochs
        ahead += sum(max(0.0, mean_epochs - line.epoch) for line in self.running())
        return ahead / self.rate()

    def busy_share(self) -> float:
        """Share of the slots' time, since the first epoch ended, in which an epoch was being trained."""
        if self.first_epoch_at is None:
            return 0.0
        self.use_slots(self.slots)
        return min(1.0, self.busy_seconds / max(self._slot_seconds, 1e-3))

    def use_slots(self, slots: int) -> None:
        """From now on there are so many: hosts and other sweeps come and go."""
        now = time.monotonic()
        if self.first_epoch_at is not None:
            self._slot_seconds += self.slots * (now - self._slots_since)
            self._slots_since = now
        self.slots = slots
