"""Snapshot of a running sweep for its screen, for `sweeps watch` and for notebooks; written to its folder as JSON."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Phase(StrEnum):
    """Phase of a sweep, in the words of the screen."""

    LOADING = "loading libraries"
    DATA = "reading data"
    FEATURES = "encoding features"
    CONNECTING = "connecting to Ray"
    WORKERS = "starting workers"
    SEARCH = "search"
    CONFIRM = "confirm"
    PAUSED = "paused"
    SUMMARY = "summing up"

    @property
    def headline(self) -> str:
        """The phase with a capital letter, as a line of its own.

        Example:
            >>> Phase.CONNECTING.headline
            'Connecting to Ray'
        """
        return self[0].upper() + self[1:]


@dataclass(frozen=True)
class GpuUsage:
    """Use of a GPU.

    Attributes:
        share: share of the time in which it computed, 0 to 1.
        memory, memory_total: bytes.
    """

    share: float
    memory: int
    memory_total: int


@dataclass(frozen=True)
class MachineUsage:
    """Use of a host.

    Attributes:
        cpu: share of all its processors, 0 to 1.
        memory, memory_total: bytes.
        gpus: its NVIDIA GPUs.
    """

    cpu: float
    memory: int
    memory_total: int
    gpus: tuple[GpuUsage, ...] = ()


@dataclass(frozen=True)
class RunSnapshot:
    """A run of a sweep: a trial, a control trial, a confirm run or the baselines of a split.

    Attributes:
        key: name of its folder.
        title: name for people.
        study: search, control or confirm.
        state: running, waiting (for a worker) or its outcome.
        epoch, epochs: last epoch and number of epochs.
        best, last: highest and last objective; None before the first.
        test: test SRCC of a confirm run.
        curve: objective of each epoch, at most `CURVE_POINTS` of them.
        seconds: time since it began to run, or that it ran.
        host, device: of its worker; empty before its first epoch.
        number: it was the n-th to end; 0 before.
        params: its searched parameters, as text.
    """

    key: str
    title: str
    study: str
    state: str
    epoch: int = 0
    epochs: int = 0
    best: float | None = None
    last: float | None = None
    test: float | None = None
    curve: tuple[float | None, ...] = ()
    seconds: float | None = None
    host: str = ""
    device: str = ""
    number: int = 0
    params: tuple[tuple[str, str], ...] = ()


CURVE_POINTS = 32
"""Largest number of points of a curve in a snapshot."""


@dataclass(frozen=True)
class ProgressSnapshot:
    """State of a running sweep at one moment.

    Attributes:
        name: of the sweep.
        pid: process that runs it.
        title: its name, variant, data set and targets.
        phase: its phase.
        step: part of the phase that is being done, as `image features`; empty if it has no parts.
        done, total: of the step, or of all runs of the sweep once the first has begun; total is 0 if unknown.
        seconds: since this process began to run the sweep.
        phase_seconds: since the phase began; since the runs began once they have.
        seconds_left: an estimate; None as long as there is none.
        best, control: best run so far of the variant and of its control.
        open: running runs, then waiting ones; at most as many as were asked for.
        ended: last ended runs, the latest first.
        running, waiting: how many there are of each.
        outcomes: ended runs by outcome.
        epochs_per_second: over the last minute.
        hosts: on which runs of the sweep have trained.
        machine: use of the driver's host.
        stopping: whether no run begins any more, and the running epochs are the last.
    """

    name: str
    title: str
    phase: Phase
    pid: int = 0
    step: str = ""
    done: int = 0
    total: int = 0
    seconds: float = 0.0
    phase_seconds: float = 0.0
    seconds_left: float | None = None
    best: RunSnapshot | None = None
    control: RunSnapshot | None = None
    open: tuple[RunSnapshot, ...] = ()
    ended: tuple[RunSnapshot, ...] = ()
    running: int = 0
    waiting: int = 0
    outcomes: dict[str, int] = field(default_factory=dict)
    epochs_per_second: float = 0.0
    hosts: tuple[str, ...] = ()
    machine: MachineUsage | None = None
    stopping: bool = False

    def to_json(self) -> bytes:
        """Return the snapshot as one line of JSON."""
        encoded: bytes = _adapter().dump_json(self)
        return encoded

    @classmethod
    def from_json(cls, content: bytes) -> ProgressSnapshot | None:
        """Read a snapshot; return None if another version of this project wrote it.

        Example:
            >>> snapshot = ProgressSnapshot("demo", "demo: text_hyper on shapes", Phase.SEARCH, done=3, total=12)
            >>> ProgressSnapshot.from_json(snapshot.to_json()) == snapshot
            True
        """
        try:
            read: ProgressSnapshot = _adapter().validate_json(content)
        except ValueError:
            return None
        return read


@functools.cache
def _adapter() -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(ProgressSnapshot)
