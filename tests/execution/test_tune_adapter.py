"""Searcher and scheduler of Tune: they can be pickled, and no error in them reaches Tune."""

import errno
import pickle
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ray.exceptions import ActorDiedError, ActorUnavailableError, OutOfMemoryError, RayActorError, RayTaskError
from ray.train._internal.storage import StorageContext
from ray.tune.experiment import Trial
from ray.tune.schedulers import TrialScheduler
from ray.tune.search import Searcher

from orchestrator.core.errors import LedgerUnavailable
from orchestrator.execution.job import Job
from orchestrator.execution.plan import Plan
from orchestrator.execution.tune_adapter import ControllerScheduler, ControllerSearcher, register_controller
from orchestrator.search.outcome import Outcome
from tests.execution.fakes import FakeSweep, Watched, Work, epoch

PLAN = Plan(trials=2, confirm=1, splits=1, seed=0, epochs=2)


@pytest.fixture
def sweep():
    return FakeSweep(PLAN)


@pytest.fixture
def hooks(sweep):
    controller = sweep.controller()
    register_controller("the key", controller)
    return controller, ControllerSearcher("the key"), ControllerScheduler("the key")


class _Pending:
    status = Trial.PENDING


def trial_of(config):
    return SimpleNamespace(config=config)


def test_searcher_returns_jobs_then_none_then_finished(hooks):
    controller, searcher, _ = hooks
    jobs = []
    while isinstance(config := searcher.suggest(f"t{len(jobs)}"), dict):
        jobs.append(Job.from_config(config))
    assert [job.key for job in jobs] == ["trial-0000", "control-0000", "trial-0001", "control-0001", "confirm-0000"]
    assert config is None
    controller.stopping.set()
    assert searcher.suggest("t9") == Searcher.FINISHED


def test_pickled_hooks_use_the_same_controller(hooks):
    controller, searcher, scheduler = hooks
    config = searcher.suggest("t0")
    searcher, scheduler = pickle.loads(pickle.dumps((searcher, scheduler)))
    message = {"message": [{"epochs": [epoch(1, 0.5)]}]}
    assert scheduler.on_trial_result(None, trial_of(config), message) == TrialScheduler.CONTINUE
    done = {"message": [{"epochs": [epoch(2, 0.6)], "outcome": "complete", "final": {}}]}
    assert scheduler.on_trial_result(None, trial_of(config), done) == TrialScheduler.STOP
    assert not controller.is_live(Job.from_config(config).key)


@pytest.fixture
def line():
    """State of Tune with four trials: one whose actor is starting, two that requested a slot, one that has not."""
    starting, first, second, new, ended = (_Pending() for _ in range(5))
    actors = {starting: "starts", first: "asks first", second: "asks second"}
    stopped = []
    tune = SimpleNamespace(
        trials=(starting, first, second, new),
        stopped=stopped,
        _pending_trials_list=[ended, starting, new],  # those that asked have left it
        _pending_trials={starting, first, second, new},
        _trial_to_actor=actors,
        _actor_to_trial={actor: trial for trial, actor in actors.items()},
        _actor_manager=SimpleNamespace(pending_actors=["asks first", "of another", "asks second"]),
        request_stop_trial=stopped.append,
    )
    return SimpleNamespace(_tune_controller=tune, get_trials=lambda: [starting])


def test_trial_whose_actor_is_starting_is_not_chosen(hooks, line):
    """Tune would end the actor that is starting, and start another for the next trial."""
    scheduler, tune = hooks[-1], line._tune_controller
    starting, first, second, new = tune.trials
    asking = tune._actor_manager.pending_actors
    for trial in (first, second):
        assert scheduler.choose_trial_to_run(line) is trial
        asking.remove(tune._trial_to_actor[trial])
    assert scheduler.choose_trial_to_run(line) is new
    tune._trial_to_actor[new] = "starts, too"
    assert scheduler.choose_trial_to_run(line) is None and not tune.stopped
    del tune._actor_to_trial  # in another version of Ray the first in line is
    assert scheduler.choose_trial_to_run(line) is starting


def test_waiting_trials_are_cancelled_once_the_sweep_stops(hooks, line):
    controller, _, scheduler = hooks
    controller.stopping.set()
    assert scheduler.choose_trial_to_run(line) is None
    assert line._tune_controller.stopped == list(line._tune_controller.trials[1:])


def test_a_searcher_may_be_saved_and_restored(hooks, tmp_path):
    _, searcher, _ = hooks
    searcher.save(str(tmp_path / "searcher"))
    searcher.restore(str(tmp_path / "searcher"))
    assert isinstance(searcher.suggest("t0"), dict)


def test_result_stops_a_trial_that_the_controller_stops(hooks, sweep):
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


@pytest.fixture
def dead_trial(tmp_path, monkeypatch):
    """Function that makes a Tune trial whose worker died, with its error in the folder where Tune stages it."""
    monkeypatch.setattr("ray.train._internal.storage._get_ray_train_session_dir", lambda: str(tmp_path / "session"))

    def make(config: dict[str, Any], error: Exception) -> Trial:
        storage = StorageContext(str(tmp_path / "storage"), "sweep", trial_dir_name="t0")
        trial = Trial("Worker", config=config, stub=True, storage=storage)
        Path(trial.local_path).mkdir(parents=True, exist_ok=True)
        trial.handle_error(error)
        return trial

    return make


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ActorDiedError(), "death"),
        (RayActorError(error_msg="The actor died because its node has died."), "node lost"),
        (RayActorError(error_msg="away", preempted=True), "node lost"),
        (ActorUnavailableError("RpcError: keepalive watchdog timeout", b"0" * 16), "node lost"),
        (OutOfMemoryError("Task was killed due to the node running low on memory."), "memory"),
        (RayTaskError("step", "Traceback\nConnectionError: away", ConnectionError("away")), "transient"),
        (RayTaskError("step", "Traceback\nKeyError: 1", KeyError(1)), "error"),
        (RayTaskError("step", "", OSError(28, "No space left on device")), "disk"),
        (RayActorError(error_msg="ImportError: no torch", actor_init_failed=True), "error"),
    ],
)
def test_errors_of_ray_are_classified(hooks, sweep, dead_trial, error, kind):
    _, searcher, scheduler = hooks
    config = searcher.suggest("t0")
    scheduler.on_trial_error(None, dead_trial(config, error))
    searcher.on_trial_complete("t0", error=True)
    trial = sweep.arms[0].ledger.trial(0)
    assert trial.attributes["failures"][0]["kind"] == kind
    assert (trial.outcome is None) == (kind in {"death", "node lost", "transient", "disk"})


def test_job_is_retried_if_its_worker_died(hooks, dead_trial):
    _, searcher, scheduler = hooks
    config = searcher.suggest("t0")
    scheduler.on_trial_error(None, dead_trial(config, ActorDiedError()))
    assert searcher.suggest("t1") == config


@pytest.mark.parametrize("result", [{}, {"message": []}, {"message": [{"epochs": [{"numbr": 1}]}]}])
def test_error_in_a_hook_fails_the_trial_and_does_not_reach_tune(hooks, sweep, result, caplog):
    controller, searcher, scheduler = hooks
    config = searcher.suggest("t0")
    assert scheduler.on_trial_result(None, trial_of(config), result) == TrialScheduler.STOP
    assert "failed" in caplog.text
    # The sweep would wait for an open job forever.
    assert not controller.is_live(Job.from_config(config).key)
    assert sweep.arms[0].ledger.trial(0).outcome is Outcome.FAILED


def test_ledger_that_cannot_be_written_stops_the_sweep(hooks, sweep, monkeypatch):
    controller, searcher, scheduler = hooks
    config = searcher.suggest("t0")

    def broken(*arguments, **attributes):
        raise OSError("no room on the disk")

    for name in ("report", "finish"):
        monkeypatch.setattr(sweep.arms[0].ledger, name, broken)
    message = {"message": [{"epochs": [epoch(1, 0.5)]}]}
    assert scheduler.on_trial_result(None, trial_of(config), message) == TrialScheduler.STOP
    scheduler.on_trial_complete(None, trial_of(config), message)
    searcher.on_trial_complete("t0", error=True)
    assert controller.stopping.is_set() and "no room on the disk" in controller.stopped_because
    controller.interrupt()
    assert sweep.arms[0].ledger.trial(0).outcome is None, "it can be resumed when the disk has space"


def test_trial_without_a_job_is_stopped(hooks):
    _, _, scheduler = hooks
    assert scheduler.on_trial_result(None, trial_of({}), {"message": [{}]}) == TrialScheduler.STOP


def test_callback_that_raises_fails_its_trial_and_not_the_sweep(sweep):
    class Bad(Watched):
        def on_epoch(self, job, epoch):
            raise RuntimeError("a bug in a callback")

    controller = sweep.controller(Bad())
    register_controller("bad", controller)
    searcher, scheduler = ControllerSearcher("bad"), ControllerScheduler("bad")
    config = searcher.suggest("t0")
    message = {"message": [Work().next(Job.from_config(config))]}
    assert scheduler.on_trial_result(None, trial_of(config), message) == TrialScheduler.STOP
    assert not controller.is_live(Job.from_config(config).key)


class Full:
    """Callback whose disk is full at one of its methods."""

    def __init__(self, what: str) -> None:
        self.what = what

    def __getattr__(self, name: str):
        def fail(*arguments):
            if name == self.what:
                raise OSError(errno.ENOSPC, "No space left on device")

        return fail


@pytest.mark.parametrize("what", ["on_job_start", "on_epoch", "on_job_end", "the ledger", "the worker"])
def test_a_full_disk_stops_the_sweep_and_fails_no_trial(sweep, monkeypatch, what):
    watched = Watched()
    controller = sweep.controller(watched, Full(what))
    register_controller("the key", controller)
    searcher, scheduler = ControllerSearcher("the key"), ControllerScheduler("the key")
    config = searcher.suggest("t0")
    message = {"epochs": [epoch(1, 0.5)], "outcome": "complete"}
    if what == "the ledger":
        monkeypatch.setattr(
            "optuna.trial.Trial.report", lambda *a: (_ for _ in ()).throw(OSError(errno.ENOSPC, "full"))
        )
    if what == "the worker":
        message = {"epochs": [], "failure": {"kind": "disk", "epoch": 0, "text": "No space left on device"}}
    if what == "on_job_start":
        assert config == Searcher.FINISHED
    else:
        decision = scheduler.on_trial_result(None, trial_of(config), {"message": [message]})
        assert decision == TrialScheduler.STOP
        scheduler.on_trial_complete(None, trial_of(config), {"message": [message]})
        searcher.on_trial_complete("t0")
    assert searcher.suggest("t1") == Searcher.FINISHED
    assert controller.stopping.is_set() and controller.stopped_because
    assert "failed" not in {call[-1] for call in watched.calls}
    again = sweep.controller()
    outcomes = {trial.outcome for arm in sweep.arms for trial in arm.ledger.trials()}
    assert outcomes <= {None, Outcome.COMPLETE}, "unfinished trials can be resumed and ended ones have ended"
    if what != "on_job_end":
        assert again.next_job().key == "trial-0000"


@pytest.mark.parametrize("call", ["report", "finish"])
def test_a_lost_ledger_interrupts_the_jobs_and_ends_the_search(sweep, hooks, monkeypatch, call):
    controller, searcher, scheduler = hooks
    config = searcher.suggest("t0")

    def lost(*args, **options):
        raise LedgerUnavailable("away")

    monkeypatch.setattr(sweep.arms[0].ledger, call, lost)
    monkeypatch.setattr(sweep.arms[0].ledger, "ask", lost)
    message = {"message": [{"epochs": [epoch(1, 0.5), epoch(2, 0.6)], "outcome": "complete", "final": {}}]}
    assert scheduler.on_trial_result(None, trial_of(config), message) == TrialScheduler.STOP
    scheduler.on_trial_complete(None, trial_of(config), message)
    searcher.on_trial_complete("t0")
    assert searcher.suggest("t1") == Searcher.FINISHED
    assert [job.key for job in controller.interrupt()] == ["trial-0000"] and "away" in controller.stopped_because
    assert sweep.arms[0].ledger.trial(0).outcome is None
