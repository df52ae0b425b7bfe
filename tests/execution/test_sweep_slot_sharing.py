"""Shares of a cluster's slots among sweeps; Ray's key-value store is a dictionary here."""

import time
from dataclasses import replace

import pytest

from orchestrator.core.spec import build_spec
from orchestrator.core.sweep_folder import Workspace
from orchestrator.execution import sweep_heartbeat
from orchestrator.execution.progress import SweepProgress
from orchestrator.execution.slots import Slots
from orchestrator.execution.sweep_heartbeat import HeartbeatPublisher
from orchestrator.execution.sweep_slot_sharing import STALE_SECONDS, SlotSharing

pytestmark = pytest.mark.e2e


class Sweep:
    """Slots, heartbeat and sharing of a sweep on a cluster with room for `room` of its trials."""

    def __init__(self, folder, name, beats, room=8, **settings):
        spec = build_spec({"name": name, **settings})
        self.room, self.beats, self.excluded = room, beats, set()
        self.slots = Slots(room, spec.concurrency)
        self.progress = SweepProgress(budget=40, epochs=3, slots=self.slots)
        self.publisher = HeartbeatPublisher(spec, Workspace(folder), self.progress, self.slots, shared=True)
        self.sharing = SlotSharing(
            spec,
            self.slots,
            self.progress,
            lambda excluded: self.room - len(excluded),
            self.excluded,
            lambda: list(self.beats),
        )

    def beat(self):
        return self.publisher.heartbeat()


@pytest.fixture
def sweep(tmp_path):
    return lambda name="own", *beats, **settings: Sweep(tmp_path, name, beats, **settings)


def wait_for(condition):
    until = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_sweep_that_runs_alone_gets_all_slots(sweep):
    alone = sweep()
    alone.sharing.share([alone.beat()])
    assert alone.slots.share is None and alone.slots.count == 8


def test_sweeps_share_slots_by_priority(sweep):
    first, second = sweep("first"), sweep("second", priority=3)
    beats = [first.beat(), second.beat()]
    first.sharing.share(beats)
    second.sharing.share(beats)
    assert (first.slots.share, second.slots.share) == (2, 6)


def test_share_is_known_on_entry_and_ends_with_the_other_sweep(sweep, monkeypatch):
    monkeypatch.setattr(sweep_heartbeat, "INTERVAL", 0.02)
    other = sweep("other", priority=3).beat()
    own = sweep("own", other)
    with own.sharing:
        assert own.slots.share == 2
        own.beats = ()
        wait_for(lambda: own.slots.share is None)


def test_slots_that_a_sweep_does_not_use_go_to_the_others(sweep):
    small, large = sweep("small", concurrency=1, priority=100), sweep("large")
    beats = [small.beat(), large.beat()]
    small.sharing.share(beats)
    large.sharing.share(beats)
    assert (small.slots.share, large.slots.share) == (1, 7)


def test_unreadable_heartbeats_leave_the_share_and_update_the_room(sweep):
    own = sweep("own", sweep("other").beat())
    own.sharing.update()
    assert own.slots.share == 4
    own.room, own.beats = 6, None
    own.sharing.update()
    assert (own.slots.total, own.slots.share) == (6, 4)


def test_cluster_that_does_not_answer_leaves_the_slots(sweep):
    own = sweep("own")
    own.room = None
    own.sharing.update()
    assert own.slots.count == 8


def test_excluded_nodes_reduce_the_slots(sweep):
    own = sweep("own")
    own.excluded.update({"a", "b"})
    own.sharing.update()
    assert (own.slots.total, own.slots.count) == (8, 6)


def test_heartbeat_that_does_not_change_loses_its_claim_whatever_its_clock_shows(sweep, monkeypatch):
    own, other = sweep("own"), replace(sweep("other").beat(), at=1.0)  # a host whose clock is decades behind
    own.sharing.share([other])
    assert own.slots.share == 4
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + STALE_SECONDS + 1)
    own.sharing.share([other])
    assert own.slots.share is None
    own.sharing.share([replace(other, at=2.0)])
    assert own.slots.share == 4


def test_nodes_that_join_and_leave_change_the_slots(sweep):
    own = sweep("own", concurrency=20)
    for room, count in ((32, 20), (3, 3)):
        own.room = room
        own.sharing.update()
        assert own.slots.count == count


def test_sweep_on_cpus_leaves_the_cpus_of_sweeps_on_gpus(sweep):
    on_gpus, on_cpus = sweep("on-gpus", gpus_per_trial=1, cpus_per_trial=8), sweep("on-cpus", room=256)
    on_cpus.progress.budget = 1000
    on_gpus.sharing.share([on_cpus.beat()])
    assert on_gpus.slots.share is None
    on_cpus.sharing.share([on_gpus.beat()])
    assert on_cpus.slots.share == 256 - 8 * 8
    on_cpus.sharing.share([on_gpus.beat(), replace(on_cpus.beat(), id="third")])
    assert on_cpus.slots.share == (256 - 8 * 8) / 2
