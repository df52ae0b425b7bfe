"""A storage that retries: for a database that restarts or a disk that is full."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from optuna.exceptions import UpdateFinishedTrialError
from tenacity import Retrying, retry_if_exception, sleep_using_event, stop_after_delay, stop_when_event_set
from tenacity.wait import wait_exponential

from orchestrator.core.errors import LedgerUnavailable, reason
from orchestrator.search.storage_wrapper import StorageWrapper

if TYPE_CHECKING:
    from optuna.storages import BaseStorage
    from optuna.trial import FrozenTrial, TrialState

Result = TypeVar("Result")
Report = Callable[[str], None]
"""Function that shows one line of text to the user."""

logger = logging.getLogger(__name__)

RETRY_SECONDS = 120.0
"""Seconds that a storage may be unavailable before the sweep stops."""


class RetryingStorage(StorageWrapper):
    """Retry calls that fail for a temporary reason, without doing anything twice.

    A connection can break after the database has done the work and before it answers. Most calls can be repeated.
    Creating a trial and changing its state cannot, so their retries first look up what the storage has. That is
    correct because a sweep is the only writer of its studies.

    Args:
        storage: the storage that may fail.
        is_temporary: whether an error may disappear by itself.
        name: the ledger's name in messages.
        report: called with one line when the first retry begins.
        stopping: set when the retries have failed, so that the sweep stops. If it is set already (Ctrl-C), the first
            retry is the last.
        retry_seconds: seconds to retry for.
    """

    def __init__(
        self,
        storage: BaseStorage,
        is_temporary: Callable[[BaseException], bool],
        name: str,
        report: Report = logger.warning,
        stopping: threading.Event | None = None,
        retry_seconds: float = RETRY_SECONDS,
    ) -> None:
        super().__init__(storage)
        self._is_temporary = is_temporary
        self._name = name
        self._report = report
        self._stopping = stopping or threading.Event()
        self._retry_seconds = retry_seconds
        self._failure = ""
        self._trial_counts: dict[int, int] = {}

    def _call(self, method: Callable[..., Result], *arguments: Any) -> Result:
        return self._retry(lambda: method(*arguments))

    def _retry(self, call: Callable[[], Result], retry: Callable[[], Result] | None = None) -> Result:
        """Return the result of `call` or, after it failed, of `retry`, which looks up what the failed call did.

        Raises:
            LedgerUnavailable: the retries failed, now or in an earlier call.
        """
        if self._failure:
            raise LedgerUnavailable(self._failure)
        try:
            return call()
        except Exception as error:
            if not self._is_temporary(error):
                raise
            self._report(
                f"The ledger {self._name} does not answer ({_describe(error)}); "
                f"waiting up to {self._retry_seconds:.0f} s."
            )
        retrying = Retrying(
            retry=retry_if_exception(self._is_temporary),
            wait=wait_exponential(multiplier=0.1, max=5),
            stop=stop_after_delay(self._retry_seconds) | stop_when_event_set(self._stopping),
            sleep=sleep_using_event(self._stopping),
            reraise=True,
        )
        try:
            return retrying(retry or call)
        except Exception as error:
            if not self._is_temporary(error):
                raise
            self._failure = f"The ledger {self._name} is not available ({_describe(error)})."
            self._stopping.set()
            raise LedgerUnavailable(self._failure) from error

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        # Counted here, since the storage would read the whole study to count its trials.
        counts, create = self._trial_counts, self._storage.create_new_trial
        count = counts[study_id] if study_id in counts else self.get_n_trials(study_id)

        def create_if_missing() -> int:
            trials = self._storage.get_all_trials(study_id, deepcopy=False)
            return trials[-1]._trial_id if len(trials) > count else create(study_id, template_trial)

        trial_id = self._retry(lambda: create(study_id, template_trial), create_if_missing)
        counts[study_id] = count + 1
        return trial_id

    def set_trial_state_values(self, trial_id: int, state: TrialState, values: Sequence[float] | None = None) -> bool:
        def set_if_different() -> bool:
            try:
                if self._storage.get_trial(trial_id).state == state:
                    return True
                return self._storage.set_trial_state_values(trial_id, state, values)
            except UpdateFinishedTrialError:
                return False

        return self._retry(lambda: self._storage.set_trial_state_values(trial_id, state, values), set_if_different)


def _describe(error: BaseException) -> str:
    """Return the first line of the innermost error; SQLAlchemy and libpq add links, statements and advice to it."""
    cause = error.__cause__ or error
    inner = getattr(cause, "orig", None) or cause
    lines = reason(inner) if isinstance(inner, OSError) else str(inner).strip()
    return lines.splitlines()[0] if lines else type(inner).__name__
