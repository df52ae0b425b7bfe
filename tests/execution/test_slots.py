"""Number of slots of a sweep, on a clock of its own."""

import sys

import pytest

from orchestrator.execution.slots import Slots


@pytest.mark.parametrize(
    ("available", "concurrency", "share", "count", "job_limit"),
    [
        (1, None, None, 1, 2),
        (8, None, None, 8, 10),
        (8, 3, None, 3, 3),
        (8, 9, None, 8, 9),
        (8, None, 2, 2, 2),
        (8, 3, 2, 2, 2),
        (8, None, 0, 1, 1),
        (0, None, None, 0, 1),
    ],
)
def test_counts_follow_from_room_concurrency_and_share(available, concurrency, share, count, job_limit):
    slots = Slots(available, concurrency)
    slots.limit(share)
    assert (slots.count, slots.job_limit) == (count, job_limit)


def test_excluded_nodes_reduce_the_slots_and_not_the_total():
    slots = Slots(8)
    slots.update(total=16, available=12)
    assert (slots.total, slots.count) == (16, 12)


@pytest.mark.parametrize(("jobs", "usable"), [(-1, 0), (2, 2), (100, 6)])
def test_usable_slots_ignore_the_share(jobs, usable):
    slots = Slots(8, concurrency=6)
    slots.limit(1)
    assert slots.usable(jobs) == usable


def test_slot_seconds_add_up_over_changes():
    now = [10.0]
    slots = Slots(4, clock=lambda: now[0])
    now[0] = 12.0
    slots.limit(1)
    now[0] = 15.0
    slots.update(8, 8)
    slots.limit(None)
    now[0] = 16.0
    assert slots.slot_seconds() == 4 * 2 + 1 * 3 + 8 * 1


def test_unlimited_slots_never_limit_jobs():
    assert Slots.unlimited().job_limit >= sys.maxsize


def test_a_paused_sweep_uses_no_slot_and_its_time_does_not_count():
    clock = [0.0]
    slots = Slots(4, clock=lambda: clock[0])
    clock[0] = 10.0
    slots.pause()
    assert (slots.paused, slots.count, slots.job_limit, slots.usable(3), slots.total) == (True, 0, 0, 0, 4)
    clock[0] = 15.0
    assert (slots.paused_seconds(), slots.slot_seconds()) == (5.0, 40.0)
    slots.unpause()
    clock[0] = 16.0
    assert (slots.paused_seconds(), slots.slot_seconds(), slots.count) == (5.0, 44.0, 4)
