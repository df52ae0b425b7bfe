"""Controller that a user pauses, and whose trials a user stops, in virtual time."""

from collections import Counter
from dataclasses import replace
from types import SimpleNamespace

import pytest

from orchestrator.execution import controller as controller_module
from orchestrator.execution.controller import NoJob
from orchestrator.execution.job import EpochReport
from orchestrator.execution.plan import Plan
from orchestrator.execution.progress import SweepProgress
from orchestrator.execution.slots import Slots
from tests.execution.fakes import FakeExecutor, FakeSweep, Watched, Work, epoch

PLAN = Plan(trials=4, confirm=2, splits=2, seed=7, epochs=3)


def run_with_pause(sweep, work, event, slots=2):
    """Run a sweep that is paused after a number of messages and unpaused once the executor has ended its run."""
    watched = Watched()
    controller = sweep.controller(watched)
    executor = FakeExecutor(controller, work, slots)
    executor.run(event)
    controller.calls.add(controller.pause)
    assert executor.run() and controller.slots.paused
    open_jobs = [call for call in watched.calls if call[0] in {"started", "interrupted", "ended"}]
    controller.end_suspension()
    assert controller.next_job() is NoJob.EVER, "a paused sweep starts no job"
    controller.unpause()
    controller.end_suspension()
    assert FakeExecutor(controller, work, slots).run()
    assert controller.finished()
    return watched, open_jobs


@pytest.mark.parametrize("event", [0, 1, 2, 5, 9, 17, 25, 40])
@pytest.mark.parametrize("slots", [1, 2, 5])
def test_a_paused_sweep_resumes_every_job_and_trains_each_epoch_once(event, slots):
    sweep, work = FakeSweep(PLAN), Work()
    watched, before = run_with_pause(sweep, work, event, slots)
    sweep.assert_done()
    assert max(Counter(work.trained).values()) == 1
    # At the end of the pause no job was open.
    last = {key: what for what, key, *_ in before}
    assert "started" not in last.values()
    interrupted = {key for key, what in last.items() if what == "interrupted"}
    assert interrupted <= {key for key, outcome in watched.of("ended") if outcome == "complete"}


def test_jobs_run_to_the_end_of_their_epoch_only():
    watched, work = Watched(), Work(seconds=lambda job: 1.0)
    controller = FakeSweep(PLAN).controller(watched)
    executor = FakeExecutor(controller, work, 2)
    executor.run(2)
    controller.pause()
    assert executor.run()
    assert len(work.trained) == 4 and len(watched.of("interrupted")) == 2


def test_jobs_that_the_executor_had_not_started_wait_for_the_end_of_the_pause():
    watched = Watched()
    controller = FakeSweep(PLAN).controller(watched)
    first, second = controller.next_job(), controller.next_job()
    controller.pause()
    controller.end_suspension()
    assert watched.of("interrupted") == [first.key, second.key] and controller.suspending
    controller.unpause()
    controller.end_suspension()
    assert [controller.next_job(), controller.next_job()] == [first, second]


def test_an_unpause_before_the_jobs_have_ended_their_epoch_still_ends_the_run_of_the_executor():
    controller = FakeSweep(PLAN).controller()
    executor = FakeExecutor(controller, Work(), 2)
    executor.run(2)
    controller.pause()
    controller.unpause()
    assert executor.run() and controller.suspending and not controller.finished()
    controller.end_suspension()
    assert FakeExecutor(controller, Work(), 2).run() and controller.finished()


def test_time_of_a_pause_does_not_count_to_the_time_limit(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(controller_module, "time", SimpleNamespace(time=lambda: clock[0]))
    sweep = FakeSweep(replace(PLAN, deadline=10.0), slots=Slots(4, clock=lambda: clock[0]))
    controller = sweep.controller()
    controller.pause()
    clock[0] = 100.0
    controller.unpause()
    controller.end_suspension()
    assert controller.next_job().key == "trial-0000"
    clock[0] = 109.9
    assert not controller.is_overdue()
    clock[0] = 110.0
    assert controller.is_overdue()


def test_rate_and_time_left_ignore_a_pause(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr("orchestrator.execution.progress.time", SimpleNamespace(monotonic=lambda: clock[0]))
    slots = Slots(2, clock=lambda: clock[0])
    progress = SweepProgress(budget=6, epochs=3, slots=slots)
    controller = FakeSweep(PLAN, slots=slots).controller(progress)
    job = controller.next_job()
    for number in (1, 2, 3):
        clock[0] += 10
        controller.epoch(job, EpochReport(**epoch(number, 0.5)))
    controller.end(job, "complete")
    rate, left, busy = progress.rate(), progress.seconds_left(), progress.busy_share()
    slots.pause()
    assert progress.paused and progress.seconds_left() is None
    clock[0] += 1e5
    assert progress.busy_share() == busy
    slots.unpause()
    assert (progress.rate(), progress.seconds_left()) == (rate, left)


def test_a_stopped_trial_ends_as_pruned_at_its_next_epoch():
    watched, sweep, work = Watched(), FakeSweep(PLAN), Work()
    controller = sweep.controller(watched)
    executor = FakeExecutor(controller, work, 2)
    executor.run(1)
    controller.calls.add(lambda: controller.stop_trial("control-0000", "ada@node7"))
    assert executor.run() and controller.finished()
    sweep.assert_done()
    trial = sweep.arms[1].ledger.trial(0)
    assert (trial.outcome, trial.attributes["stopped_by"], list(trial.epochs)) == ("pruned", "ada@node7", [1])
    assert watched.of("ended").count(("control-0000", "pruned")) == 1
    assert all("stopped_by" not in other.attributes for other in sweep.arms[0].ledger.trials())


def test_a_trial_that_is_stopped_in_its_last_epoch_is_complete():
    sweep = FakeSweep(PLAN)
    controller = sweep.controller()
    job = controller.next_job()
    for number in (1, 2):
        controller.epoch(job, EpochReport(**epoch(number, 0.5)))
    controller.stop_trial(job.key, "ada@node7")
    assert controller.epoch(job, EpochReport(**epoch(3, 0.5))) and controller.is_live(job.key)
    controller.end(job, "complete")
    assert "stopped_by" not in sweep.arms[0].ledger.trial(0).attributes


@pytest.mark.parametrize("epochs", [0, 1])
def test_a_trial_that_waits_is_stopped_at_once(epochs):
    watched, sweep = Watched(), FakeSweep(PLAN)
    controller = sweep.controller(watched)
    job = controller.next_job()
    for number in range(epochs):
        controller.epoch(job, EpochReport(**epoch(number + 1, 0.5)))
    controller.pause()
    controller.end_suspension()
    controller.stop_trial(job.key, "ada@node7")
    assert watched.calls[-1] == ("ended", job.key, "pruned") and not controller.is_unfinished(job.key)
    with pytest.raises(KeyError):
        controller.stop_trial(job.key, "ada@node7")
    controller.unpause()
    controller.end_suspension()
    assert FakeExecutor(controller, Work(), 2).run()
    sweep.assert_done()


def test_a_stop_while_paused_leaves_the_jobs_to_the_resumed_sweep():
    sweep, work = FakeSweep(PLAN), Work()
    controller = sweep.controller()
    executor = FakeExecutor(controller, work, 2)
    executor.run(3)
    controller.pause()
    executor.run()
    controller.stopping.set()
    assert controller.next_job() is NoJob.EVER and not controller.finished()
    controller.interrupt()
    resumed = sweep.controller()
    assert not resumed.suspending and FakeExecutor(resumed, work, 2).run() and resumed.finished()
    sweep.assert_done()
    assert max(Counter(work.trained).values()) == 1
