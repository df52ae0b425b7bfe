"""Asynchronous successive halving that keeps its rungs sorted in memory."""

from __future__ import annotations

import math
from bisect import insort
from typing import TYPE_CHECKING

from optuna.pruners import BasePruner
from optuna.study import StudyDirection

from orchestrator.search.optuna_internals import RUNG

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial


class CachedSuccessiveHalvingPruner(BasePruner):
    """Make the same decisions as Optuna's `SuccessiveHalvingPruner`, and store the same attributes, for one study.

    Optuna's pruner reads every trial at every rung. This one reads them once, at the first call, so that a resumed
    sweep has its rungs again.

    Args:
        min_resource: epoch of the first rung.
        reduction_factor: inverse of the share of trials that pass a rung, and the factor between the rungs' epochs.
    """

    def __init__(self, min_resource: int, reduction_factor: int) -> None:
        self._min_resource, self._reduction_factor = min_resource, reduction_factor
        self._rungs: dict[int, list[float]] | None = None

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        """Return whether the trial is below the top share at a rung that its latest epoch has reached."""
        step = trial.last_step
        if step is None:
            return False
        value = trial.intermediate_values[step]
        rung = 0
        while _key(rung) in trial.system_attrs:
            rung += 1
        while step >= self._min_resource * self._reduction_factor**rung:
            if math.isnan(value):
                return True
            # Read before the trial's own value is stored, so that it counts once.
            competing = self._competing(study, rung)
            study._storage.set_trial_system_attr(trial._trial_id, _key(rung), value)
            insort(competing, value)
            if not self._passes(value, competing, study.direction):
                return True
            rung += 1
        return False

    def _competing(self, study: Study, rung: int) -> list[float]:
        if self._rungs is None:
            self._rungs = {}
            for trial in study.get_trials(deepcopy=False):
                passed = 0
                while (value := trial.system_attrs.get(_key(passed))) is not None:
                    self._rungs.setdefault(passed, []).append(value)
                    passed += 1
            for values in self._rungs.values():
                values.sort()
        return self._rungs.setdefault(rung, [])

    def _passes(self, value: float, competing: list[float], direction: StudyDirection) -> bool:
        # The best of the first few trials passes: an asynchronous pruner cannot let them wait.
        last = max(len(competing) // self._reduction_factor - 1, 0)
        return value >= competing[-(last + 1)] if direction is StudyDirection.MAXIMIZE else value <= competing[last]


def _key(rung: int) -> str:
    return RUNG.format(rung)
