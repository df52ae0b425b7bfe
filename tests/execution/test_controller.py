"""The logic of a sweep, under an executor in virtual time: no Ray, no training, milliseconds."""

import math
from collections import Counter
from dataclasses import replace
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.execution import controller as desk_module
from orchestrator.execution.controller import Nothing
from orchestrator.execution.failures import Failure, Kind
from orchestrator.execution.job import Epoch
from orchestrator.execution.plan import Plan
from orchestrator.execution.tune_adapter import take_in
from orchestrator.search.outcome import Outcome
from tests.execution.fakes import FakeExecutor, FakeSweep, Watched, Work, epoch

PLAN = Plan(trials=4, confirm=2, splits=2, seed=7, epochs=3)


def run(sweep, work=None, slots=2, *watchers):
    desk = sweep.desk(*watchers)
    executor = FakeExecutor(desk, work or Work(), slots)
    assert executor.run()
    return desk, executor


@pytest.mark.parametrize("control", [True, False])
@pytest.mark.parametrize("slots", [1, 2, 5, 50])
def test_budgets_are_met_exactly(control, slots):
    sweep = FakeSweep(PLAN, control=control)
    desk, _ = run(sweep, slots=slots)
    assert desk.finished()
    sweep.assert_done()


def test_the_arms_keep_pace():
    watched = Watched()
    run(FakeSweep(PLAN), Work(), 2, watched)
    asked = [key.split("-")[0] for key in watched.of("started") if not key.startswith("confirm")]
    for count in range(len(asked) + 1):
        so_far = Counter(asked[:count])
        assert abs(so_far["trial"] - so_far["control"]) <= 1


def test_an_arm_is_confirmed_when_it_is_done_and_not_before():
    watched = Watched()
    sweep = FakeSweep(PLAN)
    run(sweep, Work(seconds=lambda job: 9.0 if job.key == "control-0003" else 1.0), 3, watched)
    sources = {f"confirm-{t.number:04d}": t.attributes["source"] for t in sweep.confirm.all()}
    place = {told[:2]: index for index, told in enumerate(watched.told)}
    for run_key, source in sources.items():
        if source:
            arm = source.split("-")[0]
            assert place["started", run_key] > max(place["ended", f"{arm}-{n:04d}"] for n in range(PLAN.trials))
    # The slow control did not hold up what confirms the search.
    first = next(key for key, source in sources.items() if source and source.startswith("trial"))
    assert place["started", first] < place["ended", "control-0003"]


def test_what_is_confirmed_are_the_best_on_every_split_with_seeds_of_their_own():
    sweep = FakeSweep(PLAN)
    desk, _ = run(sweep)
    best = {trial.number for trial in sorted(sweep.arms[0].ledger.trials(), key=lambda t: -t.objective)[:2]}
    confirmed = [t for t in sweep.confirm.all() if (t.attributes["source"] or "").startswith("trial")]
    assert {int(t.attributes["source"].split("-")[1]) for t in confirmed} == best
    jobs = [desk._confirm_job(trial) for trial in confirmed]
    assert {(job.split, job.seed) for job in jobs} == {(1, 8), (2, 9)}
    assert all(job.test and job.model == desk.job_of(job.source).model for job in jobs)
    assert all(job.params == desk.job_of(job.source).params for job in jobs)


def test_searched_jobs_train_on_split_0_and_never_see_test():
    desk = FakeSweep(PLAN).desk()
    job = desk.next_job()
    assert (job.split, job.test, job.seed, job.training["epochs"]) == (0, False, 7, 3)
    control = desk.next_job()
    assert (control.variant, control.of) == ("plain_head", "text_hyper") and "rank" not in control.params


def test_without_confirm_there_is_neither_confirm_run_nor_baseline():
    sweep = FakeSweep(replace(PLAN, confirm=0))
    run(sweep)
    assert sweep.confirm.all() == []
    sweep.assert_done()


def test_more_configurations_to_confirm_than_trials():
    sweep = FakeSweep(replace(PLAN, trials=2, confirm=5))
    run(sweep)
    sweep.assert_done()
    assert len(sweep.confirm.all()) == (2 + 2 + 1) * 2


def test_failed_infeasible_and_diverged_trials_count_towards_the_budget_and_are_never_confirmed():
    wrong = {"trial-0000": ("failed", 1), "trial-0001": ("infeasible", 2), "trial-0002": ("diverged", 2)}
    sweep, watched = FakeSweep(PLAN), Watched()
    run(sweep, Work(wrong), 2, watched)
    assert sweep.arms[0].ledger.counts() == {
        "complete": 1,
        "pruned": 0,
        "diverged": 1,
        "infeasible": 1,
        "failed": 1,
    }
    assert ("trial-0002", "diverged") in watched.of("ended")
    assert "failed" in sweep.arms[0].ledger.trial(0).attributes["error"]
    sources = {t.attributes["source"] for t in sweep.confirm.all()}
    assert {s for s in sources if s and s.startswith("trial")} == {"trial-0003"}


def test_a_diverged_trial_trains_no_further():
    work = Work({"trial-0001": ("diverged", 1)})
    run(FakeSweep(PLAN), work)
    assert [number for key, number in work.trained if key == "trial-0001"] == [1]


def test_every_trial_may_fail():
    wrong = {f"{arm}-{n:04d}": ("failed", 1) for arm in ("trial", "control") for n in range(4)}
    sweep = FakeSweep(PLAN)
    desk, _ = run(sweep, Work(wrong))
    assert desk.finished()
    sweep.assert_done()
    assert {t.attributes["source"] for t in sweep.confirm.all()} == {None}


def test_the_same_error_in_every_trial_stops_the_sweep_early_and_it_can_go_on():
    wrong = {f"{arm}-{n:04d}": ("alike", 1) for arm in ("trial", "control") for n in range(4)}
    sweep = FakeSweep(PLAN)
    desk, _ = run(sweep, Work(wrong))
    assert desk.stopped_because == "Every trial so far (3) failed in the same way: alike"
    assert not desk.finished() and desk.stopping.is_set()
    desk.interrupt()
    resumed, _ = run(sweep, Work())
    assert resumed.finished() and resumed.stopped_because is None
    sweep.assert_done()


def test_one_good_trial_and_the_sweep_goes_on_whatever_the_others_do():
    wrong = {f"{arm}-{n:04d}": ("alike", 1) for arm in ("trial", "control") for n in range(4)}
    del wrong["trial-0001"]
    sweep = FakeSweep(PLAN)
    desk, _ = run(sweep, Work(wrong), 3)
    assert desk.finished() and desk.stopped_because is None


class TestFailures:
    @pytest.fixture
    def desk(self):
        self.sweep, self.watched = FakeSweep(PLAN), Watched()
        return self.sweep.desk(self.watched)

    def failed(self, desk, job, kind, epoch=0, text="Traceback\nConnectionError: away"):
        desk.failed(job, Failure(kind, epoch, text))
        return self.sweep.arms[0].ledger.trial(job.number)

    def test_after_a_death_the_job_is_handed_out_next_and_people_are_told(self, desk):
        job = desk.next_job()
        assert self.failed(desk, job, Kind.DEATH).outcome is None
        assert not desk.is_live(job) and desk.next_job() == job
        ((key, note),) = self.watched.of("noted")
        assert key == "trial-0000" and "death after epoch 0" in note
        assert len(self.watched.of("started")) == 2

    def test_two_deaths_after_the_same_epoch_are_infeasible(self, desk):
        job = desk.next_job()
        self.failed(desk, job, Kind.DEATH, 1)
        assert self.failed(desk, desk.next_job(), Kind.DEATH, 1).outcome is Outcome.INFEASIBLE

    def test_a_resumed_sweep_remembers_the_first_death(self, desk):
        self.failed(desk, desk.next_job(), Kind.DEATH, 1)
        desk = self.sweep.desk(self.watched)
        assert self.failed(desk, desk.next_job(), Kind.DEATH, 1).outcome is Outcome.INFEASIBLE

    def test_a_worker_that_was_put_down_is_a_hang_and_tried_once_more(self, desk):
        job = desk.next_job()
        desk.hangs(job, "no epoch within 2 s")
        assert self.failed(desk, job, Kind.DEATH).attributes["failures"][0]["kind"] == "hang"
        assert desk.next_job() == job
        desk.hangs(job, "no epoch within 2 s")
        trial = self.failed(desk, job, Kind.DEATH)
        assert trial.outcome is Outcome.FAILED and trial.attributes["error"] == "no epoch within 2 s"

    def test_a_full_disk_stops_the_sweep_and_fails_no_trial(self, desk):
        job = desk.next_job()
        assert self.failed(desk, job, Kind.DISK, text="OSError: No space left on device").outcome is None
        assert "No space left" in desk.stopped_because and desk.next_job() is Nothing.EVER
        assert desk.interrupt() == [job]

    def test_a_host_is_left_out_once_and_its_jobs_go_on_elsewhere_without_a_failure(self, desk):
        jobs = [desk.next_job(), desk.next_job()]
        for job in jobs:
            desk.leave_out("b", job, "The node b has other code. Mend it.")
            desk.leave_out("b", job, "The node b has other code. Mend it.")
        said = (
            "The node b has other code; it is left out until Ray is started anew there, and the trial starts elsewhere"
        )
        assert self.watched.of("noted") == [(jobs[0].key, said)] and desk.left_out == {"b"}
        assert {desk.next_job().key, desk.next_job().key} == {job.key for job in jobs}
        assert "failures" not in self.sweep.arms[0].ledger.trial(0).attributes and not desk.stopping.is_set()

    def test_a_second_word_on_a_failure_changes_nothing(self, desk):
        job = desk.next_job()
        self.failed(desk, job, Kind.ERROR)
        told = list(self.watched.told)
        self.failed(desk, job, Kind.DEATH)
        assert self.watched.told == told


def test_pruned_trials_stop_early_and_confirm_runs_are_never_pruned():
    plan = Plan(trials=9, confirm=1, splits=2, seed=0, epochs=6)
    sweep, work = FakeSweep(plan, pruner="halving"), Work()
    run(sweep, work, 2)
    counts = sweep.arms[0].ledger.counts()
    assert counts["pruned"] >= 3 and counts["complete"] >= 1
    trained = Counter(key for key, _ in work.trained)
    for trial in sweep.arms[0].ledger.trials():
        epochs = trained[f"trial-{trial.number:04d}"]
        assert (epochs < 6) == (trial.outcome is Outcome.PRUNED) and epochs == len(trial.epochs)
    assert {epochs for key, epochs in trained.items() if key.startswith("confirm")} == {6}
    sweep.assert_done()


def test_a_pruned_trial_keeps_its_best_epoch_as_its_final_figures():
    desk = FakeSweep(PLAN).desk()
    job = desk.next_job()
    for number, value in ((1, 0.2), (2, 0.6)):
        desk.epoch(job, Epoch(**epoch(number, value)))
    desk.end(job, Outcome.PRUNED)
    final = desk._arms["search"].ledger.trial(0).attributes["final"]
    assert final == {"best_val_srcc": 0.6, "best_epoch": 2}


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_no_more_jobs_at_a_time_than_asked_for(limit):
    sweep = FakeSweep(replace(PLAN, concurrency=limit))
    _, executor = run(sweep, slots=8)
    assert executor.most <= limit
    sweep.assert_done()


def test_after_the_deadline_no_more_trials_but_what_there_is_gets_confirmed(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(desk_module, "time", SimpleNamespace(time=lambda: clock[0]))
    sweep = FakeSweep(replace(PLAN, trials=50, deadline=7.0))
    desk = sweep.desk()
    assert FakeExecutor(desk, Work(seconds=lambda job: 1.0), 2, clock).run()
    assert desk.finished()
    asked = [len(arm.ledger.all()) for arm in sweep.arms]
    assert asked == [3, 3] and all(arm.ledger.terminal() == 3 for arm in sweep.arms)
    assert len(sweep.confirm.all()) == (2 + 2 + 1) * 2 and all(t.outcome for t in sweep.confirm.all())


def test_stopping_lets_running_epochs_end_and_hands_out_nothing_more():
    sweep, watched, work = FakeSweep(PLAN), Watched(), Work()
    desk = sweep.desk(watched)
    executor = FakeExecutor(desk, work)
    executor.run(4)
    desk.stopping.set()
    assert executor.run() and desk.next_job() is Nothing.EVER
    open_jobs = desk.interrupt()
    assert {job.key for job in open_jobs} == set(watched.of("interrupted")) and len(open_jobs) == 2
    assert not desk.finished()
    assert {trial.number for trial in sweep.arms[0].ledger.unfinished()} | {0} == {0}


def messages_of_a_whole_sweep(plan, pruner):
    sweep, executor = FakeSweep(plan, pruner=pruner), None
    executor = FakeExecutor(sweep.desk(), Work())
    count = 0
    while not executor.run(1):
        count += 1
    return count + 1


def finish_after_stops(plan, pruner, stops, politely, slots=2, wrong=None):
    """Runs a sweep that is stopped after so many messages, time and again; gives sweep, work and watchers."""
    sweep, work, watched = FakeSweep(plan, pruner=pruner), Work(wrong or {}), []
    for stop in [*stops, math.inf]:
        watched.append(Watched())
        desk = sweep.desk(watched[-1])
        executor = FakeExecutor(desk, work, slots)
        done = executor.run(stop)
        if done:
            assert desk.finished()
            break
        if politely:
            desk.stopping.set()
            executor.run()
            desk.interrupt()
        if desk.finished():  # which a command takes for the end of the sweep
            break
    return sweep, work, watched


def assert_nothing_twice(work, watched):
    assert max(Counter(work.trained).values()) == 1, "an epoch was trained twice"
    ended = Counter(key for one in watched for key, _ in one.of("ended"))
    assert set(ended.values()) == {1}
    told = Counter(pair for one in watched for pair in one.of("epoch"))
    assert max(told.values()) == 1, "an epoch was told twice"


@pytest.mark.parametrize("politely", [True, False], ids=["interrupt", "kill"])
def test_a_sweep_that_is_stopped_at_any_step_ends_as_if_it_had_not_been(politely):
    plan = Plan(trials=2, confirm=1, splits=1, seed=0, epochs=2)
    steps = messages_of_a_whole_sweep(plan, "none")
    assert steps > 10
    for stop in range(steps):
        sweep, work, watched = finish_after_stops(plan, "none", [stop], politely)
        sweep.assert_done()
        assert_nothing_twice(work, watched)
        assert all(len(trial.epochs) == 2 for arm in sweep.arms for trial in arm.ledger.trials())


@settings(max_examples=40, deadline=None)
@given(
    stops=st.lists(st.integers(0, 25), max_size=4),
    politely=st.booleans(),
    slots=st.integers(1, 4),
    pruner=st.sampled_from(["none", "halving", "median"]),
    wrong=st.dictionaries(
        st.sampled_from(["trial-0000", "trial-0002", "control-0001", "confirm-0002"]),
        st.tuples(st.sampled_from(["failed", "diverged", "infeasible"]), st.integers(1, 3)),
        max_size=3,
    ),
)
def test_however_often_it_is_stopped(stops, politely, slots, pruner, wrong):
    plan = Plan(trials=3, confirm=2, splits=2, seed=0, epochs=3)
    sweep, work, watched = finish_after_stops(plan, pruner, stops, politely, slots, wrong)
    sweep.assert_done()
    assert_nothing_twice(work, watched)


def test_unfinished_jobs_come_first_and_are_the_same_jobs():
    sweep = FakeSweep(PLAN)
    desk = sweep.desk()
    before = [desk.next_job() for _ in range(3)]
    resumed = sweep.desk()
    after = [resumed.next_job() for _ in range(3)]
    assert sorted(before, key=lambda job: job.key) == sorted(after, key=lambda job: job.key)
    assert resumed.next_job().key not in {job.key for job in before}


def test_late_and_unknown_messages_change_nothing():
    sweep, watched = FakeSweep(PLAN), Watched()
    desk = sweep.desk(watched)
    ledger = sweep.arms[0].ledger
    job, other = desk.next_job(), sweep.desk().next_job()
    desk.end(job, Outcome.FAILED, error="first word")
    told = list(watched.told)
    late = {"message": [{"epochs": [epoch(1, 0.9)], "outcome": "complete", "final": {}}]}
    assert take_in(desk, job, late) is False
    unknown = replace(other, number=99)
    assert take_in(desk, unknown, late) is False
    desk.end(job, Outcome.COMPLETE)
    assert watched.told == told
    trial = ledger.trial(0)
    assert trial.outcome is Outcome.FAILED and trial.attributes["error"] == "first word"


def test_a_second_executor_in_vain():
    """A sweep that is done hands out nothing and is done again at once."""
    sweep = FakeSweep(PLAN)
    run(sweep)
    desk = sweep.desk()
    assert desk.finished() and desk.next_job() is Nothing.EVER
    sweep.assert_done()


def test_enqueued_configurations_are_tried_first_in_their_order():
    sweep = FakeSweep(PLAN)
    desk = sweep.desk()
    for lr in (2e-3, 3e-3):
        sweep.arms[0].ledger.enqueue({"depth": 1, "width_1": 9, "rank": 1, "lr": lr})
    jobs = [desk.next_job() for _ in range(6)]
    searched = [job.params["lr"] for job in jobs if job.study == "search"]
    assert searched[:2] == [2e-3, 3e-3] and len(searched) == 3


def test_stopped_as_the_last_trial_ends_the_confirm_runs_are_still_to_do():
    """They are queued when a slot is filled again, which a stopped sweep does not do."""
    sweep = FakeSweep(replace(PLAN, trials=1), control=False)
    desk = sweep.desk()
    trial, baselines = desk.next_job(), [desk.next_job(), desk.next_job()]
    for job in baselines:
        desk.end(job, Outcome.COMPLETE)
    desk.epoch(trial, Epoch(**epoch(1, 0.5)))
    desk.stopping.set()
    desk.end(trial, Outcome.PRUNED)
    assert desk.next_job() is Nothing.EVER
    assert not desk.finished()
    assert FakeExecutor(sweep.desk(), Work()).run()
    sweep.assert_done()


class TestAmongOthers:
    """While other sweeps want the cluster as well."""

    def test_it_gives_way_after_an_epoch_and_goes_on_without_repeating_one(self):
        sweep, work, watched = FakeSweep(PLAN), Work(), Watched()
        desk = sweep.desk(watched)
        executor = FakeExecutor(desk, work, slots=4)
        executor.run(events=5)
        desk.allowed = 1
        executor.run(events=12)
        given_up = len(watched.of("interrupted"))
        assert given_up >= 3 and executor.running == 1
        desk.allowed = None
        assert executor.run()
        sweep.assert_done()
        assert len(watched.of("interrupted")) == given_up
        assert len(work.trained) == len(set(work.trained)), "an epoch was trained twice"
        assert all(trial.outcome is Outcome.COMPLETE for arm in sweep.arms for trial in arm.ledger.all())

    def test_one_job_always_may_run(self):
        sweep = FakeSweep(PLAN)
        desk = sweep.desk()
        desk.allowed = 0
        assert FakeExecutor(desk, Work(), slots=4).run()
        sweep.assert_done()

    @pytest.mark.parametrize(("slots", "most"), [(1, 2), (2, 3), (8, 10)])
    def test_no_more_is_handed_out_than_fits_and_a_little_ahead(self, slots, most):
        sweep = FakeSweep(replace(PLAN, trials=20))
        desk = sweep.desk()
        desk.use_slots(slots)
        executor = FakeExecutor(desk, Work(), slots=100)
        executor.run()
        assert executor.most == most
        sweep.assert_done()

    def test_a_limit_of_ones_own_holds_beside(self):
        sweep = FakeSweep(replace(PLAN, concurrency=2))
        desk = sweep.desk()
        desk.allowed = 3
        executor = FakeExecutor(desk, Work(), slots=4)
        executor.run()
        assert executor.most == 2
        sweep.assert_done()

    def test_a_job_in_its_last_epoch_is_let_finish(self):
        watched = Watched()
        desk = FakeSweep(replace(PLAN, epochs=1)).desk(watched)
        executor = FakeExecutor(desk, Work(), slots=4)
        executor.run(events=1)
        desk.allowed = 1
        executor.run()
        assert watched.of("interrupted") == []
