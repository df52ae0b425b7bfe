"""Tune's hooks: they pickle, and no error in them reaches Tune."""

import pickle
from types import SimpleNamespace

import pytest
from ray.tune.schedulers import TrialScheduler
from ray.tune.search import Searcher

from orchestrator.errors import LedgerLost
from orchestrator.execution.desk import Plan
from orchestrator.execution.job import Job
from orchestrator.execution.tune_hooks import DeskScheduler, DeskSearcher, register_desk
from orchestrator.search.outcome import Outcome
from tests.execution.fakes import FakeSweep, Watched, Work, epoch

PLAN = Plan(trials=2, confirm=1, splits=1, seed=0, epochs=2)


@pytest.fixture
def sweep():
    return FakeSweep(PLAN)


@pytest.fixture
def hooks(sweep):
    desk = sweep.desk()
    register_desk("the key", desk)
    return desk, DeskSearcher("the key"), DeskScheduler("the key")


def trial_of(config):
    return SimpleNamespace(config=config)


def test_the_searcher_gives_jobs_then_nothing_now_then_nothing_ever(hooks):
    desk, searcher, _ = hooks
    jobs = []
    while isinstance(config := searcher.suggest(f"t{len(jobs)}"), dict):
        jobs.append(Job.from_config(config))
    assert [job.key for job in jobs] == ["trial-0000", "control-0000", "trial-0001", "control-0001", "confirm-0000"]
    assert config is None
    desk.stopping.set()
    assert searcher.suggest("t9") == Searcher.FINISHED


def test_pickled_they_serve_the_same_desk(hooks):
    desk, searcher, scheduler = hooks
    config = searcher.suggest("t0")
    searcher, scheduler = pickle.loads(pickle.dumps((searcher, scheduler)))
    message = {"message": [{"epochs": [epoch(1, 0.5)]}]}
    assert scheduler.on_trial_result(None, trial_of(config), message) == TrialScheduler.CONTINUE
    searcher.on_trial_complete("t0", error=True)
    assert not desk.is_live(Job.from_config(config))


def test_a_searcher_may_be_saved_and_restored(hooks, tmp_path):
    _, searcher, _ = hooks
    searcher.save(str(tmp_path / "searcher"))
    searcher.restore(str(tmp_path / "searcher"))
    assert isinstance(searcher.suggest("t0"), dict)


def test_results_stop_what_the_desk_says_to_stop(hooks, sweep):
    _, searcher, scheduler = hooks
    config = searcher.suggest("t0")
    diverged = {"message": [{"epochs": [epoch(1, float("nan"), diverged=True)]}]}
    assert scheduler.on_trial_result(None, trial_of(config), diverged) == TrialScheduler.STOP
    assert sweep.arms[0].ledger.trial(0).outcome is Outcome.DIVERGED


def test_a_last_result_ends_the_job(hooks, sweep):
    _, searcher, scheduler = hooks
    config = searcher.suggest("t0")
    done = {"message": [{"epochs": [epoch(1, 0.2), epoch(2, 0.5)], "outcome": "complete", "final": {"a": 1.0}}]}
    scheduler.on_trial_complete(None, trial_of(config), done)
    searcher.on_trial_complete("t0", done)
    trial = sweep.arms[0].ledger.trial(0)
    assert (trial.outcome, trial.objective, trial.attributes["final"]) == (Outcome.COMPLETE, 0.5, {"a": 1.0})


def test_a_worker_that_dies_for_good_is_a_failed_trial(hooks, sweep):
    _, searcher, _ = hooks
    searcher.suggest("t0")
    searcher.on_trial_complete("t0", error=True)
    trial = sweep.arms[0].ledger.trial(0)
    assert trial.outcome is Outcome.FAILED and "died" in trial.attributes["error"]
    searcher.on_trial_complete("unheard of", error=True)


@pytest.mark.parametrize("result", [{}, {"message": []}, {"message": [{"epochs": [{"numbr": 1}]}]}])
def test_an_error_inside_stops_the_trial_and_goes_no_further(hooks, sweep, result, caplog):
    desk, searcher, scheduler = hooks
    config = searcher.suggest("t0")
    assert scheduler.on_trial_result(None, trial_of(config), result) == TrialScheduler.STOP
    assert "failed" in caplog.text
    # A job that stays open would have the sweep wait for it for ever.
    assert not desk.is_live(Job.from_config(config))
    assert sweep.arms[0].ledger.trial(0).outcome is Outcome.FAILED


def test_a_ledger_that_breaks_does_not_end_the_sweep(hooks, sweep, monkeypatch):
    desk, searcher, scheduler = hooks
    config = searcher.suggest("t0")

    def broken(*arguments, **attributes):
        raise OSError("no room on the disk")

    for name in ("report", "finish"):
        monkeypatch.setattr(sweep.arms[0].ledger, name, broken)
    message = {"message": [{"epochs": [epoch(1, 0.5)]}]}
    assert scheduler.on_trial_result(None, trial_of(config), message) == TrialScheduler.STOP
    scheduler.on_trial_complete(None, trial_of(config), message)
    searcher.on_trial_complete("t0", error=True)
    assert not desk.is_live(Job.from_config(config))
    assert sweep.arms[0].ledger.trial(0).outcome is None, "it can go on when there is room again"


def test_a_trial_of_nobody(hooks):
    _, _, scheduler = hooks
    assert scheduler.on_trial_result(None, trial_of({}), {"message": [{}]}) == TrialScheduler.STOP


def test_a_watcher_that_raises_costs_its_trial_and_not_the_sweep(sweep):
    class Bad(Watched):
        def epoch(self, job, epoch):
            raise RuntimeError("a bug in a watcher")

    desk = sweep.desk(Bad())
    register_desk("bad", desk)
    searcher, scheduler = DeskSearcher("bad"), DeskScheduler("bad")
    config = searcher.suggest("t0")
    message = {"message": [Work().next(Job.from_config(config))]}
    assert scheduler.on_trial_result(None, trial_of(config), message) == TrialScheduler.STOP
    assert not desk.is_live(Job.from_config(config))


@pytest.mark.parametrize("call", ["report", "finish"])
def test_a_lost_ledger_interrupts_the_jobs_and_ends_the_search(sweep, hooks, monkeypatch, call):
    desk, searcher, scheduler = hooks
    config = searcher.suggest("t0")

    def lost(*args, **options):
        raise LedgerLost("away")

    monkeypatch.setattr(sweep.arms[0].ledger, call, lost)
    monkeypatch.setattr(sweep.arms[0].ledger, "ask", lost)
    message = {"message": [{"epochs": [epoch(1, 0.5), epoch(2, 0.6)], "outcome": "complete", "final": {}}]}
    assert scheduler.on_trial_result(None, trial_of(config), message) == TrialScheduler.STOP
    scheduler.on_trial_complete(None, trial_of(config), message)
    searcher.on_trial_complete("t0")
    assert isinstance(searcher.suggest("t1"), dict), "the control's ledger answers"
    assert searcher.suggest("t2") == Searcher.FINISHED
    assert [job.key for job in desk.interrupt()] == ["trial-0000", "control-0000"]
    assert sweep.arms[0].ledger.trial(0).outcome is None
