"""The warden, on a clock of its own."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict

import pytest

from orchestrator.execution.failures import Failure, FailureKind
from orchestrator.execution.job import EpochReport
from orchestrator.execution.plan import Plan
from orchestrator.execution.trial_dir import WorkerInfo
from orchestrator.execution.watchdog import STACKS, HangWatchdog, send_signal
from orchestrator.search.outcome import Outcome
from tests.execution.fakes import FakeSweep, epoch

PLAN = Plan(trials=2, confirm=0, splits=1, seed=0, epochs=4)


class Watch:
    """A sweep of one job, its warden, and the hand on the clock."""

    def __init__(self, folder, limit=100.0):
        self.now, self.signals, self.folder = 0.0, [], folder
        self.watchdog = HangWatchdog(folder, limit, self._send, clock=lambda: self.now, grace=0.0)
        self.sweep = FakeSweep(PLAN, control=False)
        self.controller = self.sweep.controller(self.watchdog)
        self.watchdog.controller = self.controller
        self.job = self.controller.next_job()

    def _send(self, worker, number):
        self.signals.append((worker.pid, number))

    def begins(self, token, pid=7):
        path = self.folder / self.job.key / "worker.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(asdict(WorkerInfo(pid=pid, host="here", node=None, token=token))))

    def look_at(self, now):
        self.now = now
        return self.watchdog.check_once()


@pytest.fixture
def watch(tmp_path):
    return Watch(tmp_path)


def test_a_job_without_a_worker_only_waits_for_its_slot(watch):
    assert watch.look_at(1000) == watch.look_at(2000) == []


def test_time_counts_from_when_the_worker_is_seen(watch):
    watch.look_at(500)
    watch.begins("first")
    assert watch.look_at(600) == []
    assert watch.look_at(690) == []
    assert watch.look_at(701) == ["trial-0000"]
    assert watch.signals == [(7, signal.SIGUSR1), (7, signal.SIGKILL)]


def test_its_death_is_then_a_hang_and_says_where_it_was(watch):
    watch.begins("first")
    watch.look_at(50)
    (watch.folder / watch.job.key / STACKS).write_text("File training.py, line 7 in read")
    assert watch.look_at(151) == ["trial-0000"]
    watch.controller.failed(watch.job, Failure(FailureKind.DEATH, 0, "nobody said why"))
    (failure,) = watch.sweep.arms[0].ledger.trial(0).attributes["failures"]
    assert failure["kind"] == "hang" and "within 100 s" in failure["text"] and "line 7" in failure["text"]


def test_an_epoch_is_a_sign_of_life(watch):
    watch.begins("first")
    watch.look_at(50)
    watch.now = 140.0
    watch.controller.epoch(watch.job, EpochReport(**epoch(1, 0.5)))
    assert watch.look_at(230) == []
    assert watch.look_at(241) == ["trial-0000"]


def test_a_new_start_of_the_worker_has_its_own_time(watch):
    watch.begins("first")
    watch.look_at(50)
    watch.begins("second", pid=8)
    assert watch.look_at(151) == []
    assert watch.look_at(252) == ["trial-0000"] and watch.signals[-1] == (8, signal.SIGKILL)


def test_a_job_that_waits_for_a_slot_again_is_not_silent_and_who_had_it_is_left_alone(watch):
    watch.begins("first")
    watch.look_at(50)
    watch.controller.allowed = 0
    watch.controller.next_job()
    watch.controller.failed(watch.job, Failure(FailureKind.DEATH, 0, "nobody said why"))
    watch.controller.allowed = None
    assert watch.controller.next_job() == watch.job
    assert watch.look_at(1000) == watch.look_at(2000) == [] and watch.signals == []
    watch.begins("second", pid=8)
    assert watch.look_at(2050) == []
    assert watch.look_at(2151) == ["trial-0000"] and watch.signals[-1] == (8, signal.SIGKILL)


def test_what_has_ended_is_left_alone(watch):
    watch.begins("first")
    watch.look_at(50)
    watch.controller.end(watch.job, Outcome.FAILED)
    assert watch.look_at(1000) == []


def test_without_a_limit_the_longest_epoch_sets_it(tmp_path):
    watchdog = Watch(tmp_path, limit=None).watchdog
    assert watchdog.limit == 1800
    sweep = FakeSweep(PLAN, control=False)
    job = sweep.controller(watchdog).next_job()
    watchdog.on_epoch(job, EpochReport(**{**epoch(1, 0.5), "seconds": 600.0}))
    assert watchdog.limit == 6000


def test_only_a_ray_worker_is_signalled():
    bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        host = os.uname().nodename
        send_signal(WorkerInfo(pid=bystander.pid, host=host), signal.SIGKILL)
        with pytest.raises(subprocess.TimeoutExpired):
            bystander.wait(0.3)
        send_signal(WorkerInfo(pid=2**22 - 1, host=host), signal.SIGKILL)
    finally:
        bystander.kill()
        bystander.wait()
