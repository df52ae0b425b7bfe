"""Sweeps made of a ledger alone, without training: any number of trials, in milliseconds."""

import json
import math
import random
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from orchestrator.core.spec import SweepSpec
from orchestrator.core.sweep_folder import Workspace
from orchestrator.search.outcome import Outcome
from orchestrator.search.space import SearchSpace, load_space

_STATES = {
    Outcome.COMPLETE: TrialState.COMPLETE,
    Outcome.PRUNED: TrialState.PRUNED,
    Outcome.DIVERGED: TrialState.PRUNED,
}


def make_sweep(
    root: Path,
    trials: int,
    epochs: int = 9,
    outcomes: tuple[Outcome, ...] = (Outcome.COMPLETE, Outcome.PRUNED, Outcome.COMPLETE, Outcome.PRUNED),
    space: SearchSpace | None = None,
    **settings: Any,
) -> Workspace:
    """Write a sweep whose searches have `trials` trials each, with these outcomes in turn."""
    workspace = Workspace(root)
    workspace.root.mkdir(parents=True)
    SweepSpec(name=root.name, trials=max(1, trials), epochs=epochs, **settings).save(workspace.spec)
    space = space or load_space("text_hyper")
    workspace.space.write_text(json.dumps(space.model_dump(mode="json")), encoding="utf-8")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    storage = JournalStorage(JournalFileBackend(str(workspace.ledger)))
    for number, (study, own) in enumerate({"search": space, "control": space.without_hypernet()}.items()):
        made = optuna.create_study(storage=storage, study_name=study, direction="maximize")
        made.add_trials(_trials(own, trials, epochs, outcomes, random.Random(number)))
    optuna.create_study(storage=storage, study_name="confirm", direction="maximize")
    return workspace


def _trials(
    space: SearchSpace, count: int, epochs: int, outcomes: tuple[Outcome, ...], chance: random.Random
) -> list[FrozenTrial]:
    sampled = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    begin, made = datetime(2026, 1, 1, 12), []
    for number in range(count):
        trial = sampled.ask()
        space.suggest(trial)
        outcome = outcomes[number % len(outcomes)]
        last = epochs if outcome is Outcome.COMPLETE else 1 + number % min(3, epochs)
        curve = {epoch: 0.7 * (1 - math.exp(-epoch / 3)) + chance.gauss(0, 0.02) for epoch in range(1, last + 1)}
        if outcome is Outcome.DIVERGED:
            curve[last] = math.nan
        error = {"error": "Traceback\nValueError: <script>window.injected = 1</script>"}
        state = _STATES.get(outcome, TrialState.FAIL)
        made.append(
            FrozenTrial(
                number=number,
                trial_id=number,
                state=state,
                value=max(curve.values()) if state is TrialState.COMPLETE else None,
                datetime_start=begin + timedelta(seconds=10 * number),
                datetime_complete=begin + timedelta(seconds=10 * number + 2 * last),
                params=trial.params,
                distributions=trial.distributions,
                user_attrs={"outcome": str(outcome)} | (error if outcome is Outcome.FAILED else {}),
                system_attrs={},
                intermediate_values=curve,
            )
        )
    return made
