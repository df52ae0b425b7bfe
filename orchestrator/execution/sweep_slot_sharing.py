"""Rule by which the sweeps on a cluster share its slots, and the thread that applies it."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Collection, Iterable

from orchestrator.core.spec import SweepSpec
from orchestrator.execution import sweep_heartbeat
from orchestrator.execution.fair_share import SlotRequest, fair_shares, in_slots_of
from orchestrator.execution.progress import SweepProgress
from orchestrator.execution.slots import Slots
from orchestrator.execution.sweep_heartbeat import Heartbeat

logger = logging.getLogger(__name__)

STALE_SECONDS = 60.0
"""Seconds without a new heartbeat after which a sweep has no claim to a slot."""


class SlotSharing:
    """Thread that updates a sweep's slots every few seconds, as nodes and sweeps come and go; use it as a context.

    The first update is done on entry, before any job starts.

    Args:
        spec: settings of the sweep.
        slots: numbers that are updated.
        progress: counts of the sweep's jobs.
        count: returns how many of its jobs fit in parallel on the cluster without the given nodes.
        excluded_nodes: ids of the nodes that the sweep excludes; may grow.
        read_heartbeats: returns the heartbeats of the cluster's sweeps.
    """

    def __init__(
        self,
        spec: SweepSpec,
        slots: Slots,
        progress: SweepProgress,
        count: Callable[[Collection[str]], int],
        excluded_nodes: Collection[str] = (),
        read_heartbeats: Callable[[], Iterable[Heartbeat]] = tuple,
    ) -> None:
        self._spec = spec
        self._slots = slots
        self._progress = progress
        self._count = count
        self._excluded_nodes = excluded_nodes
        self._read_heartbeats = read_heartbeats
        self._last_seen: dict[str, tuple[float, float]] = {}
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="slot-sharing", daemon=True)

    def __enter__(self) -> SlotSharing:
        self.update()
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._closing.set()
        self._thread.join(timeout=sweep_heartbeat.INTERVAL)

    def update(self) -> None:
        """Count the slots of the cluster and share them; an error leaves the last known numbers."""
        try:
            total = available = self._count(())
            if self._excluded_nodes:
                available = self._count(self._excluded_nodes)
            self._slots.update(total, available)
            self.share(self._read_heartbeats())
        except Exception as error:
            # Ray's head may be away, or a heartbeat unreadable; the next update is soon.
            logger.info("the slots could not be updated: %s", error)

    def share(self, heartbeats: Iterable[Heartbeat]) -> None:
        """Set the sweep's share of the slots from the heartbeats of all sweeps, its own and old ones included.

        Sweeps on GPUs share these among each other. A sweep on CPUs first leaves them the CPUs that they can use.
        """
        others = [beat for beat in heartbeats if beat.id != self._spec.id and self._is_alive(beat)]
        total = free = self._slots.total
        if not self._spec.gpus:
            cpus = sum(beat.wanted * beat.cpus for beat in others if beat.gpus)
            free = max(1, total - math.ceil(cpus / (self._spec.cpus_per_trial or 1.0)))
        requests = {
            beat.id: SlotRequest(beat.priority, in_slots_of(beat.wanted, beat.room, total))
            for beat in others
            if bool(beat.gpus) == bool(self._spec.gpus)
        }
        limited = bool(requests) or free < total
        own_request = SlotRequest(self._spec.priority, self._slots.usable(self._progress.remaining_jobs()))
        share = fair_shares(free, {**requests, self._spec.id: own_request})[self._spec.id]
        self._slots.limit(share if limited else None)

    def _is_alive(self, beat: Heartbeat) -> bool:
        """Return whether a heartbeat has changed lately by this process's clock; clocks of hosts may differ."""
        at, seen = self._last_seen.get(beat.id, (math.nan, 0.0))
        if at != beat.at:
            at, seen = beat.at, time.monotonic()
            self._last_seen[beat.id] = at, seen
        return time.monotonic() - seen < STALE_SECONDS

    def _run(self) -> None:
        while not self._closing.wait(sweep_heartbeat.INTERVAL):
            self.update()
