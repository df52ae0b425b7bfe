"""Watchdog on a clock of its own."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict

import pytest

from orchestrator.execution.controller import NoJob
from orchestrator.execution.failures import Failure, FailureKind
from orchestrator.execution.job import EpochReport
from orchestrator.execution.locked_trial_dir import WorkerInfo
from orchestrator.execution.plan import Plan
from orchestrator.execution.slots import Slots
from orchestrator.execution.watchdog import STACKS, HangWatchdog, send_signal
from orchestrator.search.outcome import Outcome
from tests.execution.fakes import FakeSweep, epoch

PLAN = Plan(trials=2, confirm=0, splits=1, seed=0, epochs=4)


class WatchedSweep:
    """Sweep of one job with its watchdog and their clock."""

    def __init__(self, folder, limit=100.0):
        self.now, self.signals, self.folder = 0.0, [], folder
        self.sweep = FakeSweep(PLAN, control=False, slots=Slots(1))
        self.controller = self.sweep.controller()
        clock = lambda: self.now  # noqa: E731
        self.watchdog = HangWatchdog(folder, self.controller.report_hang, limit, self._send, clock=clock, grace=0.0)
        self.controller.add_callbacks([self.watchdog])
        self.job = self.controller.next_job()

    def _send(self, worker, number):
        self.signals.append((worker.pid, number))

    def start_worker(self, token, pid=7):
        path = self.folder / self.job.key / "worker.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(asdict(WorkerInfo(pid=pid, host="here", node=None, token=token))), encoding="utf-8")

    def check_at(self, now):
        self.now = now
        return self.watchdog.check_once()


@pytest.fixture
def watch(tmp_path):
    return WatchedSweep(tmp_path)


def test_job_without_a_worker_is_not_silent(watch):
    assert watch.check_at(1000) == watch.check_at(2000) == []


def test_time_counts_from_when_the_worker_is_first_seen(watch):
    watch.check_at(500)
    watch.start_worker("first")
    assert watch.check_at(600) == []
    assert watch.check_at(690) == []
    assert watch.check_at(701) == ["trial-0000"]
    assert watch.signals == [(7, signal.SIGUSR1), (7, signal.SIGKILL)]


def test_death_of_a_killed_worker_is_a_hang_with_its_stacks(watch):
    watch.start_worker("first")
    watch.check_at(50)
    (watch.folder / watch.job.key / STACKS).write_text("File training.py, line 7 in read", encoding="utf-8")
    assert watch.check_at(151) == ["trial-0000"]
    watch.controller.failed(watch.job, Failure(FailureKind.DEATH, 0, "without a reason"))
    (failure,) = watch.sweep.arms[0].ledger.trial(0).attributes["failures"]
    assert failure["kind"] == "hang" and "within 100 s" in failure["text"] and "line 7" in failure["text"]


def test_time_counts_again_from_an_epoch(watch):
    watch.start_worker("first")
    watch.check_at(50)
    watch.now = 140.0
    watch.controller.epoch(watch.job, EpochReport(**epoch(1, 0.5)))
    assert watch.check_at(230) == []
    assert watch.check_at(241) == ["trial-0000"]


def test_time_counts_again_from_a_new_worker(watch):
    watch.start_worker("first")
    watch.check_at(50)
    watch.start_worker("second", pid=8)
    assert watch.check_at(151) == []
    assert watch.check_at(252) == ["trial-0000"] and watch.signals[-1] == (8, signal.SIGKILL)


def test_retried_job_is_not_silent_and_its_previous_worker_is_not_killed(watch):
    watch.start_worker("first")
    watch.check_at(50)
    watch.controller.slots.limit(1)
    assert watch.controller.next_job() is NoJob.NOW
    watch.controller.failed(watch.job, Failure(FailureKind.DEATH, 0, "without a reason"))
    assert watch.controller.next_job() == watch.job
    assert watch.check_at(1000) == watch.check_at(2000) == [] and watch.signals == []
    watch.start_worker("second", pid=8)
    assert watch.check_at(2050) == []
    assert watch.check_at(2151) == ["trial-0000"] and watch.signals[-1] == (8, signal.SIGKILL)


def test_worker_of_an_ended_job_is_not_killed(watch):
    watch.start_worker("first")
    watch.check_at(50)
    watch.controller.end(watch.job, Outcome.FAILED)
    assert watch.check_at(1000) == []


def test_longest_epoch_sets_the_limit_if_none_is_given(tmp_path):
    watchdog = WatchedSweep(tmp_path, limit=None).watchdog
    assert watchdog.limit == 1800
    sweep = FakeSweep(PLAN, control=False)
    job = sweep.controller(watchdog).next_job()
    watchdog.on_epoch(job, EpochReport(**{**epoch(1, 0.5), "seconds": 600.0}))
    assert watchdog.limit == 6000


def test_only_a_ray_worker_gets_a_signal():
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
