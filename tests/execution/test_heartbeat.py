"""What a sweep says of itself, and what it makes of what others say; the cluster's store is a dictionary here."""

import json
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest
from ray.experimental import internal_kv

from orchestrator.core.spec import build_spec
from orchestrator.core.workspace import Workspace
from orchestrator.execution import heartbeat as presence_module
from orchestrator.execution.heartbeat import GONE, Heartbeat, HeartbeatPublisher
from orchestrator.execution.plan import Plan
from orchestrator.execution.progress import SweepProgress
from tests.execution.fakes import FakeExecutor, FakeSweep, Work


@pytest.fixture
def store(monkeypatch, tmp_path):
    """Ray's key-value store; the registry of this user's sweeps is a folder of the test's."""
    kept: dict[bytes, bytes] = {}
    fakes = {
        "_internal_kv_put": lambda key, value, overwrite, namespace: kept.update({key: value}),
        "_internal_kv_get": lambda key, namespace: kept.get(key),
        "_internal_kv_list": lambda prefix, namespace: [key for key in kept if key.startswith(prefix)],
        "_internal_kv_del": lambda key, namespace: kept.pop(key, None),
    }
    for name, fake in fakes.items():
        monkeypatch.setattr(internal_kv, name, fake)
    monkeypatch.setattr(presence_module, "register", lambda: tmp_path / "register")
    monkeypatch.setattr(presence_module, "EVERY", 0.02)
    return kept


def make(folder, name, room=8, shared=True, **settings):
    spec = build_spec({"name": name, **settings})
    workspace = Workspace(folder / name)
    workspace.root.mkdir()
    found = HeartbeatPublisher(
        spec, workspace, SweepProgress(budget=40, epochs=3, slots=room), shared, lambda left_out: room - len(left_out)
    )
    slots: list[int] = []
    found._controller = SimpleNamespace(allowed=None, left_out=set(), use_slots=slots.append, slots=slots)  # type: ignore[assignment]
    return found


def wait_for(condition):
    until = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_sweeps_share_a_cluster_by_priority_while_both_run(store, tmp_path):
    first, second = make(tmp_path, "first"), make(tmp_path, "second", priority=3)
    with first:
        wait_for(lambda: store)
        assert first._controller.allowed is None
        with second:
            wait_for(lambda: (first._controller.allowed, second._controller.allowed) == (2, 6))
            assert (first._progress.slots, second._progress.slots) == (2, 6)
            assert first._controller.slots[-1] == second._controller.slots[-1] == 8
            said = {json.loads(value)["name"]: json.loads(value) for value in store.values()}
            assert said["second"]["priority"] == 3 and said["first"]["wanted"] == 8
        wait_for(lambda: first._controller.allowed is None)
        assert first._progress.slots == 8
    assert store == {} and not list((tmp_path / "register").iterdir())


def test_a_desk_knows_its_share_before_it_hands_anything_out(store, tmp_path):
    first, second = make(tmp_path, "first"), make(tmp_path, "second", priority=3)
    with first:
        wait_for(lambda: store)
        controller = SimpleNamespace(allowed=None, left_out=set(), use_slots=lambda slots: None)
        second.guide(controller)
        assert controller.allowed == 6


def test_what_others_say_may_be_nonsense_and_the_room_is_told_all_the_same(store, tmp_path):
    mine = make(tmp_path, "mine")
    store[b"sweep-other"] = b"no JSON"
    with mine:
        wait_for(lambda: b"sweep-" + mine._spec.id.encode() in store)
    assert mine._controller.slots[-1] == 8


def test_what_a_sweep_cannot_use_is_the_others(store, tmp_path):
    small, large = make(tmp_path, "small", concurrency=1, priority=100), make(tmp_path, "large")
    with small, large:
        wait_for(lambda: (small._controller.allowed, large._controller.allowed) == (1, 7))


def test_on_a_session_of_its_own_nobody_is_heard(store, tmp_path):
    alone, other = make(tmp_path, "alone", shared=False), make(tmp_path, "other")
    with other, alone:
        wait_for(lambda: alone._workspace.progress.exists() and store)
        time.sleep(0.1)
        assert alone._controller.allowed is None and len(store) == 1


def test_a_sweep_that_fell_silent_has_no_claim_whatever_its_clock_says(store, tmp_path, monkeypatch):
    mine, other = make(tmp_path, "mine"), make(tmp_path, "other").notice()
    other = replace(other, at=1.0)  # a host whose clock is decades behind
    mine.settle([other])
    assert mine._controller.allowed == 4
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + GONE + 1)
    mine.settle([other])
    assert mine._controller.allowed is None
    mine.settle([replace(other, at=2.0)])
    assert mine._controller.allowed == 4


def test_hosts_that_come_and_go_change_the_slots(store, tmp_path):
    found = make(tmp_path, "mine", concurrency=20)
    for room, slots in ((32, 20), (3, 3)):
        found._room = found._fit = room
        found.settle([])
        assert found._progress.slots == slots


def test_a_sweep_on_gpus_and_one_on_cpus_are_not_in_each_others_way(store, tmp_path):
    on_gpus = make(tmp_path, "on-gpus", room=8, gpus_per_trial=1, cpus_per_trial=8)
    on_cpus = make(tmp_path, "on-cpus", room=256)
    on_cpus._progress.budget = 1000
    on_gpus.settle([on_cpus.notice()])
    assert on_gpus._controller.allowed is None
    on_cpus.settle([on_gpus.notice()])
    assert on_cpus._controller.allowed == 256 - 8 * 8
    third = replace(on_cpus.notice(), id="third")
    on_cpus.settle([on_gpus.notice(), third])
    assert on_cpus._controller.allowed == (256 - 8 * 8) / 2


def test_another_versions_word_is_passed_over(store, tmp_path):
    store[b"sweep-abc"] = json.dumps({"name": "of a later version", "mood": "good"}).encode()
    with make(tmp_path, "mine") as mine:
        wait_for(lambda: mine._workspace.progress.exists())
        assert mine._controller.allowed is None
    assert Heartbeat.of({"name": "x"}) is None


def test_a_sweep_that_goes_on_wants_what_is_left_of_its_budget(store, tmp_path):
    sweep = FakeSweep(Plan(trials=20, confirm=0, splits=1, seed=0, epochs=3), control=False)
    FakeExecutor(sweep.controller(), Work(), slots=4).run(events=55)
    controller, found = sweep.controller(), make(tmp_path, "mine")
    found._progress.budget = 20
    found._progress.load_finished(controller.known())
    ended = sum(trial.outcome is not None for _, trial in controller.known())
    notice = found.notice()
    assert 16 < ended < 20 and (notice.ended, notice.wanted) == (ended, 20 - ended)
    assert found._progress.best("search") is not None and found._progress.counts()["complete"] == ended
