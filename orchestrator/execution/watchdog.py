"""Watchdog that kills workers that hang, so that their jobs can be retried."""

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

from orchestrator.execution.job import EpochReport, Job
from orchestrator.execution.locked_trial_dir import WorkerInfo
from orchestrator.execution.shared_trial_store import SharedTrialStore
from orchestrator.execution.trial_store import TrialStore
from orchestrator.search.outcome import Outcome

logger = logging.getLogger(__name__)

STACKS = "stacks.txt"
"""File in a job's folder to which its process writes its stacks at SIGUSR1, before it is killed."""

_SHORTEST_LIMIT = 1800.0
"""Seconds without an epoch that are always allowed."""

_TIMES_LONGEST_EPOCH = 10.0
"""Multiple of the longest epoch so far that is allowed."""

_CLOCK_DIFFERENCE = 60.0
"""Seconds by which the clocks of two hosts may differ."""


@dataclass
class _WatchedJob:
    """Watched job: time of its last sign of life, and the tokens of its current and previous worker.

    Attributes:
        job: the job.
        last_seen: time of its last sign of life by the watchdog's clock.
        started: time at which it was started, in seconds since 1970.
        previous_token: of the worker that had it before it was started.
        token: of its worker; None as long as that is not known.
    """

    job: Job
    last_seen: float
    started: float
    previous_token: str | None = None
    token: str | None = None


class HangWatchdog:
    """Callback with a thread that kills the workers of silent jobs; use it as a context.

    A job that waits for its slot is not silent, since it has no worker yet. Time is counted from when its worker is
    first seen, and again from each epoch.

    Args:
        trials: folder of the jobs' folders.
        report_hang: called in the thread, before the worker is killed, with the job, its stacks and a sentence.
        limit: seconds an epoch may take; None for ten times the longest so far, but half an hour at least.
        send: sends a signal to a worker.
        clock: seconds.
        grace: seconds that a worker has to write its stacks.
        store: names the jobs' workers; the files in `trials` by default.
    """

    def __init__(
        self,
        trials: Path,
        report_hang: Callable[[Job, str], None],
        limit: float | None = None,
        send: Callable[[WorkerInfo, int], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
        grace: float = 1.0,
        store: TrialStore | None = None,
    ) -> None:
        self._trials = trials
        self._report_hang = report_hang
        self._limit = limit
        self._send = send or send_signal
        self._clock = clock
        self._grace = grace
        self._store = store or SharedTrialStore(trials)
        self._longest_epoch = 0.0
        self._watched: dict[str, _WatchedJob] = {}
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)

    def __enter__(self) -> HangWatchdog:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._closing.set()
        self._thread.join()

    @property
    def limit(self) -> float:
        """Seconds without an epoch after which a worker is killed."""
        return self._limit or max(_SHORTEST_LIMIT, _TIMES_LONGEST_EPOCH * self._longest_epoch)

    # Callback

    def on_job_start(self, job: Job) -> None:
        """Watch a job, whose worker is not known yet; the one that its folder names is the previous one."""
        with self._lock:
            # Only the thread asks a server; it knows a previous worker by the time at which that started.
            worker = self._store.local_writer(job.key)
            self._watched[job.key] = _WatchedJob(job, self._clock(), time.time(), worker.token if worker else None)

    def on_epoch(self, job: Job, epoch: EpochReport) -> None:
        """Note a sign of life."""
        with self._lock:
            self._longest_epoch = max(self._longest_epoch, epoch.seconds)
            if job.key in self._watched:
                self._watched[job.key].last_seen = self._clock()

    def on_job_end(self, job: Job, outcome: Outcome, final: dict[str, float], error: str | None) -> None:
        """Watch the job no longer."""
        self._forget(job)

    def on_message(self, job: Job, note: str) -> None:
        """Ignore messages."""

    def on_job_interrupted(self, job: Job) -> None:
        """Watch the job no longer."""
        self._forget(job)

    def _forget(self, job: Job) -> None:
        with self._lock:
            self._watched.pop(job.key, None)

    # Thread

    def _run(self) -> None:
        while not self._closing.wait(min(30.0, max(0.2, self.limit / 20))):
            try:
                self.check_once()
            except Exception:  # without the thread a worker that hangs would stop the sweep
                logger.exception("checking for silent jobs failed")

    def check_once(self) -> list[str]:
        """Kill the workers that have been silent for too long; return the keys of their jobs."""
        now, limit = self._clock(), self.limit
        with self._lock:
            silent = [watched for watched in self._watched.values() if now - watched.last_seen > limit / 4]
        killed = []
        for watched in silent:
            worker = self._store.writer(watched.job.key)
            if worker is None or self._is_previous(worker, watched):
                watched.token, watched.last_seen = None, now
            elif worker.token != watched.token:
                watched.token, watched.last_seen = worker.token, now
            elif now - watched.last_seen > limit:
                watched.last_seen = now
                self._kill(watched.job, worker, limit)
                killed.append(watched.job.key)
        return killed

    def _is_previous(self, worker: WorkerInfo, watched: _WatchedJob) -> bool:
        """Return whether the worker had the job before its last start; it may run another job by now."""
        return worker.token == watched.previous_token or worker.started < watched.started - _CLOCK_DIFFERENCE

    def _kill(self, job: Job, worker: WorkerInfo, limit: float) -> None:
        process = f"pid {worker.pid} on {worker.host}"
        logger.warning("%s: no epoch within %.0f s; its worker (%s) is killed", job.key, limit, process)
        path = self._trials / job.key / STACKS
        self._send(worker, signal.SIGUSR1)
        time.sleep(self._grace)
        stacks = path.read_text(encoding="utf-8")[-6000:] if path.is_file() else ""
        self._report_hang(job, f"{stacks}\nIt hung: no epoch ended within {limit:.0f} s ({process}).")
        self._send(worker, signal.SIGKILL)


def send_signal(worker: WorkerInfo, number: int) -> None:
    """Send a signal to a worker's process, on this host or on its node."""
    if worker.host == socket.gethostname():
        _signal(worker.pid, number)
        return
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    on_node = NodeAffinitySchedulingStrategy(node_id=worker.node, soft=False)
    send = ray.remote(num_cpus=0)(_signal).options(scheduling_strategy=on_node)
    ray.get(send.remote(worker.pid, number), timeout=60)


def _signal(pid: int, number: int) -> None:
    """Signal a Ray worker of this host; spare any other process that has its number by now."""
    try:
        if b"ray::" in Path(f"/proc/{pid}/cmdline").read_bytes():
            os.kill(pid, number)
    except (ProcessLookupError, FileNotFoundError):
        pass
