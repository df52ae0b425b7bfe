"""Monitor of a running sweep: holds its phase and makes the snapshots that the screen and other processes show."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from orchestrator.core.errors import InputError
from orchestrator.execution.job import Job, Study
from orchestrator.execution.machine_usage import MachineMonitor
from orchestrator.execution.progress import JobProgress, SweepProgress
from orchestrator.execution.progress_snapshot import CURVE_POINTS, Phase, ProgressSnapshot, RunSnapshot
from orchestrator.search.space import SearchSpace
from orchestrator.search.varied_parameters import format_value, varied_parameters

DEFAULT_ROWS = 40
"""Number of open runs in a snapshot for other processes."""


class SweepMonitor:
    """State of a sweep from the start of its process on; any thread may ask it for a snapshot.

    Args:
        name: of the sweep.
        title: its name, variant and data set.
        stopping: returns whether no run begins any more.
        phase: its first phase.
    """

    def __init__(
        self, name: str, title: str, stopping: Callable[[], bool] = lambda: False, phase: Phase = Phase.LOADING
    ) -> None:
        self.name, self.title = name, title
        self._stopping = stopping
        self._began = self._phase_began = self._step_began = time.monotonic()
        self._machine = MachineMonitor()
        self._phase = phase
        self._step: tuple[str, int, int] = ("", 0, 0)
        self._progress: SweepProgress | None = None
        self._spaces: Mapping[Study, SearchSpace] = {}
        self._params: dict[str, tuple[tuple[str, str], ...]] = {}

    def enter(self, phase: Phase) -> None:
        """Enter a phase."""
        self._phase, self._step = phase, ("", 0, 0)
        if self._progress is None:
            self._phase_began = time.monotonic()

    def count(self, done: int, total: int, what: str) -> None:
        """Note that `done` of `total` steps of `what` are finished in this phase."""
        if what != self._step[0]:
            self._step_began = time.monotonic()
        self._step = what, done, total

    def show_runs(self, progress: SweepProgress, spaces: Mapping[Study, SearchSpace]) -> None:
        """Enter the phases in which runs train.

        Args:
            progress: counts of the runs.
            spaces: search space of each study that searches.
        """
        self.enter(Phase.WORKERS)
        self._progress, self._spaces = progress, spaces

    @property
    def budget(self) -> int:
        """Number of runs of the whole sweep; 0 before they begin."""
        return self._progress.budget if self._progress else 0

    def run(self, job: Job) -> RunSnapshot | None:
        """Return the state of a run; None before the runs begin."""
        return _run(self._progress.lines[job.key], time.monotonic()) if self._progress else None

    def snapshot(self, rows: int = DEFAULT_ROWS) -> ProgressSnapshot:
        """Return the state of this moment, with at most `rows` open runs."""
        now = time.monotonic()
        what, done, total = self._step
        snapshot = ProgressSnapshot(
            name=self.name,
            title=self.title,
            phase=self._phase,
            pid=os.getpid(),
            step=what,
            done=done,
            total=total,
            seconds=now - self._began,
            phase_seconds=now - self._phase_began,
            seconds_left=(now - self._step_began) / done * (total - done) if done and total else None,
            machine=self._machine.usage(),
            stopping=self._stopping(),
        )
        return snapshot if self._progress is None else self._with_runs(snapshot, self._progress, rows, now)

    def _with_runs(
        self, snapshot: ProgressSnapshot, progress: SweepProgress, rows: int, now: float
    ) -> ProgressSnapshot:
        lines = progress.open_jobs()
        running = [line for line in lines if not line.waiting]
        waiting = [line for line in lines if line.waiting]
        return replace(
            snapshot,
            phase=_phase_of_runs(running or waiting or progress.latest()[:1], progress)
            if self._phase is Phase.WORKERS
            else self._phase,
            done=progress.ended_jobs(),
            total=progress.budget,
            seconds_left=progress.seconds_left() if lines else None,
            best=self._best(progress, "search", now),
            control=self._best(progress, "control", now),
            open=tuple(_run(line, now) for line in (running + waiting)[:rows]),
            ended=tuple(_run(line, now) for line in progress.latest()),
            running=len(running),
            waiting=len(waiting),
            outcomes=progress.outcomes(),
            epochs_per_second=progress.rate(),
            hosts=tuple(progress.hosts),
        )

    def _best(self, progress: SweepProgress, study: Study, now: float) -> RunSnapshot | None:
        line = progress.best(study)
        return None if line is None else replace(_run(line, now), params=self._params_of(line.job))

    def _params_of(self, job: Job) -> tuple[tuple[str, str], ...]:
        if job.key not in self._params:
            self._params[job.key] = tuple((name, format_value(value)) for name, value in self._varied(job))
        return self._params[job.key]

    def _varied(self, job: Job) -> list[tuple[str, Any]]:
        if job.study in self._spaces:
            with suppress(InputError):  # a trial of an earlier space
                return [(one.name, one.value) for one in varied_parameters(self._spaces[job.study], job.params)]
        return list(job.params.items())


def _phase_of_runs(lines: list[JobProgress], progress: SweepProgress) -> Phase:
    """Return the phase by the running runs; by the waiting ones or the last ended one if there are none."""
    if progress.paused:
        return Phase.PAUSED
    if not progress.has_trained():
        return Phase.WORKERS
    return Phase.CONFIRM if lines and all(line.job.study == "confirm" for line in lines) else Phase.SEARCH


def _run(line: JobProgress, now: float) -> RunSnapshot:
    job = line.job
    scored = bool(job.variant)  # baselines have scores of several models
    return RunSnapshot(
        key=job.key,
        title=job.title,
        study=job.study,
        state=str(line.outcome or ("waiting" if line.waiting else "running")),
        epoch=line.epoch,
        epochs=job.training["epochs"],
        best=_finite(line.best) if scored else None,
        last=_finite(line.latest) if scored else None,
        test=_finite(line.test),
        curve=tuple(_finite(value) for value in _thinned(line.curve)) if scored else (),
        seconds=None if line.began is None else (line.ended or now) - line.began,
        host=line.host,
        device=line.device,
        number=line.number,
    )


def _thinned(curve: list[float]) -> list[float]:
    """Return a curve with at most `CURVE_POINTS` points, the last one included."""
    step = math.ceil(len(curve) / CURVE_POINTS) or 1
    return curve[::-1][::step][::-1]


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
