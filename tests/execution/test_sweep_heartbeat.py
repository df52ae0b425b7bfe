"""Contents, publication and removal of heartbeats; Ray's key-value store is a dictionary here."""

import json
import time

import pytest
from ray.experimental import internal_kv

from orchestrator.core.spec import build_spec
from orchestrator.core.sweep_folder import Workspace
from orchestrator.execution import sweep_heartbeat
from orchestrator.execution.plan import Plan
from orchestrator.execution.progress import SweepProgress
from orchestrator.execution.slots import Slots
from orchestrator.execution.sweep_heartbeat import Heartbeat, HeartbeatPublisher, read_heartbeats
from tests.execution.fakes import FakeExecutor, FakeSweep, Work


@pytest.fixture
def store(monkeypatch, tmp_path):
    """Ray's key-value store; the registry of this user's sweeps is a folder of the test."""
    values: dict[bytes, bytes] = {}
    fakes = {
        "_internal_kv_put": lambda key, value, overwrite, namespace: values.update({key: value}),
        "_internal_kv_get": lambda key, namespace: values.get(key),
        "_internal_kv_list": lambda prefix, namespace: [key for key in values if key.startswith(prefix)],
        "_internal_kv_del": lambda key, namespace: values.pop(key, None),
    }
    for name, fake in fakes.items():
        monkeypatch.setattr(internal_kv, name, fake)
    monkeypatch.setattr(sweep_heartbeat, "register", lambda: tmp_path / "register")
    monkeypatch.setattr(sweep_heartbeat, "INTERVAL", 0.02)
    return values


@pytest.fixture
def publisher(tmp_path, store):
    def make(name="own", shared=True, slots=8, **settings):
        workspace = Workspace(tmp_path / name)
        workspace.root.mkdir()
        slots = Slots(slots, settings.get("concurrency"))
        progress = SweepProgress(budget=40, epochs=3, slots=slots)
        return HeartbeatPublisher(build_spec({"name": name, **settings}), workspace, progress, slots, shared)

    return make


def wait_for(condition):
    until = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_heartbeats_of_two_sweeps_are_published_and_removed(publisher, store, tmp_path):
    with publisher("first"), publisher("second", priority=3):
        wait_for(lambda: len(store) == 2)
        beats = {beat.name: beat for beat in read_heartbeats()}
        assert beats["second"].priority == 3 and beats["first"].wanted == 8
        wait_for(lambda: len(list((tmp_path / "register").iterdir())) == 2)
    assert store == {} and not list((tmp_path / "register").iterdir())


def test_heartbeat_changes_with_the_slots(publisher, store):
    own = publisher(concurrency=6)
    assert (own.heartbeat().slots, own.heartbeat().room, own.heartbeat().wanted) == (6, 8, 6)
    own._slots.update(total=16, available=4)
    own._slots.limit(2)
    assert (own.heartbeat().slots, own.heartbeat().room, own.heartbeat().wanted) == (2, 16, 4)


def test_a_paused_sweep_publishes_at_once_that_it_wants_no_slot(publisher, store, monkeypatch):
    monkeypatch.setattr(sweep_heartbeat, "INTERVAL", 5.0)
    with publisher(concurrency=6) as own:
        wait_for(lambda: store)
        assert b'"paused"' not in next(iter(store.values())), "programs of an earlier version read it"
        own._slots.pause()
        began = time.monotonic()
        wait_for(lambda: read_heartbeats()[0].paused)
        assert time.monotonic() - began < 4.0 and read_heartbeats()[0].wanted == 0
        own._slots.unpause()
        wait_for(lambda: not read_heartbeats()[0].paused)
        assert read_heartbeats()[0].wanted == 6


def test_sweep_on_a_cluster_of_its_own_publishes_in_its_folder_only(publisher, store):
    own = publisher(shared=False)
    with own:
        wait_for(own._workspace.progress.exists)
        assert json.loads(own._workspace.progress.read_text(encoding="utf-8"))["name"] == "own" and store == {}
    assert not own._workspace.progress.exists()


def test_heartbeat_of_another_version_is_ignored(publisher, store):
    store[b"sweep-abc"] = json.dumps({"name": "of a later version", "mood": "good"}).encode()
    with publisher():
        wait_for(lambda: len(store) == 2)
        assert [beat.name for beat in read_heartbeats()] == ["own"]


def test_error_of_the_store_does_not_end_the_heartbeat(publisher, store, monkeypatch):
    put, failures = internal_kv._internal_kv_put, []

    def fail_once(*arguments, **options):
        if not failures:
            failures.append(1)
            raise OSError("the head is away")
        put(*arguments, **options)

    monkeypatch.setattr(internal_kv, "_internal_kv_put", fail_once)
    with publisher():
        wait_for(lambda: store)


def test_resumed_sweep_wants_slots_for_the_rest_of_its_budget(publisher, store):
    sweep = FakeSweep(Plan(trials=20, confirm=0, splits=1, seed=0, epochs=3), control=False)
    FakeExecutor(sweep.controller(), Work(), slots=4).run(events=55)
    controller, own = sweep.controller(), publisher()
    progress = own._progress
    progress.budget = 20
    progress.load_known(controller.known())
    ended = sum(trial.outcome is not None for _, trial in controller.known())
    beat = own.heartbeat()
    assert 16 < ended < 20 and (beat.ended, beat.wanted) == (ended, 20 - ended)
    assert progress.best("search") is not None and progress.outcomes()["complete"] == ended


def test_content_without_a_field_is_not_read():
    assert Heartbeat.of({"name": "x"}) is None
