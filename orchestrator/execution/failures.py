"""Classification of a job's failures, and the outcome of a job that they ended."""

from __future__ import annotations

import errno
import traceback
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from orchestrator.cluster.unfit_node_errors import CodeMismatch, TrialDirNotVisible
from orchestrator.core.disk_space import is_disk_full
from orchestrator.core.object_store import ObjectStoreUnavailable
from orchestrator.search.outcome import Outcome


class FailureKind(StrEnum):
    """Cause of a failure."""

    ERROR = "error"
    """An exception that a retry would repeat: a mistake in the data, the settings or the code."""
    TRANSIENT = "transient"
    """An exception that a retry may avoid: of a network, a file server, a GPU driver."""
    MEMORY = "memory"
    """CUDA or the host reported that it ran out of memory."""
    DEATH = "death"
    """The worker's process died for an unknown reason."""
    NODE_LOST = "node lost"
    """The worker's machine is gone or was preempted."""
    HANG = "hang"
    """No epoch ended within the limit."""
    DISK = "disk"
    """The disk is full."""
    UNSEEN = "unseen"
    """The worker's machine does not see the sweep's folder, and there is no `--storage-path`."""
    CODE = "other code"
    """The worker's machine has other code of this project."""
    STORAGE = "storage"
    """The object store was unavailable for longer than a worker waits."""


UNFIT = frozenset({FailureKind.UNSEEN, FailureKind.CODE})
"""Failures caused by the worker's machine alone."""


@dataclass(frozen=True)
class Failure:
    """A failure of a job.

    Attributes:
        kind: its cause.
        epoch: number of completed epochs.
        text: the traceback, or a sentence.
    """

    kind: FailureKind
    epoch: int
    text: str

    @property
    def signature(self) -> str:
        """Last line of the text, which names the error; equal for two failures of the same cause."""
        return self.text.strip().rsplit("\n", 1)[-1][:500]

    def as_dict(self) -> dict[str, Any]:
        """Return the failure for a message or the ledger."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Failure:
        """Read what `as_dict` returned."""
        return cls(FailureKind(values["kind"]), values["epoch"], values["text"])


def outcome_of(failures: Sequence[Failure]) -> Outcome:
    """Return the outcome of a job that its failures ended: INFEASIBLE if it does not fit in memory, else FAILED."""
    last = failures[-1]
    if last.kind is FailureKind.MEMORY:
        return Outcome.INFEASIBLE
    twice = sum(failure.kind is FailureKind.DEATH and failure.epoch == last.epoch for failure in failures) > 1
    return Outcome.INFEASIBLE if last.kind is FailureKind.DEATH and twice else Outcome.FAILED


def failure_from(error: BaseException, epoch: int) -> Failure:
    """Return an exception as a failure."""
    kind = kind_of(error)
    text = str(error) if kind in UNFIT else "".join(traceback.format_exception(error))
    return Failure(kind, epoch, text[-8000:])


def failure_of_worker(error: BaseException | None, text: str, epoch: int) -> Failure:
    """Return the failure that ended a worker's process or its machine, from Ray's report.

    Args:
        error: Ray's exception; None if Ray kept only its text.
        text: that text.
        epoch: number of completed epochs.
    """
    if isinstance(cause := getattr(error, "cause", None), BaseException):
        return failure_from(cause, epoch)
    if getattr(error, "actor_init_failed", False):
        return Failure(FailureKind.ERROR, epoch, text[-8000:])
    if any(words in text for words in _NO_MEMORY):
        return Failure(FailureKind.MEMORY, epoch, f"{_end_of(text)}\nThe host ran out of memory.")
    # A worker that does not answer and is not known to be dead is on a machine that is cut off from this one.
    away = getattr(error, "preempted", False) or type(error).__name__ == "ActorUnavailableError"
    if away or any(words in text for words in _NODE_GONE):
        return Failure(FailureKind.NODE_LOST, epoch, f"{_end_of(text)}\nThe worker's machine is gone.")
    return Failure(FailureKind.DEATH, epoch, f"{_end_of(text)}\nThe worker's process died for an unknown reason.")


_NODE_GONE = ("node has died", "node died", "node is dead", "Node is dead", "node was terminated", "drained")


def _end_of(text: str) -> str:
    return text.strip()[-4000:]


_TRANSIENT_ERRNOS = {
    errno.EIO,
    errno.ESTALE,
    errno.EAGAIN,
    errno.EBUSY,
    errno.ETIMEDOUT,
    errno.ENETDOWN,
    errno.ENETUNREACH,
    errno.EHOSTDOWN,
    errno.EHOSTUNREACH,
    errno.ENOTCONN,
    errno.EREMOTEIO,
}
_NO_MEMORY = (
    "out of memory",
    "not enough memory",
    "can't allocate memory",
    "running low on memory",
    "STATUS_ALLOC_FAILED",
)


def kind_of(error: BaseException) -> FailureKind:
    """Return the kind of an exception; for an exception that Ray wrapped, of its cause."""
    if is_disk_full(error):
        return FailureKind.DISK
    if isinstance(error, TrialDirNotVisible):
        return FailureKind.UNSEEN
    if isinstance(error, CodeMismatch):
        return FailureKind.CODE
    if isinstance(error, ObjectStoreUnavailable):
        return FailureKind.STORAGE
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return FailureKind.MEMORY
    if isinstance(error, RuntimeError) and any(words in str(error) for words in _NO_MEMORY):
        return FailureKind.MEMORY
    if isinstance(error, ConnectionError | TimeoutError) or (
        isinstance(error, OSError) and error.errno in _TRANSIENT_ERRNOS
    ):
        return FailureKind.TRANSIENT
    if corrupts_process(error) or type(error).__module__.startswith("ray."):
        return FailureKind.TRANSIENT
    return FailureKind.ERROR


def corrupts_process(error: BaseException) -> bool:
    """Return whether the process cannot be used after the error: a CUDA context does not recover."""
    return isinstance(error, RuntimeError) and "CUDA error" in str(error)
