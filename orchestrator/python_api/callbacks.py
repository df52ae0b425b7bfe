"""Callbacks of a sweep that a program runs: their interface, and the guard that keeps their errors from the sweep."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from typing import Any

from orchestrator.core.errors import InputError
from orchestrator.execution.callback_interface import SweepCallback
from orchestrator.execution.job import EpochReport, Job
from orchestrator.execution.progress_snapshot import ProgressSnapshot
from orchestrator.execution.sweep_monitor import SweepMonitor
from orchestrator.search.outcome import Outcome
from orchestrator.sweeps.embedding import Streams

logger = logging.getLogger(__name__)

_INTERVAL = 0.5
"""Seconds between two snapshots for `on_progress`."""

_METHODS = ("on_progress", "on_job_start", "on_epoch", "on_job_end", "on_message", "on_job_interrupted")


class Callback(SweepCallback):
    """Base class of callbacks; methods that are not overridden do nothing.

    They are called in the thread that runs the sweep, which waits, so they must be quick. An exception is reported once
    and does not stop the sweep. What they print is shown.

    Example:
        >>> class BestSoFar(Callback):
        ...     best = float("-inf")
        ...
        ...     def on_epoch(self, job, epoch):
        ...         if job.study == "search" and epoch.objective > self.best:
        ...             self.best = epoch.objective
        >>> BestSoFar().on_message(None, "a note")
    """

    def on_progress(self, snapshot: ProgressSnapshot) -> None:
        """Handle the state of the sweep as the live table shows it, after a step and at most twice a second."""


def check_callbacks(callbacks: Iterable[Any]) -> tuple[Any, ...]:
    """Return the callbacks as a tuple.

    Raises:
        InputError: an object has none of the methods, or the callbacks are not a list.
    """
    if not isinstance(callbacks, Iterable):
        raise InputError(f"callbacks takes a list of callbacks, not {type(callbacks).__name__}.")
    found = tuple(callbacks)
    for callback in found:
        if isinstance(callback, type) or not any(callable(getattr(callback, name, None)) for name in _METHODS):
            name = getattr(callback, "__name__", type(callback).__name__)
            raise InputError(f"The callback {name} is not an object with a method such as on_epoch or on_job_end.")
    return found


def guard(callbacks: Sequence[Any], streams: Streams, monitor: SweepMonitor) -> list[SweepCallback]:
    """Return callbacks whose errors are reported and whose output is shown.

    Args:
        callbacks: the user's.
        streams: streams that the user sees.
        monitor: makes the snapshots for `on_progress`.
    """
    return [_GuardedCallback(callback, streams, monitor) for callback in callbacks]


class _GuardedCallback(SweepCallback):
    def __init__(self, callback: Any, streams: Streams, monitor: SweepMonitor) -> None:
        self._callback = callback
        self._streams = streams
        self._monitor = monitor
        self._failed: set[str] = set()
        self._latest = -math.inf

    def on_job_start(self, job: Job) -> None:
        self._step("on_job_start", job)

    def on_epoch(self, job: Job, epoch: EpochReport) -> None:
        self._step("on_epoch", job, epoch)

    def on_job_end(self, job: Job, outcome: Outcome, final: dict[str, float], error: str | None) -> None:
        self._step("on_job_end", job, outcome, final, error)

    def on_message(self, job: Job, note: str) -> None:
        self._step("on_message", job, note)

    def on_job_interrupted(self, job: Job) -> None:
        self._step("on_job_interrupted", job)

    def _step(self, method: str, *arguments: Any) -> None:
        self._call(method, *arguments)
        if hasattr(self._callback, "on_progress") and time.monotonic() - self._latest >= _INTERVAL:
            self._latest = time.monotonic()
            self._call("on_progress", self._monitor.snapshot())

    def _call(self, method: str, *arguments: Any) -> None:
        function = getattr(self._callback, method, None)
        if function is None:
            return
        try:
            with redirect_stdout(self._streams.out), redirect_stderr(self._streams.err):
                function(*arguments)
        except Exception as error:
            name = f"{type(self._callback).__name__}.{method}"
            logger.exception("the callback %s failed", name)
            if method not in self._failed:
                self._failed.add(method)
                print(f"{name} failed ({type(error).__name__}: {error}); the sweep continues.", file=self._streams.err)
