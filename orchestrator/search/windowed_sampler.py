"""A sampler that looks at a bounded part of the history, so that its time does not grow with the sweep."""

from __future__ import annotations

import copy
import math
from bisect import insort
from collections import deque
from collections.abc import Container, Sequence
from typing import TYPE_CHECKING, Any

from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import TrialState

from orchestrator.search import optuna_internals

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

_TOLD = (TrialState.COMPLETE, TrialState.PRUNED)


class WindowedSampler(BaseSampler):
    """Hands another sampler, of one study that is maximised, the best, the newest and the running trials only.

    Made for TPE, which models its best trials against all others. It takes a tenth of the history for the best, 25 at
    most; so from 250 trials on `best=25` leaves the model of the good ones exactly what it was, and only the model of
    the rest, in which an old trial counts less than a new one anyway, is of the newest. See decision 12.

    Args:
        inner: the sampler.
        newest: how many ended trials it sees, the latest to end, beside the best and those that run.
        best: how many of the best, ranked as TPE ranks them: complete ones by value, then pruned ones by the epoch
            they reached and their value at it.
    """

    def __init__(self, inner: BaseSampler, newest: int, best: int = 25) -> None:
        self._inner = inner
        self._count = best
        self._newest: deque[FrozenTrial] = deque(maxlen=newest)
        self._best: list[tuple[tuple[float, ...], int, FrozenTrial]] = []
        self._known = False
        self._shown: tuple[int, list[FrozenTrial]] | None = None

    # What is seen

    def _show(self, study: Study, trial: FrozenTrial) -> Study:
        """The study as the inner sampler sees it while it chooses for this trial."""
        if not optuna_internals.has_copied_attributes(study):
            return study
        self._learn(study)
        if self._shown is None or self._shown[0] != trial.number:
            running = study._get_trials(deepcopy=False, states=(TrialState.RUNNING,))
            seen = {one.number: one for one in [*self._newest, *(best for _, _, best in self._best), *running]}
            self._shown = (trial.number, [seen[number] for number in sorted(seen)])
        return _Excerpt(study, self._shown[1])

    def _learn(self, study: Study) -> None:
        """All that has ended before this sampler was there."""
        if not self._known:
            self._known = True
            for trial in study._get_trials(deepcopy=False, states=_TOLD):
                self._add(trial)

    def _add(self, trial: FrozenTrial) -> None:
        self._newest.append(trial)
        insort(self._best, (_rank(trial), trial.number, trial))
        del self._best[self._count :]

    # As a sampler

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return self._inner.infer_relative_search_space(self._show(study, trial), trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return self._inner.sample_relative(self._show(study, trial), trial, search_space)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        return self._inner.sample_independent(self._show(study, trial), trial, param_name, param_distribution)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        self._inner.before_trial(study, trial)

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        self._inner.after_trial(study, trial, state, values)
        self._learn(study)  # before it is told: the trial is not among them yet
        self._shown = None
        if state in _TOLD:
            ended = copy.copy(trial)
            ended.state, ended.values = state, list(values) if values is not None else None
            self._add(ended)

    def reseed_rng(self) -> None:
        self._inner.reseed_rng()


class _Excerpt(Study):
    """A study of which only some trials are seen."""

    def __init__(self, study: Study, trials: list[FrozenTrial]) -> None:
        # Not the parent's, which asks the storage. One by one: Hyperband's own excerpt has these attributes only.
        for name in optuna_internals.COPIED_FROM_STUDY:
            setattr(self, name, getattr(study, name))
        self._excerpt = trials

    def _get_trials(
        self, deepcopy: bool = True, states: Container[TrialState] | None = None, use_cache: bool = False
    ) -> list[FrozenTrial]:
        found = [trial for trial in self._excerpt if states is None or trial.state in states]
        return copy.deepcopy(found) if deepcopy else found


def _rank(trial: FrozenTrial) -> tuple[float, ...]:
    """Smaller is better; of equals the one that was asked for first."""
    if trial.state is TrialState.COMPLETE:
        return (0, -trial.value)
    if not trial.intermediate_values:
        return (1, 1, 0.0)
    step, value = max(trial.intermediate_values.items())
    return (1, -step, math.inf if math.isnan(value) else -value)
