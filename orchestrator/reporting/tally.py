"""Keeping count of a sweep while it runs."""

from __future__ import annotations

import math
import time
from collections import Counter, deque
from dataclasses import dataclass, field

from orchestrator.execution.job import Epoch, Job
from orchestrator.search.outcome import Outcome

_RATE_WINDOW = 60.0


@dataclass
class JobLine:
    """What is known of one job."""

    job: Job
    epoch: int = 0
    latest: float = math.nan
    best: float = math.nan
    outcome: Outcome | None = None


@dataclass
class Tally:
    """Watches a sweep: jobs, states, the best so far, the rate, the time left, the busy share of the slots.

    Args:
        budget: jobs that the whole sweep will run at most.
        epochs: of a training.
        slots: jobs side by side.
    """

    budget: int
    epochs: int
    slots: int
    lines: dict[str, JobLine] = field(default_factory=dict)
    began: float = field(default_factory=time.monotonic)
    busy_seconds: float = 0.0
    first_epoch_at: float | None = None
    slot_seconds: float = 0.0
    _slots_since: float = 0.0
    _recent: deque[float] = field(default_factory=deque)
    _epochs_of_ended: list[int] = field(default_factory=list)

    def resize(self, slots: int) -> None:
        """There are more slots now, or fewer; called from a thread."""
        now = time.monotonic()
        if self.first_epoch_at is not None:
            self.slot_seconds += self.slots * (now - max(self._slots_since, self.first_epoch_at))
        self.slots, self._slots_since = slots, now

    def started(self, job: Job) -> None:
        """A job was handed out, perhaps not for the first time."""
        self.lines.setdefault(job.key, JobLine(job))

    def epoch(self, job: Job, epoch: Epoch) -> None:
        """A job finished an epoch."""
        line = self.lines[job.key]
        line.epoch, line.latest = epoch.number, epoch.objective
        if epoch.objective > line.best or math.isnan(line.best):
            line.best = epoch.objective
        now = time.monotonic()
        self.first_epoch_at = self.first_epoch_at or now
        self.busy_seconds += epoch.seconds
        self._recent.append(now)
        while self._recent and now - self._recent[0] > _RATE_WINDOW:
            self._recent.popleft()

    def ended(self, job: Job, outcome: Outcome, final: dict[str, float], error: str | None) -> None:
        """A job ended."""
        line = self.lines[job.key]
        line.outcome = outcome
        self._epochs_of_ended.append(line.epoch)

    def noted(self, job: Job, note: str) -> None:
        """Nothing to count."""

    def interrupted(self, job: Job) -> None:
        """A job was stopped."""

    def counts(self) -> Counter[str]:
        """Searched trials by outcome, and `running`."""
        searched = [line for line in self.lines.values() if line.job.study == "search"]
        return Counter(str(line.outcome) if line.outcome else "running" for line in searched)

    def best(self, study: str) -> JobLine | None:
        """The job of a study with the highest objective so far."""
        found = [
            line
            for line in self.lines.values()
            if line.job.study == study and math.isfinite(line.best) and line.outcome in {None, Outcome.COMPLETE}
        ]
        return max(found, key=lambda line: line.best, default=None)

    def running(self) -> list[JobLine]:
        """Jobs that have not ended."""
        return [line for line in self.lines.values() if line.outcome is None]

    def ended_jobs(self) -> int:
        """How many jobs have ended."""
        return len(self._epochs_of_ended)

    def rate(self) -> float:
        """Epochs a second over the last minute."""
        if len(self._recent) < 2:
            return 0.0
        return len(self._recent) / max(time.monotonic() - self._recent[0], 1e-3)

    def seconds_left(self) -> float | None:
        """An estimate, by the epochs that jobs have needed so far; None before one has ended."""
        if not self._epochs_of_ended or not self.rate():
            return None
        mean_epochs = sum(self._epochs_of_ended) / len(self._epochs_of_ended)
        ahead = (self.budget - len(self.lines)) * mean_epochs
        ahead += sum(max(0.0, mean_epochs - line.epoch) for line in self.running())
        return ahead / self.rate()

    def busy_share(self) -> float:
        """Share of the slots' time, since the first epoch ended, in which an epoch was being trained."""
        if self.first_epoch_at is None:
            return 0.0
        since = time.monotonic() - max(self._slots_since, self.first_epoch_at)
        return min(1.0, self.busy_seconds / max(self.slot_seconds + self.slots * since, 1e-3))
