"""Decision after a job's failure: retry the job, end it, or stop the sweep."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from orchestrator.execution.failures import UNFIT, Failure, FailureKind


class RetryDecision(Enum):
    """Decision after a failure."""

    RETRY = auto()
    """The job is retried from its last checkpoint."""
    END = auto()
    """The job ends with `outcome_of` its last failure."""
    STOP = auto()
    """The sweep stops, to be resumed when the cause is fixed; the job stays unfinished."""


@dataclass(frozen=True)
class RetryPolicy:
    """Number of retries of a job after failures of each kind; other kinds are not retried.

    Attributes:
        transient: exceptions that a retry may avoid; the same one twice ends the job.
        hang: no epoch ended within the limit.
        death: the worker's process died; two deaths after the same epoch end the job.
        node_lost: the worker's machine is gone or was preempted.

    Example:
        >>> RetryPolicy.from_setting(("death=2",))
        RetryPolicy(transient=4, hang=1, death=2, node_lost=20)
    """

    transient: int = 4
    hang: int = 1
    death: int = 5
    node_lost: int = 20

    @classmethod
    def from_setting(cls, retries: Iterable[str]) -> RetryPolicy:
        """Return the policy of a sweep's setting `retries`, such as `death=2`; kinds it lacks keep their default."""
        pairs = (entry.split("=") for entry in retries)
        return cls(**{kind: int(number) for kind, number in pairs})

    def decide(self, failures: Sequence[Failure]) -> RetryDecision:
        """Decide what follows from a job's failures, oldest first.

        Two unexplained deaths after the same epoch, and the same transient error twice, end the job: a retry would
        repeat them. An unavailable object store concerns all jobs, so it stops the sweep.
        """
        last, earlier = failures[-1], failures[:-1]
        if last.kind is FailureKind.DISK or last.kind in UNFIT:
            return RetryDecision.STOP
        alike = [failure for failure in earlier if failure.kind is last.kind]
        if last.kind is FailureKind.STORAGE:
            return RetryDecision.STOP if alike else RetryDecision.RETRY
        if len(alike) >= self._limits.get(last.kind, 0):
            return RetryDecision.END
        if last.kind is FailureKind.DEATH and any(failure.epoch == last.epoch for failure in alike):
            return RetryDecision.END
        if last.kind is FailureKind.TRANSIENT and any(failure.signature == last.signature for failure in alike):
            return RetryDecision.END
        return RetryDecision.RETRY

    @property
    def _limits(self) -> dict[FailureKind, int]:
        return {
            FailureKind.TRANSIENT: self.transient,
            FailureKind.HANG: self.hang,
            FailureKind.DEATH: self.death,
            FailureKind.NODE_LOST: self.node_lost,
        }
