"""A simulated sweep of two hundred trials: nothing is lost, and no result costs more than those before it."""

import math
import random

import pytest
from optuna.storages import InMemoryStorage

from benchmarks.simulation import Play, SimulatedTune
from orchestrator.execution.controller import SweepController
from orchestrator.execution.plan import Arm, Plan
from orchestrator.execution.tune_adapter import ControllerScheduler, ControllerSearcher, register_controller
from orchestrator.search import ledger as ledger_module
from orchestrator.search.cached_storage import CachedStorage
from orchestrator.search.journal_storage import open_journal
from orchestrator.search.ledger import Ledger
from orchestrator.search.outcome import Outcome
from orchestrator.search.pruners import build_pruner
from orchestrator.search.samplers import build_sampler
from orchestrator.tracking.recorder import Recorder
from orchestrator.tracking.spool import Spool
from orchestrator.tracking.spooled_runs import index_spool
from tests.execution.fakes import SPACE

pytestmark = pytest.mark.integration

PLAN = Plan(trials=200, confirm=3, splits=2, seed=0, epochs=9)
SLOTS = 20
WRONG = {"death": 0.06, "error": 0.06, "diverged": 0.06, "memory": 0.06}


class Sweep:
    """A search and its confirm runs under the simulated executor."""

    def __init__(self, storage, sampler="random", pruner="halving", plan=PLAN, callbacks=()):
        self.ledger = Ledger(storage, "search", SPACE)
        self.ledger.set_sampler_and_pruner(build_sampler(sampler, 0), build_pruner(pruner, plan.epochs))
        self.confirm = Ledger(storage, "confirm", None)
        arm = Arm("search", "text_hyper", None, SPACE, self.ledger)
        self.controller = SweepController(plan, [arm], self.confirm, callbacks)
        register_controller(key := f"simulated {id(self)}", self.controller)
        self.play = Play(plan.epochs, wrong=WRONG)
        searcher, scheduler = ControllerSearcher(key), ControllerScheduler(key)
        self.tune = SimulatedTune(searcher, scheduler, self.play, SLOTS)


def test_simulated_sweep_meets_its_budget_and_its_records_match(tmp_path):
    spool = Spool(tmp_path / "spool")
    sweep = Sweep(open_journal(tmp_path / "journal"), "tpe", callbacks=[Recorder(spool, tmp_path / "trials")])
    sweep.tune.run()
    assert sweep.controller.finished()
    trials = sweep.ledger.trials()
    assert [trial.number for trial in trials] == list(range(200)) and sweep.ledger.terminal() == 200
    played = {f"trial-{trial.number:04d}": sweep.play.outcomes.get(f"trial-{trial.number:04d}") for trial in trials}
    # What no worker said was decided by the pruner.
    assert {f"trial-{t.number:04d}": None if t.outcome is Outcome.PRUNED else str(t.outcome) for t in trials} == played
    assert min(sweep.ledger.counts().values()) >= 1, "every outcome happens"
    assert sweep.tune.counts["deaths"] >= 1, "some workers die and their trials go on"
    assert all(max(trial.epochs, default=0) == sweep.play.disk.get(f"trial-{trial.number:04d}", 0) for trial in trials)
    assert len(sweep.confirm.trials()) == (3 + 1) * 2 and not sweep.confirm.unfinished()
    again = Ledger(open_journal(tmp_path / "journal"), "search", SPACE)
    assert repr(again.all()) == repr(trials) and again.counts() == sweep.ledger.counts()
    told = index_spool(spool).runs
    for trial in trials:
        run = told[f"trial-{trial.number:04d}"]
        finite = {epoch for epoch, value in trial.epochs.items() if math.isfinite(value)}
        assert finite <= run.steps <= set(trial.epochs) and run.tags["outcome"] == str(trial.outcome)


def test_slots_are_full_while_jobs_wait():
    sweep = Sweep(InMemoryStorage())
    sweep.tune.run()
    assert sweep.tune.occupancy.share_before_dry() > 0.99
    assert 0.3 < sweep.tune.occupancy.share() < 1.0, "the last trials leave slots free"


def test_slow_driver_leaves_slots_empty():
    """The simulator's own check: what the driver takes is taken from the slots."""
    free, slow = Sweep(InMemoryStorage()), Sweep(InMemoryStorage())
    free.tune.run()
    ticks = [0.0]

    def tick() -> float:
        ticks[0] += 1.0  # with twenty slots and ten seconds an epoch, a result comes every half second
        return ticks[0]

    slow.tune.cost = tick
    slow.tune.run()
    assert slow.tune.occupancy.share_before_dry() < 0.8 * free.tune.occupancy.share_before_dry()


@pytest.mark.parametrize("pruner", ["halving", "none"])
def test_cost_of_a_result_does_not_grow(monkeypatch, pruner):
    """Trials that are read or given out at a result are counted: time on a busy machine says little."""
    touched = [0]
    read, select = ledger_module.read_trial, CachedStorage.get_all_trials

    def reading(trial):
        touched[0] += 1
        return read(trial)

    def selecting(self, *args, **named):
        found = select(self, *args, **named)
        touched[0] += len(found)
        return found

    monkeypatch.setattr(ledger_module, "read_trial", reading)
    monkeypatch.setattr(CachedStorage, "get_all_trials", selecting)
    sweep = Sweep(InMemoryStorage(), pruner=pruner, plan=Plan(200, 0, 1, 0, 9))
    after: list[tuple[int, int]] = []
    sweep.tune.after = lambda: after.append((sweep.ledger.terminal(), touched[0]))
    sweep.tune.run()

    def a_result(begin: int, end: int) -> float:
        there = [count for ended, count in after if begin <= ended < end]
        return (there[-1] - there[0]) / (len(there) - 1)

    assert a_result(130, 180) <= 1.2 * a_result(30, 80) < 12


def test_simulation_is_deterministic():
    first, second = Sweep(InMemoryStorage()), Sweep(InMemoryStorage())
    random.seed(1)
    first.tune.run()
    second.tune.run()
    assert repr(first.ledger.all()) != "[]" and repr(first.ledger.trials()) == repr(second.ledger.trials())
    assert first.tune.now == second.tune.now
