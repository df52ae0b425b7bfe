"""Snapshots of a sweep: phases, counts that agree with the rows, the best runs, and a sweep that resumes."""

from dataclasses import replace

from orchestrator.execution.job import EpochReport
from orchestrator.execution.plan import Plan
from orchestrator.execution.progress import SweepProgress
from orchestrator.execution.progress_snapshot import CURVE_POINTS, Phase
from orchestrator.execution.slots import Slots
from orchestrator.execution.sweep_monitor import SweepMonitor
from orchestrator.search.outcome import Outcome
from tests.execution.contexts import make_job
from tests.execution.fakes import SPACE, FakeExecutor, FakeSweep, Work, epoch


def monitored(budget=6):
    monitor = SweepMonitor("demo", "demo: text_hyper on shapes")
    progress = SweepProgress(budget=budget, epochs=3, slots=Slots(2))
    monitor.show_runs(progress, {"search": SPACE})
    return monitor, progress


def test_phases_follow_each_other():
    monitor = SweepMonitor("demo", "demo: text_hyper on shapes", phase=Phase.FEATURES)
    monitor.count(3, 12, "image features")
    shown = monitor.snapshot()
    assert (shown.phase, shown.step, shown.done, shown.total) == (Phase.FEATURES, "image features", 3, 12)
    monitor.enter(Phase.CONNECTING)
    assert (monitor.snapshot().phase, monitor.snapshot().step, monitor.snapshot().total) == (Phase.CONNECTING, "", 0)
    progress = SweepProgress(budget=6, epochs=3, slots=Slots(2))
    monitor.show_runs(progress, {})
    job, confirm = make_job(0), replace(make_job(1), study="confirm", source="trial-0000")
    progress.on_job_start(job)
    assert monitor.snapshot().phase is Phase.WORKERS
    progress.mark_running(job)
    assert monitor.snapshot().phase is Phase.SEARCH
    progress.on_job_end(job, Outcome.COMPLETE, {}, None)
    progress.on_job_start(confirm)
    assert monitor.snapshot().phase is Phase.CONFIRM
    progress.on_job_end(confirm, Outcome.COMPLETE, {}, None)
    assert monitor.snapshot().phase is Phase.CONFIRM
    monitor.enter(Phase.SUMMARY)
    assert monitor.snapshot().phase is Phase.SUMMARY and monitor.snapshot().done == 2


def test_a_job_runs_once_it_has_a_worker_and_waits_again_if_interrupted():
    monitor, progress = monitored()
    for number in range(3):
        progress.on_job_start(make_job(number))
    progress.mark_running(make_job(1))
    progress.on_epoch(make_job(2), EpochReport(**epoch(1, 0.5)))
    shown = monitor.snapshot()
    assert [(run.key, run.state) for run in shown.open] == [
        ("trial-0001", "running"),
        ("trial-0002", "running"),
        ("trial-0000", "waiting"),
    ]
    assert (shown.running, shown.waiting) == (2, 1)
    progress.on_job_interrupted(make_job(1))
    assert (monitor.snapshot().running, monitor.snapshot().waiting) == (1, 2)
    assert len(monitor.snapshot(rows=1).open) == 1 and monitor.snapshot(rows=1).waiting == 2


def test_the_best_run_has_its_searched_parameters_and_a_thinned_curve():
    monitor, progress = monitored()
    params = {"depth": 1, "width_1": 16, "rank": 2, "lr": 0.00123}
    job = replace(make_job(0), params=params, training={"epochs": 100})
    progress.on_job_start(job)
    for number in range(1, 81):
        place = {"host": "one", "device": "cpu: Xeon"} if number == 1 else {}
        progress.on_epoch(job, EpochReport(**epoch(number, number / 100), place=place))
    best = monitor.snapshot().best
    assert best is not None and best.params == (("lr", "0.00123"), ("widths", "[16]"), ("rank", "2"))
    assert (best.epoch, best.epochs, best.best, best.last, best.host) == (80, 100, 0.8, 0.8, "one")
    assert len(best.curve) <= CURVE_POINTS and best.curve[-1] == 0.8
    assert monitor.snapshot().hosts == ("one",) and monitor.snapshot().control is None


def test_a_resumed_sweep_shows_what_its_runs_had_reached():
    sweep = FakeSweep(Plan(trials=4, confirm=0, splits=1, seed=0, epochs=3), control=False)
    FakeExecutor(sweep.controller(), Work(), slots=2).run(events=5)
    monitor, progress = monitored(4)
    controller = sweep.controller(progress)
    progress.load_known(controller.known())
    ended = sum(trial.outcome is not None for _, trial in controller.known())
    job = controller.next_job()
    shown = monitor.snapshot()
    assert shown.done == ended and shown.open[0].key == job.key and shown.open[0].state == "waiting"
    assert shown.open[0].epoch == len(shown.open[0].curve) == 2 and shown.open[0].best == max(shown.open[0].curve)
