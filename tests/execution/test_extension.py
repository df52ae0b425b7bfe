"""Sweep that is resumed after its budget was raised or its time limit ended it, in virtual time."""

from collections import Counter
from dataclasses import replace
from types import SimpleNamespace

import pytest

from orchestrator.execution import controller as controller_module
from orchestrator.execution.plan import Plan
from tests.execution.fakes import FakeExecutor, FakeSweep, Watched, Work

PLAN = Plan(trials=3, confirm=2, splits=2, seed=7, epochs=2)
LONGER = replace(PLAN, trials=9)


def run(sweep, work, *callbacks, events=float("inf"), slots=2):
    controller = sweep.controller(*callbacks)
    done = FakeExecutor(controller, work, slots).run(events)
    controller.interrupt()
    return done


def confirmed(sweep):
    return {(t.attributes["source"], t.attributes["split"]): t.number for t in sweep.confirm.all()}


def wanted(sweep):
    prefixes = {"search": "trial", "control": "control"}
    sources = [None, *(f"{prefixes[a.study]}-{t.number:04d}" for a in sweep.arms for t in a.ledger.best(PLAN.confirm))]
    return {(source, split) for source in sources for split in range(1, PLAN.splits + 1)}


def test_finished_sweep_is_extended_without_repeating_a_job():
    sweep, work = FakeSweep(PLAN), Work()
    run(sweep, work)
    sweep.assert_done()
    before, trials = confirmed(sweep), [arm.ledger.trials() for arm in sweep.arms]
    sweep.plan = LONGER
    watched = Watched()
    run(sweep, work, watched)
    assert all(arm.ledger.terminal() == len(arm.ledger.all()) == LONGER.trials for arm in sweep.arms)
    assert [arm.ledger.trials()[: PLAN.trials] for arm in sweep.arms] == trials
    after = confirmed(sweep)
    assert before.items() <= after.items() and wanted(sweep) <= after.keys()
    assert after.keys() == before.keys() | wanted(sweep), "confirm runs are added for the current best trials only"
    assert wanted(sweep) != before.keys(), "the test needs other best trials than before"
    assert max(Counter(work.trained).values()) == 1
    assert not {key for key in watched.of("started") if key.startswith("confirm")} & {
        f"confirm-{number:04d}" for number in before.values()
    }


@pytest.mark.parametrize("slots", [1, 3])
def test_sweep_stopped_at_any_step_is_extended(slots):
    """Queued confirm runs retrain the final best trials; only started ones may be of other trials."""
    for stop in range(1, 60):
        sweep, work = FakeSweep(PLAN), Work()
        if run(sweep, work, events=stop, slots=slots):
            break
        started = {(t.attributes["source"], t.attributes["split"]) for t in sweep.confirm.trials()}
        sweep.plan = LONGER
        watched = Watched()
        assert run(sweep, work, watched, slots=slots)
        assert sweep.controller().finished()
        assert max(Counter(work.trained).values()) == 1
        assert len(confirmed(sweep)) == len(sweep.confirm.all()), "a configuration is confirmed twice on a split"
        assert all(trial.outcome for trial in sweep.confirm.all())
        assert wanted(sweep) <= confirmed(sweep).keys() <= wanted(sweep) | started
    else:
        pytest.fail("the sweep never ended")
    assert stop > 20


def test_search_ended_by_its_time_limit_is_resumed_to_its_budget(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(controller_module, "time", SimpleNamespace(time=lambda: clock[0]))
    plan = replace(PLAN, trials=20, deadline=6.0)
    sweep, work, watched = FakeSweep(plan), Work(seconds=lambda job: 1.0), Watched()
    controller = sweep.controller(watched)
    assert FakeExecutor(controller, work, 2, clock).run()
    asked = [len(arm.ledger.all()) for arm in sweep.arms]
    assert controller.finished() and max(asked) < 20
    assert all(len(t.epochs) == 2 for arm in sweep.arms for t in arm.ledger.trials()), (
        "running trials are trained to their end"
    )
    assert clock[0] > 6.0 and {"complete"} == {outcome for _, outcome in watched.of("ended")}
    before = confirmed(sweep)
    assert before.keys() == wanted(sweep)
    sweep.plan = replace(plan, deadline=float("inf"))
    assert run(sweep, work)
    assert all(arm.ledger.terminal() == 20 for arm in sweep.arms)
    assert before.items() <= confirmed(sweep).items() and wanted(sweep) <= confirmed(sweep).keys()


def test_sweep_without_time_runs_baselines_only(monkeypatch):
    clock = [10.0]
    monkeypatch.setattr(controller_module, "time", SimpleNamespace(time=lambda: clock[0]))
    sweep = FakeSweep(replace(PLAN, deadline=1.0))
    controller = sweep.controller()
    assert FakeExecutor(controller, Work(), 2, clock).run() and controller.finished()
    assert [len(arm.ledger.all()) for arm in sweep.arms] == [0, 0]
    assert {source for source, _ in confirmed(sweep)} == {None}
