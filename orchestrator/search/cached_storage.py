"""A storage that remembers what it wrote: a sweep is its ledger's only writer, so nothing has to be read again."""

from __future__ import annotations

import copy
import json
import threading
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.study import StudyDirection
    from optuna.study._frozen import FrozenStudy

_OPEN = (TrialState.WAITING, TrialState.RUNNING)
_DRAFT = -1
"""Id of a trial that is not written yet."""


class _Remembered:
    """The trials of one study, by number, and the numbers of those that have not ended."""

    def __init__(self, trials: Iterable[FrozenTrial]) -> None:
        self.trials: list[FrozenTrial] = []
        self.open: dict[TrialState, dict[int, None]] = {state: {} for state in _OPEN}
        for trial in trials:
            self.put(trial)

    def put(self, trial: FrozenTrial) -> None:
        """Takes a trial in, new or changed."""
        if trial.number == len(self.trials):
            self.trials.append(trial)
        else:
            self.open.get(self.trials[trial.number].state, {}).pop(trial.number, None)
            self.trials[trial.number] = trial
        if trial.state in self.open:
            self.open[trial.state][trial.number] = None

    def withdraw(self) -> FrozenTrial:
        """Takes the newest trial out again."""
        trial = self.trials.pop()
        self.open[trial.state].pop(trial.number, None)
        return trial

    def select(self, states: Container[TrialState] | None) -> list[FrozenTrial]:
        """Trials in these states, by number; where only open ones are wanted, the ended ones are not looked at."""
        if states is None:
            return list(self.trials)
        if not any(state in states for state in TrialState if state not in self.open):
            numbers = sorted(number for state, own in self.open.items() if state in states for number in own)
            return [self.trials[number] for number in numbers]
        return [trial for trial in self.trials if trial.state in states]


class CachedStorage(BaseStorage):
    """Writes to another storage first and then to memory, and reads from memory alone.

    What a result costs is then the same for the first trial and for the ten thousandth, whatever the storage: Optuna's
    database storage reads every unfinished trial again whenever it is asked for any. As in Optuna's own caches, a
    trial that was given out is never changed; a changed one takes its place.

    Args:
        storage: where everything really is. Nobody else may write to the studies that are used by way of this one.
    """

    def __init__(self, storage: BaseStorage) -> None:
        self._storage = storage
        self._studies: dict[int, _Remembered] = {}
        self._places: dict[int, tuple[int, int]] = {}
        self._directions: dict[int, list[StudyDirection]] = {}
        self._drafting = False
        self._lock = threading.RLock()

    @contextmanager
    def draft(self) -> Iterator[None]:
        """A trial that is made inside is written when the block ends, whole and at once; not at all if it fails.

        A word for the trial and one for each of its parameters would cost a database ten times as much.
        """
        with self._lock:
            self._drafting = True
            try:
                yield
            except BaseException:
                self._withdraw()
                raise
            finally:
                self._drafting = False
            if drafted := self._withdraw():
                study_id, trial = drafted
                trial._trial_id = self._storage.create_new_trial(study_id, trial)
                self._take(study_id, trial)

    def _withdraw(self) -> tuple[int, FrozenTrial] | None:
        if _DRAFT not in self._places:
            return None
        study_id, _ = self._places.pop(_DRAFT)
        return study_id, self._studies[study_id].withdraw()

    # Reading

    def get_trial(self, trial_id: int) -> FrozenTrial:
        with self._lock:
            if trial_id not in self._places:
                return self._storage.get_trial(trial_id)
            study, number = self._places[trial_id]
            return self._studies[study].trials[number]

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        with self._lock:
            found = self._remembered(study_id).select(states)
        return copy.deepcopy(found) if deepcopy else found

    def get_n_trials(self, study_id: int, state: Any = None) -> int:
        with self._lock:
            remembered = self._remembered(study_id)
            if state is None:
                return len(remembered.trials)
            if isinstance(state, TrialState) and state in remembered.open:
                return len(remembered.open[state])
        return super().get_n_trials(study_id, state)

    def get_trial_id_from_study_id_trial_number(self, study_id: int, trial_number: int) -> int:
        with self._lock:
            trials = self._remembered(study_id).trials
            if trial_number >= len(trials):
                raise KeyError(f"The study has no trial {trial_number}.")
            return trials[trial_number]._trial_id

    def get_study_directions(self, study_id: int) -> list[StudyDirection]:
        with self._lock:
            if study_id not in self._directions:
                self._directions[study_id] = self._storage.get_study_directions(study_id)
            return self._directions[study_id]

    def _remembered(self, study_id: int) -> _Remembered:
        if study_id not in self._studies:
            trials = self._storage.get_all_trials(study_id, deepcopy=False)
            self._studies[study_id] = _Remembered(trials)
            self._places.update({trial._trial_id: (study_id, trial.number) for trial in trials})
        return self._studies[study_id]

    # Writing to trials

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        with self._lock:
            number = len(self._remembered(study_id).trials)
            if self._drafting and template_trial is None:
                self._take(study_id, _empty_trial(number))
                return _DRAFT
            trial_id = self._storage.create_new_trial(study_id, template_trial)
            self._take(study_id, self._storage.get_trial(trial_id))
            return trial_id

    def set_trial_state_values(self, trial_id: int, state: TrialState, values: Sequence[float] | None = None) -> bool:
        with self._lock:
            changed = self._storage.set_trial_state_values(trial_id, state, values)
            if trial_id in self._places:
                study, number = self._places[trial_id]
                trial = copy.copy(self._studies[study].trials[number])
                # The storage's own moment is some microseconds from this one.
                if changed and state.is_finished():
                    trial.state, trial.values, trial.datetime_complete = state, values, datetime.now()
                elif changed:
                    trial.state, trial.datetime_start = state, datetime.now()
                else:
                    trial = self._storage.get_trial(trial_id)
                self._take(study, trial)
            return changed

    def set_trial_param(
        self, trial_id: int, param_name: str, param_value_internal: float, distribution: BaseDistribution
    ) -> None:
        with self._lock:
            if trial_id != _DRAFT:
                self._storage.set_trial_param(trial_id, param_name, param_value_internal, distribution)
            value = distribution.to_external_repr(param_value_internal)
            self._add(trial_id, "params", {param_name: value})
            self._add(trial_id, "distributions", {param_name: distribution})

    def set_trial_intermediate_value(self, trial_id: int, step: int, intermediate_value: float) -> None:
        with self._lock:
            self._storage.set_trial_intermediate_value(trial_id, step, intermediate_value)
            self._add(trial_id, "intermediate_values", {step: intermediate_value})

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        with self._lock:
            if trial_id != _DRAFT:
                self._storage.set_trial_user_attr(trial_id, key, value)
            self._add(trial_id, "user_attrs", {key: _as_read(value)})

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        with self._lock:
            if trial_id != _DRAFT:
                self._storage.set_trial_system_attr(trial_id, key, value)
            self._add(trial_id, "system_attrs", {key: _as_read(value)})

    def _take(self, study_id: int, trial: FrozenTrial) -> None:
        self._places[trial._trial_id] = (study_id, trial.number)
        # A storage that works in memory gives out the very trial that it changes.
        self._studies[study_id].put(copy.copy(trial))

    def _add(self, trial_id: int, field: str, more: Mapping[Any, Any]) -> None:
        if trial_id not in self._places:
            return
        study, number = self._places[trial_id]
        trial = copy.copy(self._studies[study].trials[number])
        setattr(trial, field, {**getattr(trial, field), **more})
        self._studies[study].put(trial)

    # Studies

    def create_new_study(self, directions: Sequence[StudyDirection], study_name: str | None = None) -> int:
        return self._storage.create_new_study(directions, study_name)

    def delete_study(self, study_id: int) -> None:
        with self._lock:
            self._storage.delete_study(study_id)
            gone = self._studies.pop(study_id, None)
            for trial in gone.trials if gone else ():
                self._places.pop(trial._trial_id, None)

    def set_study_user_attr(self, study_id: int, key: str, value: Any) -> None:
        self._storage.set_study_user_attr(study_id, key, value)

    def set_study_system_attr(self, study_id: int, key: str, value: Any) -> None:
        self._storage.set_study_system_attr(study_id, key, value)

    def get_study_id_from_name(self, study_name: str) -> int:
        return self._storage.get_study_id_from_name(study_name)

    def get_study_name_from_id(self, study_id: int) -> str:
        return self._storage.get_study_name_from_id(study_id)

    def get_study_user_attrs(self, study_id: int) -> dict[str, Any]:
        return self._storage.get_study_user_attrs(study_id)

    def get_study_system_attrs(self, study_id: int) -> dict[str, Any]:
        return self._storage.get_study_system_attrs(study_id)

    def get_all_studies(self) -> list[FrozenStudy]:
        return self._storage.get_all_studies()

    def remove_session(self) -> None:
        self._storage.remove_session()


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
    """An attribute as the storage gives it back: it has been JSON meanwhile."""
    return json.loads(json.dumps(value))
