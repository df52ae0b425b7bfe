"""Controller under an executor in virtual time, without Ray and training, in milliseconds."""

import math
from collections import Counter
from dataclasses import replace
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.execution import controller as controller_module
from orchestrator.execution.controller import NoJob
from orchestrator.execution.failures import Failure, FailureKind
from orchestrator.execution.job import EpochReport
from orchestrator.execution.plan import Plan, exhausted_sentence, job_budget
from orchestrator.execution.slots import Slots
from orchestrator.execution.tune_adapter import handle_result
from orchestrator.search.outcome import Outcome
from orchestrator.search.space import SearchSpace
from tests.execution.fakes import FakeExecutor, FakeSweep, Watched, Work, epoch

PLAN = Plan(trials=4, confirm=2, splits=2, seed=7, epochs=3)


def run(sweep, work=None, slots=2, *callbacks):
    controller = sweep.controller(*callbacks)
    executor = FakeExecutor(controller, work or Work(), slots)
    assert executor.run()
    return controller, executor


@pytest.mark.parametrize("control", [True, False])
@pytest.mark.parametrize("slots", [1, 2, 5, 50])
def test_budgets_are_met_exactly(control, slots):
    sweep = FakeSweep(PLAN, control=control)
    controller, _ = run(sweep, slots=slots)
    assert controller.finished()
    sweep.assert_done()


def test_arms_start_trials_in_turn():
    watched = Watched()
    run(FakeSweep(PLAN), Work(), 2, watched)
    asked = [key.split("-")[0] for key in watched.of("started") if not key.startswith("confirm")]
    for count in range(len(asked) + 1):
        so_far = Counter(asked[:count])
        assert abs(so_far["trial"] - so_far["control"]) <= 1


def test_confirm_runs_of_an_arm_start_once_it_is_done():
    watched = Watched()
    sweep = FakeSweep(PLAN)
    run(sweep, Work(seconds=lambda job: 9.0 if job.key == "control-0003" else 1.0), 3, watched)
    sources = {f"confirm-{t.number:04d}": t.attributes["source"] for t in sweep.confirm.all()}
    place = {call[:2]: index for index, call in enumerate(watched.calls)}
    for run_key, source in sources.items():
        if source:
            arm = source.split("-")[0]
            assert place["started", run_key] > max(place["ended", f"{arm}-{n:04d}"] for n in range(PLAN.trials))
    # The slow control did not delay the confirm runs of the search.
    first = next(key for key, source in sources.items() if source and source.startswith("trial"))
    assert place["started", first] < place["ended", "control-0003"]


def test_confirm_runs_retrain_the_best_on_every_split_with_a_seed_for_each():
    sweep = FakeSweep(PLAN)
    controller, _ = run(sweep)
    best = {trial.number for trial in sorted(sweep.arms[0].ledger.trials(), key=lambda t: -t.objective)[:2]}
    confirmed = [t for t in sweep.confirm.all() if (t.attributes["source"] or "").startswith("trial")]
    assert {int(t.attributes["source"].split("-")[1]) for t in confirmed} == best
    jobs = [controller._confirm_job(trial) for trial in confirmed]
    assert {(job.split, job.seed) for job in jobs} == {(1, 8), (2, 9)}
    assert all(job.test and job.model == controller.job_of(job.source).model for job in jobs)
    assert all(job.params == controller.job_of(job.source).params for job in jobs)


def test_searched_jobs_train_on_split_0_without_test():
    controller = FakeSweep(PLAN).controller()
    job = controller.next_job()
    assert (job.split, job.test, job.seed, job.training["epochs"]) == (0, False, 7, 3)
    control = controller.next_job()
    assert (control.variant, control.control_of) == ("plain_head", "text_hyper") and "rank" not in control.params


def test_no_confirm_run_and_no_baseline_without_confirm():
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
    controller, _ = run(sweep, Work(wrong))
    assert controller.finished()
    sweep.assert_done()
    assert {t.attributes["source"] for t in sweep.confirm.all()} == {None}


def test_same_error_in_every_trial_stops_the_sweep_which_can_be_resumed():
    wrong = {f"{arm}-{n:04d}": ("alike", 1) for arm in ("trial", "control") for n in range(4)}
    sweep = FakeSweep(PLAN)
    controller, _ = run(sweep, Work(wrong))
    assert controller.stopped_because == "Every trial so far (3) failed in the same way: alike"
    assert not controller.finished() and controller.stopping.is_set()
    controller.interrupt()
    resumed, _ = run(sweep, Work())
    assert resumed.finished() and resumed.stopped_because is None
    sweep.assert_done()


def test_sweep_continues_if_one_trial_does_not_fail():
    wrong = {f"{arm}-{n:04d}": ("alike", 1) for arm in ("trial", "control") for n in range(4)}
    del wrong["trial-0001"]
    sweep = FakeSweep(PLAN)
    controller, _ = run(sweep, Work(wrong), 3)
    assert controller.finished() and controller.stopped_because is None


class TestFailures:
    @pytest.fixture
    def controller(self):
        self.sweep, self.watched = FakeSweep(PLAN), Watched()
        return self.sweep.controller(self.watched)

    def failed(self, controller, job, kind, epoch=0, text="Traceback\nConnectionError: away"):
        controller.failed(job, Failure(kind, epoch, text))
        return self.sweep.arms[0].ledger.trial(job.number)

    def test_job_is_retried_next_after_a_death_with_a_message(self, controller):
        job = controller.next_job()
        assert self.failed(controller, job, FailureKind.DEATH).outcome is None
        assert not controller.is_live(job.key) and controller.next_job() == job
        ((key, note),) = self.watched.of("noted")
        assert key == "trial-0000" and "death after epoch 0" in note
        assert len(self.watched.of("started")) == 2

    def test_two_deaths_after_the_same_epoch_are_infeasible(self, controller):
        job = controller.next_job()
        self.failed(controller, job, FailureKind.DEATH, 1)
        assert self.failed(controller, controller.next_job(), FailureKind.DEATH, 1).outcome is Outcome.INFEASIBLE

    def test_a_resumed_sweep_remembers_the_first_death(self, controller):
        self.failed(controller, controller.next_job(), FailureKind.DEATH, 1)
        controller = self.sweep.controller(self.watched)
        assert self.failed(controller, controller.next_job(), FailureKind.DEATH, 1).outcome is Outcome.INFEASIBLE

    def test_death_of_a_killed_worker_is_a_hang_that_is_retried_once(self, controller):
        job = controller.next_job()
        controller.report_hang(job, "no epoch within 2 s")
        assert self.failed(controller, job, FailureKind.DEATH).attributes["failures"][0]["kind"] == "hang"
        assert controller.next_job() == job
        controller.report_hang(job, "no epoch within 2 s")
        trial = self.failed(controller, job, FailureKind.DEATH)
        assert trial.outcome is Outcome.FAILED and trial.attributes["error"] == "no epoch within 2 s"

    def test_a_full_disk_stops_the_sweep_and_fails_no_trial(self, controller):
        job = controller.next_job()
        assert self.failed(controller, job, FailureKind.DISK, text="OSError: No space left on device").outcome is None
        assert "No space left" in controller.stopped_because and controller.next_job() is NoJob.EVER
        assert controller.interrupt() == [job]

    def test_node_is_excluded_once_and_its_jobs_are_retried_without_a_failure(self, controller):
        jobs = [controller.next_job(), controller.next_job()]
        for job in jobs:
            controller.exclude_node("b", job, "The node b has other code. Fix it.")
            controller.exclude_node("b", job, "The node b has other code. Fix it.")
        note = "The node b has other code; it is excluded until Ray is restarted there, and the trial runs elsewhere"
        assert self.watched.of("noted") == [(jobs[0].key, note)] and controller.excluded_nodes == {"b"}
        assert {controller.next_job().key, controller.next_job().key} == {job.key for job in jobs}
        assert "failures" not in self.sweep.arms[0].ledger.trial(0).attributes and not controller.stopping.is_set()

    def test_second_report_of_a_failure_changes_nothing(self, controller):
        job = controller.next_job()
        self.failed(controller, job, FailureKind.ERROR)
        calls = list(self.watched.calls)
        self.failed(controller, job, FailureKind.DEATH)
        assert self.watched.calls == calls


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
    controller = FakeSweep(PLAN).controller()
    job = controller.next_job()
    for number, value in ((1, 0.2), (2, 0.6)):
        controller.epoch(job, EpochReport(**epoch(number, value)))
    controller.end(job, Outcome.PRUNED)
    final = controller._arms["search"].ledger.trial(0).attributes["final"]
    assert final == {"best_val_srcc": 0.6, "best_epoch": 2}


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_concurrency_limits_the_jobs_in_parallel(limit):
    sweep = FakeSweep(PLAN, slots=Slots(8, concurrency=limit))
    _, executor = run(sweep, slots=8)
    assert executor.most <= limit
    sweep.assert_done()


def test_deadline_ends_the_search_and_its_trials_are_confirmed(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(controller_module, "time", SimpleNamespace(time=lambda: clock[0]))
    sweep = FakeSweep(replace(PLAN, trials=50, deadline=7.0))
    controller = sweep.controller()
    assert FakeExecutor(controller, Work(seconds=lambda job: 1.0), 2, clock).run()
    assert controller.finished()
    asked = [len(arm.ledger.all()) for arm in sweep.arms]
    assert asked == [3, 3] and all(arm.ledger.terminal() == 3 for arm in sweep.arms)
    assert len(sweep.confirm.all()) == (2 + 2 + 1) * 2 and all(t.outcome for t in sweep.confirm.all())


def test_stopping_lets_running_epochs_end_and_starts_no_job():
    sweep, watched, work = FakeSweep(PLAN), Watched(), Work()
    controller = sweep.controller(watched)
    executor = FakeExecutor(controller, work)
    executor.run(4)
    controller.stopping.set()
    assert executor.run() and controller.next_job() is NoJob.EVER
    open_jobs = controller.interrupt()
    assert {job.key for job in open_jobs} == set(watched.of("interrupted")) and len(open_jobs) == 2
    assert not controller.finished()
    assert {trial.number for trial in sweep.arms[0].ledger.unfinished()} | {0} == {0}


def messages_of_a_whole_sweep(plan, pruner):
    sweep, executor = FakeSweep(plan, pruner=pruner), None
    executor = FakeExecutor(sweep.controller(), Work())
    count = 0
    while not executor.run(1):
        count += 1
    return count + 1


def finish_after_stops(plan, pruner, stops, gracefully, slots=2, wrong=None):
    """Run a sweep that is stopped after each of these numbers of messages; return sweep, work and callbacks."""
    sweep, work, watched = FakeSweep(plan, pruner=pruner), Work(wrong or {}), []
    for stop in [*stops, math.inf]:
        watched.append(Watched())
        controller = sweep.controller(watched[-1])
        executor = FakeExecutor(controller, work, slots)
        done = executor.run(stop)
        if done:
            assert controller.finished()
            break
        if gracefully:
            controller.stopping.set()
            executor.run()
            controller.interrupt()
        if controller.finished():  # then the command ends
            break
    return sweep, work, watched


def assert_nothing_twice(work, watched):
    assert max(Counter(work.trained).values()) == 1, "an epoch was trained twice"
    ended = Counter(key for callback in watched for key, _ in callback.of("ended"))
    assert set(ended.values()) == {1}
    reported = Counter(pair for callback in watched for pair in callback.of("epoch"))
    assert max(reported.values()) == 1, "an epoch was reported twice"


@pytest.mark.parametrize("gracefully", [True, False], ids=["interrupt", "kill"])
def test_sweep_stopped_at_any_step_ends_as_if_it_had_not_been_stopped(gracefully):
    plan = Plan(trials=2, confirm=1, splits=1, seed=0, epochs=2)
    steps = messages_of_a_whole_sweep(plan, "none")
    assert steps > 10
    for stop in range(steps):
        sweep, work, watched = finish_after_stops(plan, "none", [stop], gracefully)
        sweep.assert_done()
        assert_nothing_twice(work, watched)
        assert all(len(trial.epochs) == 2 for arm in sweep.arms for trial in arm.ledger.trials())


@settings(max_examples=40, deadline=None)
@given(
    stops=st.lists(st.integers(0, 25), max_size=4),
    gracefully=st.booleans(),
    slots=st.integers(1, 4),
    pruner=st.sampled_from(["none", "halving", "median"]),
    wrong=st.dictionaries(
        st.sampled_from(["trial-0000", "trial-0002", "control-0001", "confirm-0002"]),
        st.tuples(st.sampled_from(["failed", "diverged", "infeasible"]), st.integers(1, 3)),
        max_size=3,
    ),
)
def test_sweep_may_be_stopped_any_number_of_times(stops, gracefully, slots, pruner, wrong):
    plan = Plan(trials=3, confirm=2, splits=2, seed=0, epochs=3)
    sweep, work, watched = finish_after_stops(plan, pruner, stops, gracefully, slots, wrong)
    sweep.assert_done()
    assert_nothing_twice(work, watched)


def test_unfinished_jobs_come_first_and_are_the_same_jobs():
    sweep = FakeSweep(PLAN)
    controller = sweep.controller()
    before = [controller.next_job() for _ in range(3)]
    resumed = sweep.controller()
    after = [resumed.next_job() for _ in range(3)]
    assert sorted(before, key=lambda job: job.key) == sorted(after, key=lambda job: job.key)
    assert resumed.next_job().key not in {job.key for job in before}


def test_late_and_unknown_messages_change_nothing():
    sweep, watched = FakeSweep(PLAN), Watched()
    controller = sweep.controller(watched)
    ledger = sweep.arms[0].ledger
    job, other = controller.next_job(), sweep.controller().next_job()
    controller.end(job, Outcome.FAILED, error="first error")
    calls = list(watched.calls)
    late = {"message": [{"epochs": [epoch(1, 0.9)], "outcome": "complete", "final": {}}]}
    assert handle_result(controller, job, late) is False
    unknown = replace(other, number=99)
    assert handle_result(controller, unknown, late) is False
    controller.end(job, Outcome.COMPLETE)
    assert watched.calls == calls
    trial = ledger.trial(0)
    assert trial.outcome is Outcome.FAILED and trial.attributes["error"] == "first error"


def test_finished_sweep_starts_no_job():
    """A finished sweep starts no job and is finished at once."""
    sweep = FakeSweep(PLAN)
    run(sweep)
    controller = sweep.controller()
    assert controller.finished() and controller.next_job() is NoJob.EVER
    sweep.assert_done()


def test_enqueued_configurations_are_tried_first_in_their_order():
    sweep = FakeSweep(PLAN)
    controller = sweep.controller()
    for lr in (2e-3, 3e-3):
        sweep.arms[0].ledger.enqueue({"depth": 1, "width_1": 9, "rank": 1, "lr": lr})
    jobs = [controller.next_job() for _ in range(6)]
    searched = [job.params["lr"] for job in jobs if job.study == "search"]
    assert searched[:2] == [2e-3, 3e-3] and len(searched) == 3


def test_sweep_stopped_at_the_end_of_its_last_trial_still_has_confirm_runs():
    """Confirm runs are queued when the next slot is filled, which does not happen in a stopped sweep."""
    sweep = FakeSweep(replace(PLAN, trials=1), control=False)
    controller = sweep.controller()
    trial, baselines = controller.next_job(), [controller.next_job(), controller.next_job()]
    for job in baselines:
        controller.end(job, Outcome.COMPLETE)
    controller.epoch(trial, EpochReport(**epoch(1, 0.5)))
    controller.stopping.set()
    controller.end(trial, Outcome.PRUNED)
    assert controller.next_job() is NoJob.EVER
    assert not controller.finished()
    assert FakeExecutor(sweep.controller(), Work()).run()
    sweep.assert_done()


class TestSharedCluster:
    """Sweep with a share of the slots, since other sweeps use the cluster."""

    def test_jobs_beyond_the_share_stop_after_an_epoch_and_resume_without_repeating_one(self):
        sweep, work, watched = FakeSweep(PLAN), Work(), Watched()
        controller = sweep.controller(watched)
        executor = FakeExecutor(controller, work, slots=4)
        executor.run(events=5)
        controller.slots.limit(1)
        executor.run(events=12)
        given_up = len(watched.of("interrupted"))
        assert given_up >= 3 and executor.running == 1
        controller.slots.limit(None)
        assert executor.run()
        sweep.assert_done()
        assert len(watched.of("interrupted")) == given_up
        assert len(work.trained) == len(set(work.trained)), "an epoch was trained twice"
        assert all(trial.outcome is Outcome.COMPLETE for arm in sweep.arms for trial in arm.ledger.all())

    def test_one_job_may_always_run(self):
        sweep = FakeSweep(PLAN)
        controller = sweep.controller()
        controller.slots.limit(0)
        assert FakeExecutor(controller, Work(), slots=4).run()
        sweep.assert_done()

    @pytest.mark.parametrize(("slots", "most"), [(1, 2), (2, 3), (8, 10)])
    def test_started_jobs_are_limited_to_the_slots_and_a_quarter_more(self, slots, most):
        sweep = FakeSweep(replace(PLAN, trials=20), slots=Slots(slots))
        controller = sweep.controller()
        executor = FakeExecutor(controller, Work(), slots=100)
        executor.run()
        assert executor.most == most
        sweep.assert_done()

    def test_concurrency_limits_the_jobs_within_a_larger_share(self):
        sweep = FakeSweep(PLAN, slots=Slots(8, concurrency=2))
        controller = sweep.controller()
        controller.slots.limit(3)
        executor = FakeExecutor(controller, Work(), slots=4)
        executor.run()
        assert executor.most == 2
        sweep.assert_done()

    def test_job_in_its_last_epoch_finishes(self):
        watched = Watched()
        controller = FakeSweep(replace(PLAN, epochs=1)).controller(watched)
        executor = FakeExecutor(controller, Work(), slots=4)
        executor.run(events=1)
        controller.slots.limit(1)
        executor.run()
        assert watched.of("interrupted") == []


class TestFewConfigurations:
    """A search whose space has fewer configurations than its budget."""

    SPACE = SearchSpace.model_validate(
        {
            "hypernet": {"rank": {"type": "int", "low": 1, "high": 2, "default": 1}},
            "training": {"lr": {"type": "float", "low": 1e-3, "high": 3e-3, "step": 1e-3, "default": 1e-3}},
        }
    )

    @pytest.fixture(autouse=True)
    def few(self, monkeypatch):
        monkeypatch.setattr("tests.execution.fakes.SPACE", self.SPACE)

    @pytest.mark.parametrize("sampler", ["tpe", "random", "cmaes"])
    @pytest.mark.parametrize("slots", [1, 3, 50])
    def test_each_arm_ends_with_its_space_and_is_confirmed(self, sampler, slots):
        sweep = FakeSweep(replace(PLAN, trials=20), sampler=sampler)
        controller, executor = run(sweep, slots=slots)
        search, control = sweep.arms
        assert (search.ledger.terminal(), control.ledger.terminal()) == (6, 3)
        assert controller.finished() and len(sweep.confirm.all()) == (2 + 2 + 1) * 2
        assert len(set(executor.work.trained)) == len(executor.work.trained), "nothing is trained twice"
        assert "ended after 6 of 20 trials" in exhausted_sentence(search, 20)
        assert "of the control ended after 3 of 20" in exhausted_sentence(control, 20)
        assert exhausted_sentence(search, 6) is None

    @pytest.mark.parametrize("events", [4, 7, 11])
    def test_a_killed_sweep_resumes_and_ends_with_its_space(self, events):
        sweep, work = FakeSweep(replace(PLAN, trials=20)), Work()
        for _ in range(60):
            executor = FakeExecutor(sweep.controller(), work, 2)
            if executor.run(events):
                break
        assert executor.controller.finished()
        assert [arm.ledger.terminal() for arm in sweep.arms] == [6, 3]
        for arm in sweep.arms:
            assert len({str(sorted(trial.params.items())) for trial in arm.ledger.all()}) == len(arm.ledger)

    def test_repeats_are_not_counted_as_failed(self):
        sweep = FakeSweep(replace(PLAN, trials=20))
        run(sweep, Work({"trial-0001": ("failed", 1), "trial-0002": ("diverged", 2)}))
        counts = sweep.arms[0].ledger.counts()
        assert sum(counts.values()) == 6 and (counts["failed"], counts["diverged"]) == (1, 1)

    def test_the_number_of_jobs_is_that_of_the_space(self):
        sweep = FakeSweep(replace(PLAN, trials=20))
        sweep.controller()
        spec = SimpleNamespace(trials=20, confirm=2, splits=2)
        assert job_budget(spec, sweep.arms) == 6 + 3 + (2 + 2 + 1) * 2
