"""The halving pruner makes the same decisions as Optuna's."""

import math
import random

import optuna
import pytest
from optuna.pruners import SuccessiveHalvingPruner

from orchestrator.search.successive_halving import CachedSuccessiveHalvingPruner


def decisions(make, seed: int, direction: str, restart: int | None = None) -> tuple[list[tuple[int, int]], list[dict]]:
    """Return (trial, epoch) of every stop, with eight trials at a time, and the attributes of all trials.

    After `restart` reports a new pruner replaces the first, as in a resumed sweep.
    """
    draw, stopped, open_trials, reports = random.Random(seed), [], [], 0
    study = optuna.create_study(direction=direction, pruner=make())
    for _ in range(60):
        open_trials.append([study.ask(), 0])
        while len(open_trials) >= 8 or (len(study.trials) == 60 and open_trials):
            one = draw.choice(open_trials)
            trial, one[1] = one[0], one[1] + 1
            value = math.nan if draw.random() < 0.02 else round(draw.gauss(trial.number % 7, 1.0), 1)
            trial.report(value, one[1])
            reports += 1
            if reports == restart:
                study.pruner = make()
            if trial.should_prune():
                stopped.append((trial.number, one[1]))
                study.tell(trial, state=optuna.trial.TrialState.PRUNED)
                open_trials.remove(one)
            elif one[1] == 12:
                study.tell(trial, 0.0)
                open_trials.remove(one)
    return stopped, [trial.system_attrs for trial in study.trials]


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
@pytest.mark.parametrize("seed", range(5))
def test_decisions_and_stored_attributes_equal_optunas(seed, direction):
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    theirs = decisions(lambda: SuccessiveHalvingPruner(min_resource=2, reduction_factor=3), seed, direction)
    assert 20 < len(theirs[0]) < 60, "some are stopped, some are not"
    assert decisions(lambda: CachedSuccessiveHalvingPruner(2, 3), seed, direction) == theirs
    assert decisions(lambda: CachedSuccessiveHalvingPruner(2, 3), seed, direction, restart=100) == theirs
