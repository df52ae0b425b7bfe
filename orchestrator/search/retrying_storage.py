"""A storage that waits, for a while, for one that is away: a database that restarts, a disk that is full."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Container, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage
from tenacity import Retrying, retry_if_exception, sleep_using_event, stop_after_delay, stop_when_event_set
from tenacity.wait import wait_exponential

from orchestrator.core.errors import LedgerUnavailable, reason

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.study import StudyDirection
    from optuna.study._frozen import FrozenStudy
    from optuna.trial import FrozenTrial, TrialState

Answer = TypeVar("Answer")
Say = Callable[[str], None]

logger = logging.getLogger(__name__)

PATIENCE = 120.0
"""Seconds that a storage may be away before the sweep stops."""


class RetryingStorage(BaseStorage):
    """Repeats what failed for a passing reason, and finds out first whether it had been done after all.

    A connection can break after the database has done what was asked and before it said so. Most calls may simply
    be repeated; the two that may not, making a trial and changing its state, look at what is there. That holds
    because a sweep is the only writer of its studies.

    Args:
        storage: where everything really is.
        passing: whether an error may go away by itself.
        where: what people call this ledger.
        say: told once when the waiting begins.
        stopping: set when the waiting was in vain, so that the sweep stops; where it is set already (Ctrl-C),
            nothing is waited for.
        patience: seconds to wait.
    """

    def __init__(
        self,
        storage: BaseStorage,
        passing: Callable[[BaseException], bool],
        where: str,
        say: Say = logger.warning,
        stopping: threading.Event | None = None,
        patience: float = PATIENCE,
    ) -> None:
        self._storage = storage
        self._passing = passing
        self._where = where
        self._say = say
        self._stopping = stopping or threading.Event()
        self._patience = patience
        self._lost = ""
        self._counts: dict[int, int] = {}

    def _patiently(self, call: Callable[[], Answer], again: Callable[[], Answer] | None = None) -> Answer:
        """What `call` gives; once it failed, what `again` gives, where what the failed call did has to be looked up.

        Raises:
            LedgerUnavailable: waiting was in vain, now or before.
        """
        if self._lost:
            raise LedgerUnavailable(self._lost)
        try:
            return call()
        except Exception as error:
            if not self._passing(error):
                raise
            self._say(
                f"The ledger {self._where} does not answer ({_why(error)}); waiting up to {self._patience:.0f} s."
            )
        retrying = Retrying(
            retry=retry_if_exception(self._passing),
            wait=wait_exponential(multiplier=0.1, max=5),
            stop=stop_after_delay(self._patience) | stop_when_event_set(self._stopping),
            sleep=sleep_using_event(self._stopping),
            reraise=True,
        )
        try:
            return retrying(again or call)
        except Exception as error:
            if not self._passing(error):
                raise
            self._lost = f"The ledger {self._where} is away ({_why(error)})."
            self._stopping.set()
            raise LedgerUnavailable(self._lost) from error

    # Calls that may not simply be repeated

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        # Counted and not asked for each time: that would read the whole study for every trial.
        known = self._counts[study_id] if study_id in self._counts else self.get_n_trials(study_id)

        def again() -> int:
            trials = self._storage.get_all_trials(study_id, deepcopy=False)
            return (
                trials[-1]._trial_id
                if len(trials) > known
                else self._storage.create_new_trial(study_id, template_trial)
            )

        trial_id = self._patiently(lambda: self._storage.create_new_trial(study_id, template_trial), again)
        self._counts[study_id] = known + 1
        return trial_id

    def set_trial_state_values(self, trial_id: int, state: TrialState, values: Sequence[float] | None = None) -> bool:
        def again() -> bool:
            try:
                if self._storage.get_trial(trial_id).state == state:
                    return True
                return self._storage.set_trial_state_values(trial_id, state, values)
            except UpdateFinishedTrialError:
                return False

        return self._patiently(lambda: self._storage.set_trial_state_values(trial_id, state, values), again)

    # Calls that may

    def create_new_study(self, directions: Sequence[StudyDirection], study_name: str | None = None) -> int:
        return self._patiently(lambda: self._storage.create_new_study(directions, study_name))

    def delete_study(self, study_id: int) -> None:
        self._patiently(lambda: self._storage.delete_study(study_id))

    def set_study_user_attr(self, study_id: int, key: str, value: Any) -> None:
        self._patiently(lambda: self._storage.set_study_user_attr(study_id, key, value))

    def set_study_system_attr(self, study_id: int, key: str, value: Any) -> None:
        self._patiently(lambda: self._storage.set_study_system_attr(study_id, key, value))

    def get_study_id_from_name(self, study_name: str) -> int:
        return self._patiently(lambda: self._storage.get_study_id_from_name(study_name))

    def get_study_name_from_id(self, study_id: int) -> str:
        return self._patiently(lambda: self._storage.get_study_name_from_id(study_id))

    def get_study_directions(self, study_id: int) -> list[StudyDirection]:
        return self._patiently(lambda: self._storage.get_study_directions(study_id))

    def get_study_user_attrs(self, study_id: int) -> dict[str, Any]:
        return self._patiently(lambda: self._storage.get_study_user_attrs(study_id))

    def get_study_system_attrs(self, study_id: int) -> dict[str, Any]:
        return self._patiently(lambda: self._storage.get_study_system_attrs(study_id))

    def get_all_studies(self) -> list[FrozenStudy]:
        return self._patiently(self._storage.get_all_studies)

    def set_trial_param(
        self, trial_id: int, param_name: str, param_value_internal: float, distribution: BaseDistribution
    ) -> None:
        self._patiently(lambda: self._storage.set_trial_param(trial_id, param_name, param_value_internal, distribution))

    def get_trial_id_from_study_id_trial_number(self, study_id: int, trial_number: int) -> int:
        return self._patiently(lambda: self._storage.get_trial_id_from_study_id_trial_number(study_id, trial_number))

    def set_trial_intermediate_value(self, trial_id: int, step: int, intermediate_value: float) -> None:
        self._patiently(lambda: self._storage.set_trial_intermediate_value(trial_id, step, intermediate_value))

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        self._patiently(lambda: self._storage.set_trial_user_attr(trial_id, key, value))

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        self._patiently(lambda: self._storage.set_trial_system_attr(trial_id, key, value))

    def get_trial(self, trial_id: int) -> FrozenTrial:
        return self._patiently(lambda: self._storage.get_trial(trial_id))

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        return self._patiently(lambda: self._storage.get_all_trials(study_id, deepcopy, states))

    def get_best_trial(self, study_id: int) -> FrozenTrial:
        return self._patiently(lambda: self._storage.get_best_trial(study_id))

    def remove_session(self) -> None:
        self._storage.remove_session()


def _why(error: BaseException) -> str:
    """The innermost reason, its first line: SQLAlchemy's own text ends in a link and a statement, libpq's in advice."""
    cause = error.__cause__ or error
    inner = getattr(cause, "orig", None) or cause
    lines = reason(inner) if isinstance(inner, OSError) else str(inner).strip()
    return lines.splitlines()[0] if lines else type(inner).__name__
