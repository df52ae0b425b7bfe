"""A storage that caches what it wrote: a sweep is its ledger's only writer, so nothing has to be read again."""

from __future__ import annotations

import copy
import json
import threading
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

from optuna.trial import FrozenTrial, TrialState

from orchestrator.search.storage_wrapper import StorageWrapper

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.storages import BaseStorage
    from optuna.study import StudyDirection

_OPEN = (TrialState.WAITING, TrialState.RUNNING)
_DRAFT = -1
"""Id of a trial that is not in the storage yet."""


class _CachedStudy:
    """The trials of one study, by number, and the numbers of those that have not ended."""

    def __init__(self, trials: Iterable[FrozenTrial]) -> None:
        self.trials: list[FrozenTrial] = []
        self.open: dict[TrialState, dict[int, None]] = {state: {} for state in _OPEN}
        for trial in trials:
            self.put(trial)

    def put(self, trial: FrozenTrial) -> None:
        """Add a trial, or replace it."""
        if trial.number == len(self.trials):
            self.trials.append(trial)
        else:
            self.open.get(self.trials[trial.number].state, {}).pop(trial.number, None)
            self.trials[trial.number] = trial
        if trial.state in self.open:
            self.open[trial.state][trial.number] = None

    def pop(self) -> FrozenTrial:
        """Remove and return the newest trial."""
        trial = self.trials.pop()
        self.open[trial.state].pop(trial.number, None)
        return trial

    def select(self, states: Container[TrialState] | None) -> list[FrozenTrial]:
        """Return the trials in these states, by number, without a pass over the ended trials if none are asked for."""
        if states is None:
            return list(self.trials)
        if not any(state in states for state in TrialState if state not in self.open):
            numbers = sorted(
                number for state, open_numbers in self.open.items() if state in states for number in open_numbers
            )
            return [self.trials[number] for number in numbers]
        return [trial for trial in self.trials if trial.state in states]


class CachedStorage(StorageWrapper):
    """Write to another storage first and then to memory; read from memory only.

    A result then costs the same for the first trial and for the ten thousandth. Optuna's database storage instead
    reads every unfinished trial again at each call. As in Optuna's own caches, a returned trial is never changed but
    replaced.

    Args:
        storage: the storage that is written to. No other process may write to the studies that are used here.
    """

    def __init__(self, storage: BaseStorage) -> None:
        super().__init__(storage)
        self._studies: dict[int, _CachedStudy] = {}
        self._locations: dict[int, tuple[int, int]] = {}
        self._directions: dict[int, list[StudyDirection]] = {}
        self._drafting = False
        self._lock = threading.RLock()

    @contextmanager
    def draft(self) -> Iterator[None]:
        """Write a trial that is created inside the block at its end, in one call; discard it if the block raises.

        A call for the trial and one for each parameter would cost a database ten times as much.
        """
        with self._lock:
            self._drafting = True
            try:
                yield
            except BaseException:
                self._pop_draft()
                raise
            finally:
                self._drafting = False
            if drafted := self._pop_draft():
                study_id, trial = drafted
                trial._trial_id = self._storage.create_new_trial(study_id, trial)
                self._store(study_id, trial)

    def _pop_draft(self) -> tuple[int, FrozenTrial] | None:
        if _DRAFT not in self._locations:
            return None
        study_id, _ = self._locations.pop(_DRAFT)
        return study_id, self._studies[study_id].pop()

    # Reading

    def get_trial(self, trial_id: int) -> FrozenTrial:
        with self._lock:
            if trial_id not in self._locations:
                return self._storage.get_trial(trial_id)
            study, number = self._locations[trial_id]
            return self._studies[study].trials[number]

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        with self._lock:
            trials = self._cached(study_id).select(states)
        return copy.deepcopy(trials) if deepcopy else trials

    def get_n_trials(self, study_id: int, state: Any = None) -> int:
        with self._lock:
            cached = self._cached(study_id)
            if state is None:
                return len(cached.trials)
            if isinstance(state, TrialState) and state in cached.open:
                return len(cached.open[state])
        return super().get_n_trials(study_id, state)

    def get_trial_id_from_study_id_trial_number(self, study_id: int, trial_number: int) -> int:
        with self._lock:
            trials = self._cached(study_id).trials
            if trial_number >= len(trials):
                raise KeyError(f"The study has no trial {trial_number}.")
            return trials[trial_number]._trial_id

    def get_study_directions(self, study_id: int) -> list[StudyDirection]:
        with self._lock:
            if study_id not in self._directions:
                self._directions[study_id] = self._storage.get_study_directions(study_id)
            return self._directions[study_id]

    def _cached(self, study_id: int) -> _CachedStudy:
        if study_id not in self._studies:
            trials = self._storage.get_all_trials(study_id, deepcopy=False)
            self._studies[study_id] = _CachedStudy(trials)
            self._locations.update({trial._trial_id: (study_id, trial.number) for trial in trials})
        return self._studies[study_id]

    # Writing to trials

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        with self._lock:
            number = len(self._cached(study_id).trials)
            if self._drafting and template_trial is None:
                self._store(study_id, _empty_trial(number))
                return _DRAFT
            trial_id = self._storage.create_new_trial(study_id, template_trial)
            self._store(study_id, self._storage.get_trial(trial_id))
            return trial_id

    def set_trial_state_values(self, trial_id: int, state: TrialState, values: Sequence[float] | None = None) -> bool:
        with self._lock:
            changed = self._storage.set_trial_state_values(trial_id, state, values)
            if trial_id in self._locations:
                study, number = self._locations[trial_id]
                trial = copy.copy(self._studies[study].trials[number])
                # The storage's own time differs by some microseconds.
                if changed and state.is_finished():
                    trial.state, trial.values, trial.datetime_complete = state, values, datetime.now()
                elif changed:
                    trial.state, trial.datetime_start = state, datetime.now()
                else:
                    trial = self._storage.get_trial(trial_id)
                self._store(study, trial)
            return changed

    def set_trial_param(
        self, trial_id: int, param_name: str, param_value_internal: float, distribution: BaseDistribution
    ) -> None:
        with self._lock:
            if trial_id != _DRAFT:
                self._storage.set_trial_param(trial_id, param_name, param_value_internal, distribution)
            value = distribution.to_external_repr(param_value_internal)
            self._update(trial_id, "params", {param_name: value})
            self._update(trial_id, "distributions", {param_name: distribution})

    def set_trial_intermediate_value(self, trial_id: int, step: int, intermediate_value: float) -> None:
        with self._lock:
            self._storage.set_trial_intermediate_value(trial_id, step, intermediate_value)
            self._update(trial_id, "intermediate_values", {step: intermediate_value})

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        with self._lock:
            if trial_id != _DRAFT:
                self._storage.set_trial_user_attr(trial_id, key, value)
            self._update(trial_id, "user_attrs", {key: _as_read(value)})

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        with self._lock:
            if trial_id != _DRAFT:
                self._storage.set_trial_system_attr(trial_id, key, value)
            self._update(trial_id, "system_attrs", {key: _as_read(value)})

    def _store(self, study_id: int, trial: FrozenTrial) -> None:
        self._locations[trial._trial_id] = (study_id, trial.number)
        # An in-memory storage returns the object that it changes later.
        self._studies[study_id].put(copy.copy(trial))

    def _update(self, trial_id: int, field: str, more: Mapping[Any, Any]) -> None:
        if trial_id not in self._locations:
            return
        study, number = self._locations[trial_id]
        trial = copy.copy(self._studies[study].trials[number])
        setattr(trial, field, {**getattr(trial, field), **more})
        self._studies[study].put(trial)

    # Studies

    def delete_study(self, study_id: int) -> None:
        with self._lock:
            super().delete_study(study_id)
            deleted = self._studies.pop(study_id, None)
            for trial in deleted.trials if deleted else ():
                self._locations.pop(trial._trial_id, None)


def _empty_trial(number: int) -> FrozenTrial:
    return FrozenTrial(
        number=number,
        trial_id=_DRAFT,
        state=TrialState.RUNNING,
        value=None,
        datetime_start=datetime.now(),
        datetime_complete=None,
        params={},
        distributions={},
        user_attrs={},
        system_attrs={},
        intermediate_values={},
    )


def _as_read(value: Any) -> Any:
    """Return an attribute as the storage returns it, after a round trip through JSON."""
    return json.loads(json.dumps(value))
