"""Proposals of configurations that a study has not started: none is trained twice with the same seed."""

from __future__ import annotations

import random
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any

from orchestrator.search.enumeration import all_configurations, configuration_key
from orchestrator.search.optuna_internals import FIXED_PARAMS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from optuna.study import Study

    from orchestrator.search.cached_storage import CachedStorage
    from orchestrator.search.space import SearchSpace

ASKS_OF_SAMPLER, RANDOM_DRAWS = 8, 1000
"""Number of proposals of the sampler, and then of random draws, until one was not started before."""


class NoConfigurationLeft(Exception):
    """Every configuration of the search space was started, or none was found that was not."""


class _Repeated(Exception):
    """The proposed configuration was started before."""


class UniqueConfigurations:
    """Ask a study for trials whose configurations it has not started.

    A repeated proposal is discarded before it is stored, so that the study has no trace of it. If the sampler repeats
    itself, a configuration is drawn from those that are left. In a space too large to enumerate, it is drawn at random.

    Args:
        study: Optuna study on `storage`.
        storage: its storage.
        space: search space of the study.
    """

    def __init__(self, study: Study, storage: CachedStorage, space: SearchSpace) -> None:
        self._study, self._storage, self._space = study, storage, space
        self._gave_up = False

    def ask(self) -> int:
        """Start the next trial, the first enqueued one or a new one; return its number.

        Raises:
            NoConfigurationLeft: there is none.
        """
        if self.exhausted():
            raise NoConfigurationLeft(self._study.study_name)
        number, params = self._propose()
        self._started.add(configuration_key(params))
        return number

    def exhausted(self) -> bool:
        """Return whether no configuration is left."""
        few = self._configurations
        return self._gave_up or (few is not None and len(self._started) >= len(few) and not self._left())

    def count(self) -> int | None:
        """Return the number of configurations of the space and of those started before; None if too many to exhaust."""
        if self._configurations is None:
            return None
        return len(self._started | {configuration_key(params) for params in self._configurations})

    def forget(self) -> None:
        """Read the started trials again when they are next needed; another caller changed some."""
        self.__dict__.pop("_started", None)

    def _propose(self) -> tuple[int, dict[str, Any]]:
        if waiting := self._first_waiting():
            self._replace_if_started(waiting)
            return self._suggested()
        for _ in range(ASKS_OF_SAMPLER):
            with suppress(_Repeated):
                return self._suggested(unique=True)
        if left := self._left():
            self._study.enqueue_trial(self._drawn(left))
            return self._suggested()
        with self._random_sampler():
            for _ in range(RANDOM_DRAWS):
                with suppress(_Repeated):
                    return self._suggested(unique=True)
        self._gave_up = True
        raise NoConfigurationLeft(self._study.study_name)

    def _suggested(self, unique: bool = False) -> tuple[int, dict[str, Any]]:
        """Start a trial; with `unique`, discard it if its configuration was started."""
        started = self._started  # read before the draft, which the study lists as well
        with self._storage.draft():
            trial = self._study.ask()
            self._space.suggest(trial)
            if unique and configuration_key(trial.params) in started:
                raise _Repeated
        return trial.number, trial.params

    def _first_waiting(self) -> Any:
        from optuna.trial import TrialState

        return next(iter(self._study.get_trials(deepcopy=False, states=(TrialState.WAITING,))), None)

    def _replace_if_started(self, waiting: Any) -> None:
        """Replace the configuration of an enqueued trial if its own was started, such as one enqueued twice."""
        fixed = waiting.system_attrs.get(FIXED_PARAMS, {})
        fitted, unknown = self._space.clamp(fixed)
        incomplete = unknown or set(fitted) - set(fixed)
        if not incomplete and configuration_key(fitted) in self._started:
            left = self._left()
            other = self._drawn(left) if left else {}
            self._storage.set_trial_system_attr(waiting._trial_id, FIXED_PARAMS, other)

    @cached_property
    def _configurations(self) -> list[dict[str, Any]] | None:
        return all_configurations(self._space)

    @cached_property
    def _started(self) -> set[Any]:
        from optuna.trial import TrialState

        trials = self._study.get_trials(deepcopy=False)
        return {configuration_key(trial.params) for trial in trials if trial.state is not TrialState.WAITING}

    def _left(self) -> list[dict[str, Any]]:
        """Return the configurations that were not started, of a space that has few; else nothing."""
        return [params for params in self._configurations or () if configuration_key(params) not in self._started]

    def _drawn(self, left: list[dict[str, Any]]) -> dict[str, Any]:
        return random.Random(f"{self._study.study_name} {len(left)}").choice(left)

    @contextmanager
    def _random_sampler(self) -> Iterator[None]:
        from optuna.samplers import RandomSampler

        sampler, self._study.sampler = self._study.sampler, RandomSampler(seed=len(self._started))
        try:
            yield
        finally:
            self._study.sampler = sampler
