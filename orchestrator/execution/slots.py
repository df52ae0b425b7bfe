"""Current number of slots of a sweep: jobs that may run in parallel."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable


class Slots:
    """Current number of slots of a sweep, the only place that holds it; thread-safe.

    The rule of `execution.slot_sharing` writes it. The controller, the progress and the heartbeat read it.

    Args:
        available: jobs that fit in parallel on the nodes that the sweep uses.
        concurrency: largest number of jobs that the settings allow in parallel; None for no limit.
        clock: seconds.

    Example:
        >>> slots = Slots(8, concurrency=6)
        >>> slots.count, slots.job_limit
        (6, 6)
        >>> slots.limit(2)
        >>> slots.count, slots.job_limit
        (2, 2)
    """

    def __init__(
        self, available: int, concurrency: int | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._total = self._available = available
        self._concurrency = concurrency or sys.maxsize
        self._share: int | None = None
        self._paused = False
        self._paused_seconds = 0.0
        self._clock = clock
        self._since = clock()
        self._seconds = 0.0
        self._lock = threading.Lock()

    @classmethod
    def unlimited(cls) -> Slots:
        """Return slots for any number of jobs, for an executor that has a limit of its own."""
        return cls(sys.maxsize)

    @property
    def total(self) -> int:
        """Jobs that fit in parallel on the whole cluster, excluded nodes included."""
        return self._total

    @property
    def share(self) -> int | None:
        """Jobs that may run while other sweeps use the cluster, at least 1; None for no limit."""
        return self._share

    @property
    def paused(self) -> bool:
        """True if the user has paused the sweep: it then uses no slot."""
        return self._paused

    @property
    def count(self) -> int:
        """Jobs that may run in parallel now; 0 while the sweep is paused."""
        if self._paused:
            return 0
        share = self._share
        return min(self._available, self._concurrency) if share is None else share

    @property
    def job_limit(self) -> int:
        """Jobs that may be handed to Tune now: one in four waits, so that a free slot has a job at once."""
        if self._paused:
            return 0
        share = self._share
        ahead = self._available + max(1, self._available // 4)
        return min(ahead, self._concurrency, ahead if share is None else share)

    def usable(self, jobs: int) -> int:
        """Return how many slots `jobs` jobs could use if no other sweep used the cluster."""
        return 0 if self._paused else max(0, min(jobs, self._available, self._concurrency))

    def pause(self) -> None:
        """Use no slot until `unpause`."""
        with self._lock:
            self._add_seconds()
            self._paused = True

    def unpause(self) -> None:
        """Use the slots again."""
        with self._lock:
            self._add_seconds()
            self._paused = False

    def paused_seconds(self) -> float:
        """Return the seconds for which the sweep was paused, since the object was made."""
        with self._lock:
            self._add_seconds()
            return self._paused_seconds

    def update(self, total: int, available: int) -> None:
        """Set the numbers of jobs that fit in parallel: on the whole cluster, and without the excluded nodes."""
        with self._lock:
            self._add_seconds()
            self._total, self._available = total, available

    def limit(self, share: int | None) -> None:
        """Set the sweep's share while other sweeps use the cluster, raised to 1; None if no other needs a slot."""
        with self._lock:
            self._add_seconds()
            self._share = None if share is None else max(1, share)

    def slot_seconds(self) -> float:
        """Return the sum over time of the number of slots, in seconds, since the object was made."""
        with self._lock:
            self._add_seconds()
            return self._seconds

    def _add_seconds(self) -> None:
        now = self._clock()
        self._seconds += self.count * (now - self._since)
        self._paused_seconds += self._paused * (now - self._since)
        self._since = now
