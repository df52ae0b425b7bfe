"""Other numeric ranges within one study: what may change, and how samplers see the trials from before."""

from __future__ import annotations

import copy
from collections.abc import Container, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from optuna.samplers import BaseSampler
from optuna.study import Study

from orchestrator.core.errors import InputError
from orchestrator.search import optuna_internals
from orchestrator.search.space import SECTIONS, SearchSpace

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial, TrialState

_OF_OPTIMISER = "cma"
"""Prefix of the attributes in which CMA-ES keeps its state, which belongs to the ranges of its time."""


def with_ranges(before: SearchSpace, given: SearchSpace) -> SearchSpace:
    """Return a sweep's space with the ranges of another; entries that the other lacks stay.

    A fixed number of the other becomes a range of one value, so that the parameter stays one of the study.

    Raises:
        InputError: an entry is new, or differs in more than its range, which Optuna refuses within a study.
    """
    sections: dict[str, dict[str, Any]] = {}
    for section in SECTIONS:
        old, new = getattr(before, section), getattr(given, section)
        if unknown := [name for name in new if name not in old]:
            raise InputError(f"The sweep has no entry {section}.{unknown[0]}: only ranges may change on a resume.")
        sections[section] = {
            name: _changed(f"{section}.{name}", value, new[name]) if name in new else value
            for name, value in old.items()
        }
    return SearchSpace(**sections)


def _changed(place: str, old: Any, new: Any) -> Any:
    kinds = [getattr(value, "type", "fixed") for value in (old, new)]
    numbers = {"float", "int"}
    if kinds[1] == "fixed" and kinds[0] in numbers and _fits(kinds[0], new):
        return type(old).model_validate({**old.model_dump(), "low": new, "high": new, "default": new})
    if kinds[0] != kinds[1]:
        raise InputError(f"{place} is {kinds[0]} in this sweep, not {kinds[1]}: only ranges may change on a resume.")
    if kinds[0] == "categorical" and old.choices != new.choices:
        raise InputError(f"{place}: the choices stay as they are on a resume, since Optuna does not change them.")
    if kinds[0] == "fixed" and old != new:
        raise InputError(f"{place} is fixed at {old} in this sweep: only ranges may change on a resume.")
    if kinds[0] != "fixed" and old.when != new.when:
        raise InputError(f"{place}: its condition stays as it is on a resume.")
    if kinds[0] in {*numbers, "widths"} and old.log != new.log:
        scale = "logarithmic" if old.log else "linear"
        raise InputError(f"{place} is {scale} in this sweep, and Optuna does not change the scale within a study.")
    return old if kinds[0] in {"categorical", "fixed"} else new


def _fits(kind: str, value: Any) -> bool:
    return isinstance(value, int if kind == "int" else int | float) and not isinstance(value, bool)


class ChangedRangesSampler(BaseSampler):
    """Show another sampler the trials inside the present ranges, as if they had been drawn from these.

    Optuna leaves a parameter whose range changed out of the joint model, or keeps to its first range. Trials outside
    the ranges stay in the study and are hidden from the sampler.

    Args:
        inner: the sampler.
        space: present search space.
    """

    def __init__(self, inner: BaseSampler, space: SearchSpace) -> None:
        self._inner, self._space = inner, space
        self._shown: dict[int, FrozenTrial | None] = {}

    def shown(self, trial: FrozenTrial) -> FrozenTrial | None:
        """Return a trial with the present distributions; None if it lies outside them."""
        finished = trial.state.is_finished()
        if finished and trial.number in self._shown:
            return self._shown[trial.number]
        distributions = self._space.distributions_of(trial.params)
        shown: FrozenTrial | None = trial
        if distributions is None:
            shown = None if finished else trial
        elif any(distributions[name] != own for name, own in trial.distributions.items()):
            shown = copy.copy(trial)
            shown.distributions = {**trial.distributions, **distributions}
            attributes = shown.system_attrs.items()
            shown.system_attrs = {key: value for key, value in attributes if not key.startswith(_OF_OPTIMISER)}
        if finished:
            self._shown[trial.number] = shown
        return shown

    def _view(self, study: Study) -> Study:
        return _View(study, self) if optuna_internals.has_copied_attributes(study) else study

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return self._inner.infer_relative_search_space(self._view(study), trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return self._inner.sample_relative(self._view(study), trial, search_space)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        return self._inner.sample_independent(self._view(study), trial, param_name, param_distribution)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        self._inner.before_trial(self._view(study), trial)

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        if self._space.distributions_of(trial.params) is not None:
            self._inner.after_trial(self._view(study), self.shown(trial) or trial, state, values)

    def reseed_rng(self) -> None:
        self._inner.reseed_rng()


class _View(Study):
    """A study whose trials are those that a `ChangedRangesSampler` shows."""

    def __init__(self, study: Study, sampler: ChangedRangesSampler) -> None:
        # The parent's constructor would read the storage.
        for name in optuna_internals.COPIED_FROM_STUDY:
            setattr(self, name, getattr(study, name))
        self._whole, self._by = study, sampler

    def _get_trials(
        self, deepcopy: bool = True, states: Container[TrialState] | None = None, use_cache: bool = False
    ) -> list[FrozenTrial]:
        trials = self._whole._get_trials(deepcopy=False, states=states, use_cache=use_cache)
        seen = [shown for trial in trials if (shown := self._by.shown(trial)) is not None]
        return copy.deepcopy(seen) if deepcopy else seen


def count_inside(space: SearchSpace, trials: Sequence[Mapping[str, Any]]) -> int:
    """Return how many configurations, as Optuna's flat parameters, lie in a space."""
    return sum(space.distributions_of(params) is not None for params in trials)
