"""The part of a long history that TPE sees, and that a short one is seen whole."""

import math
import random
import warnings

import optuna
import pytest
from optuna.samplers import TPESampler
from optuna.samplers._tpe import sampler as optunas
from optuna.trial import TrialState

from orchestrator.search.cached_storage import CachedStorage
from orchestrator.search.windowed_sampler import WindowedSampler
from tests.search.small_ledger import SPACE


def plain_tpe(seed: int) -> TPESampler:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return TPESampler(seed=seed, multivariate=True, group=True, n_startup_trials=6)


def run(sampler, trials: int, after=None, running: int = 3) -> list[dict]:
    """Return the parameters of every trial; `running` trials are always open, a third is pruned, a tenth fails."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(
        direction="maximize", sampler=sampler, storage=CachedStorage(optuna.storages.InMemoryStorage())
    )
    open_trials, luck = [], random.Random(0)
    for _ in range(trials):
        trial = study.ask()
        SPACE.suggest(trial)
        open_trials.append(trial)
        if len(open_trials) > running:
            ended, draw = open_trials.pop(0), luck.random()
            if draw < 0.3:
                ended.report(math.nan if draw < 0.05 else luck.random(), luck.randint(1, 5))
                study.tell(ended, state=TrialState.PRUNED)
            elif draw < 0.4:
                study.tell(ended, state=TrialState.FAIL)
            else:
                study.tell(ended, -abs(math.log10(ended.params["lr"]) + 3))
        if after:
            study = after(study) or study
    return [trial.params for trial in study.get_trials(deepcopy=False)]


def test_a_short_history_is_shown_whole():
    assert run(WindowedSampler(plain_tpe(0), newest=60), 60) == run(plain_tpe(0), 60)


def test_the_best_trials_are_those_of_the_whole_history(monkeypatch):
    """TPE splits the visible trials as it would split all of them, at every proposal."""
    seen, split = [], optunas._split_trials

    def spy(study, trials, n_below):
        everything = study._storage.get_all_trials(study._study_id, deepcopy=False)
        everything = [trial for trial in everything if trial.state in {TrialState.COMPLETE, TrialState.PRUNED}]
        below, above = split(study, trials, n_below)
        whole, _ = split(study, everything, min(math.ceil(0.1 * len(everything)), 25))
        seen.append((len(trials), [t.number for t in below], [t.number for t in whole], len(everything)))
        return below, above

    monkeypatch.setattr(optunas, "_split_trials", spy)
    run(WindowedSampler(plain_tpe(0), newest=250), 420)
    late = [one for one in seen if one[3] >= 300]
    assert len(late) > 50
    for looked_at, good, of_all, _ in late:
        assert good == of_all and len(good) == 25
        assert looked_at <= 250 + 25 + 3


def test_a_sampler_of_a_resumed_sweep_knows_its_history():
    numbers = []

    def anew(study):
        if len(study.trials) == 30:
            study.sampler = WindowedSampler(plain_tpe(1), newest=12, best=2)
        if len(study.trials) == 40:
            excerpt = study.sampler._show(study, study.trials[-1])
            numbers.extend(trial.number for trial in excerpt.get_trials())
            told = [t for t in study.trials if t.state in {TrialState.COMPLETE, TrialState.PRUNED}]
            best = sorted((t for t in told if t.state is TrialState.COMPLETE), key=lambda t: -t.value)[:2]
            running = [t.number for t in study.trials if t.state is TrialState.RUNNING]
            assert set(numbers) == {t.number for t in [*told[-12:], *best]} | set(running)

    run(WindowedSampler(plain_tpe(0), newest=12, best=2), 45, anew)
    assert numbers == sorted(numbers) and len(numbers) >= 15


@pytest.mark.parametrize("pruner", ["hyperband", "halving"])
def test_the_sampler_works_with_every_pruner(pruner):
    from orchestrator.search.pruners import build_pruner

    study = optuna.create_study(
        direction="maximize", sampler=WindowedSampler(plain_tpe(0), newest=10), pruner=build_pruner(pruner, 10)
    )
    for _ in range(20):
        trial = study.ask()
        SPACE.suggest(trial)
        trial.report(trial.params["lr"], 1)
        trial.should_prune()
        study.tell(trial, trial.params["lr"])
    assert len(study.trials) == 20


def test_a_sampler_of_a_resumed_hyperband_knows_every_bracket():
    """Optuna passes a sampler the study of one bracket, but TPE reads the trials of all brackets."""
    from orchestrator.search.pruners import build_pruner

    storage = optuna.storages.InMemoryStorage()
    make = {"direction": "maximize", "storage": storage, "study_name": "x", "load_if_exists": True}
    for trials in (20, 1):  # the second is another process's
        sampler, pruner = WindowedSampler(plain_tpe(0), newest=50), build_pruner("hyperband", 30)
        study = optuna.create_study(**make, sampler=sampler, pruner=pruner)
        pruner._try_initialization(study)
        for _ in range(trials):
            trial = study.ask()
            SPACE.suggest(trial)
            study.tell(trial, trial.params["lr"])
    assert len({pruner._get_bracket_id(study, trial) for trial in study.trials}) > 1
    assert sorted(trial.number for trial in sampler._newest) == list(range(21))
