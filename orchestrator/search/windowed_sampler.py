"""A sampler that sees a bounded part of the history, so that its time does not grow with the sweep."""

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

_RANKED = (TrialState.COMPLETE, TrialState.PRUNED)


class WindowedSampler(BaseSampler):
    """Show another sampler, of one study that is maximised, only the best, the newest and the running trials.

    TPE models its best trials against all others. A tenth of the history counts as the best, at most 25 trials. From
    250 trials on, `best=25` therefore leaves the model of the best trials unchanged. The model of the others is of the
    newest; TPE weighs old trials less anyway. See decision 12.

    Args:
        inner: the sampler.
        newest: number of the latest ended trials that it sees in addition to the best and the running ones.
        best: number of the best trials that it sees, ranked as TPE ranks them. Complete ones come first, by value, then
            pruned ones by their last epoch and their value there.
    """

    def __init__(self, inner: BaseSampler, newest: int, best: int = 25) -> None:
        self._inner = inner
        self._count = best
        self._newest: deque[FrozenTrial] = deque(maxlen=newest)
        self._best: list[tuple[tuple[float, ...], int, FrozenTrial]] = []
        self._known = False
        self._shown: tuple[int, list[FrozenTrial]] | None = None

    # The visible history

    def _show(self, study: Study, trial: FrozenTrial) -> Study:
        """Return the study that the inner sampler sees for this trial."""
        if not optuna_internals.has_copied_attributes(study):
            return study
        self._learn(study)
        if self._shown is None or self._shown[0] != trial.number:
            running = study._get_trials(deepcopy=False, states=(TrialState.RUNNING,))
            seen = {shown.number: shown for shown in [*self._newest, *(best for _, _, best in self._best), *running]}
            self._shown = (trial.number, [seen[number] for number in sorted(seen)])
        return _Excerpt(study, self._shown[1])

    def _learn(self, study: Study) -> None:
        """Add the trials that ended before this sampler was created."""
        if not self._known:
            self._known = True
            for trial in study._get_trials(deepcopy=False, states=_RANKED):
                self._add(trial)

    def _add(self, trial: FrozenTrial) -> None:
        self._newest.append(trial)
        insort(self._best, (_rank(trial), trial.number, trial))
        del self._best[self._count :]

    # The sampler's interface

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
        self._learn(study)  # before the trial's state is stored
        self._shown = None
        if state in _RANKED:
            ended = copy.copy(trial)
            ended.state, ended.values = state, list(values) if values is not None else None
            self._add(ended)

    def reseed_rng(self) -> None:
        self._inner.reseed_rng()


class _Excerpt(Study):
    """A study with only some of its trials."""

    def __init__(self, study: Study, trials: list[FrozenTrial]) -> None:
        # The parent's constructor would read the storage. Hyperband's study of a bracket has only these attributes.
        for name in optuna_internals.COPIED_FROM_STUDY:
            setattr(self, name, getattr(study, name))
        self._excerpt = trials

    def _get_trials(
        self, deepcopy: bool = True, states: Container[TrialState] | None = None, use_cache: bool = False
    ) -> list[FrozenTrial]:
        trials = [trial for trial in self._excerpt if states is None or trial.state in states]
        return copy.deepcopy(trials) if deepcopy else trials


def _rank(trial: FrozenTrial) -> tuple[float, ...]:
    """Return the rank of a trial, smaller for better ones."""
    if trial.state is TrialState.COMPLETE:
        return (0, -trial.value)
    if not trial.intermediate_values:
        return (1, 1, 0.0)
    step, value = max(trial.intermediate_values.items())
    return (1, -step, math.inf if math.isnan(value) else -value)
