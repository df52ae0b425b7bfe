"""The warden: puts down workers that hang, so that their jobs can start again."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from orchestrator.execution.controller import SweepController
from orchestrator.execution.job import EpochReport, Job
from orchestrator.execution.shared_trial_store import SharedTrialStore
from orchestrator.execution.trial_dir import WorkerInfo
from orchestrator.execution.trial_store import TrialStore
from orchestrator.search.outcome import Outcome

logger = logging.getLogger(__name__)

STACKS = "stacks.txt"
"""In a job's folder: where its process was when it was put down; its workers write it at SIGUSR1."""

_AT_LEAST = 1800.0
_TIMES_THE_LONGEST = 10.0
_CLOCKS_DIFFER = 60.0
"""Seconds that two hosts' clocks may differ."""


@dataclass
class _Watch:
    """Since when nothing was heard of a job, of which start of its worker, and of which before it was handed out."""

    job: Job
    since: float
    handed_out: float
    before: str | None = None
    token: str | None = None


class HangWatchdog:
    """Watches a sweep, and a thread that looks after silent jobs; use it as a context.

    A job that waits for its slot is not silent: it has no worker yet. Time is counted from when its worker is first
    seen, and anew from each epoch.

    Args:
        trials: folder of the jobs' folders.
        limit: seconds an epoch may take; None for ten times the longest so far, but half an hour at least.
        send: signals a worker.
        clock: seconds.
        grace: seconds that a worker has to write its stacks.
        store: where the jobs' workers are recorded; `trials` by default.
    """

    def __init__(
        self,
        trials: Path,
        limit: float | None = None,
        send: Callable[[WorkerInfo, int], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
        grace: float = 1.0,
        store: TrialStore | None = None,
    ) -> None:
        self._trials = trials
        self._limit = limit
        self._send = send or send_signal
        self._clock = clock
        self._grace = grace
        self._store = store or SharedTrialStore(trials)
        self._longest = 0.0
        self._watches: dict[str, _Watch] = {}
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self.controller: SweepController | None = None
        self._thread = threading.Thread(target=self._run, name="warden", daemon=True)

    def __enter__(self) -> HangWatchdog:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._closing.set()
        self._thread.join()

    @property
    def limit(self) -> float:
        """Seconds of silence that are borne."""
        return self._limit or max(_AT_LEAST, _TIMES_THE_LONGEST * self._longest)

    # As a watcher

    def on_job_start(self, job: Job) -> None:
        """Its worker is not there yet, or it is the one of before."""
        with self._lock:
            # A server is asked by the thread only, which knows an earlier worker by when it began.
            worker = self._store.local_writer(job.key)
            self._watches[job.key] = _Watch(job, self._clock(), time.time(), worker.token if worker else None)

    def on_epoch(self, job: Job, epoch: EpochReport) -> None:
        """A sign of life."""
        with self._lock:
            self._longest = max(self._longest, epoch.seconds)
            if job.key in self._watches:
                self._watches[job.key].since = self._clock()

    def on_job_end(self, job: Job, outcome: Outcome, final: dict[str, float], error: str | None) -> None:
        """Nothing to look after any more."""
        self._forget(job)

    def on_message(self, job: Job, note: str) -> None:
        """Nothing."""

    def on_job_interrupted(self, job: Job) -> None:
        """Nothing to look after any more."""
        self._forget(job)

    def _forget(self, job: Job) -> None:
        with self._lock:
            self._watches.pop(job.key, None)

    # As a thread

    def _run(self) -> None:
        while not self._closing.wait(min(30.0, max(0.2, self.limit / 20))):
            try:
                self.check_once()
            except Exception:  # a warden that dies would leave the sweep unguarded
                logger.exception("looking after silent jobs failed")

    def check_once(self) -> list[str]:
        """Puts down whatever has been silent for too long; gives the keys of those jobs."""
        now, limit = self._clock(), self.limit
        with self._lock:
            silent = [watch for watch in self._watches.values() if now - watch.since > limit / 4]
        put_down = []
        for watch in silent:
            worker = self._store.writer(watch.job.key)
            if worker is None or self._is_earlier(worker, watch):
                watch.token, watch.since = None, now
            elif worker.token != watch.token:
                watch.token, watch.since = worker.token, now
            elif now - watch.since > limit and self.controller is not None:
                watch.since = now
                self._end(watch.job, worker, limit)
                put_down.append(watch.job.key)
        return put_down

    def _is_earlier(self, worker: WorkerInfo, watch: _Watch) -> bool:
        """Whether a card is of a worker that had the job before it was handed out again, and may run another by now."""
        return worker.token == watch.before or worker.started < watch.handed_out - _CLOCKS_DIFFER

    def _end(self, job: Job, worker: WorkerInfo, limit: float) -> None:
        assert self.controller is not None
        where = f"pid {worker.pid} on {worker.host}"
        logger.warning("%s: no epoch within %.0f s; its worker (%s) is put down", job.key, limit, where)
        stacks = self._trials / job.key / STACKS
        self._send(worker, signal.SIGUSR1)
        time.sleep(self._grace)
        seen = stacks.read_text()[-6000:] if stacks.is_file() else ""
        self.controller.report_hang(job, f"{seen}\nIt hung: no epoch ended within {limit:.0f} s ({where}).")
        self._send(worker, signal.SIGKILL)


def send_signal(worker: WorkerInfo, number: int) -> None:
    """Signals a worker's process, here or on its node."""
    if worker.host == socket.gethostname():
        _signal(worker.pid, number)
        return
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    there = NodeAffinitySchedulingStrategy(node_id=worker.node, soft=False)
    send = ray.remote(num_cpus=0)(_signal).options(scheduling_strategy=there)
    ray.get(send.remote(worker.pid, number), timeout=60)


def _signal(pid: int, number: int) -> None:
    """Signals a Ray worker of this host; any other process that has got its number since is left alone."""
    try:
        if b"ray::" in Path(f"/proc/{pid}/cmdline").read_bytes():
            os.kill(pid, number)
    except (ProcessLookupError, FileNotFoundError):
        pass
