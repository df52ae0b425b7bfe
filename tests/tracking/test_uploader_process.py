"""The uploader's process: its reports, its end, and the events it was sending."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import time

import psutil
import pytest

from orchestrator.tracking.destination import TrackingDestination, store_destination
from orchestrator.tracking.recorder import SWEEP
from orchestrator.tracking.uploader_process import UploaderProcess
from tests.tracking.tracked import Tracked, wait_for

pytestmark = pytest.mark.e2e


@pytest.fixture
def tracked(database, tmp_path):
    """A spool whose target is an SQLite database of MLflow's, as a sweep's on one machine is."""
    shutil.copy(database, tmp_path / "mlflow.db")
    made = Tracked(f"sqlite:///{tmp_path / 'mlflow.db'}", tmp_path)
    store_destination(made.spool, TrackingDestination(made.uri, made.experiment, made.sweep_id, "test"))
    made.recorder.record("start", SWEEP, name="made", params={"a": 1}, tags={})
    return made


def tell(tracked, steps):
    for step in steps:
        tracked.recorder.record("metrics", SWEEP, 1_000 + step, step=step, metrics={"val_srcc": step / 100})


def alive(process_id):
    return psutil.pid_exists(process_id) and psutil.Process(process_id).status() != psutil.STATUS_ZOMBIE


def test_all_events_arrive_and_the_run_ids_are_reported(tracked):
    uploader = UploaderProcess(tracked.spool)
    uploader.start()
    tell(tracked, range(50))
    wait_for(lambda: uploader.sink, 60)
    assert uploader.sink.run_id(SWEEP) == tracked.run(SWEEP).info.run_id
    tracked.recorder.record("start", "trial-0", name="a trial", params={}, tags={})
    tell(tracked, range(50, 60))
    assert uploader.close(60) == 0 and uploader.error is None
    assert uploader.sink.run_ids == {key: run.info.run_id for key, run in tracked.runs().items()}
    assert uploader.sink.run_ids.keys() == {SWEEP, "trial-0"} and uploader.sink.run_id("trial-1") is None
    assert uploader.sink.experiment_id == tracked.run(SWEEP).info.experiment_id
    assert [step for step, *_ in tracked.curve(SWEEP, "val_srcc")] == list(range(60))
    assert not alive(uploader.process_id) and uploader.close(60) == 0


def test_the_first_process_waits_until_it_may_begin(tracked):
    uploader = UploaderProcess(tracked.spool, delay=600)
    uploader.start()
    time.sleep(0.3)
    assert uploader.process_id is None
    uploader.begin()
    wait_for(lambda: uploader.process_id, 20)
    assert uploader.close(60) == 0


def test_a_killed_process_is_replaced_and_no_point_is_logged_twice(tracked):
    uploader = UploaderProcess(tracked.spool, pause=0.1)
    uploader.start()
    tell(tracked, range(10))
    wait_for(lambda: tracked.spool.count_unsent() == 0, 60)
    first = uploader.process_id
    tell(tracked, range(10, 5_000))
    os.kill(first, signal.SIGKILL)
    wait_for(lambda: uploader.process_id != first)
    assert uploader.close(120) == 0 and uploader.error is None
    assert [step for step, *_ in tracked.curve(SWEEP, "val_srcc")] == list(range(5_000))


def test_a_process_that_cannot_be_started_is_retried(tracked, monkeypatch):
    started, tries = subprocess.Popen, []

    def start(*arguments, **options):
        tries.append(1)
        if len(tries) < 3:
            raise OSError(12, "Cannot allocate memory")
        return started(*arguments, **options)

    monkeypatch.setattr(subprocess, "Popen", start)
    uploader = UploaderProcess(tracked.spool, pause=0.05)
    uploader.start()
    wait_for(lambda: uploader.error and "Cannot allocate memory" in uploader.error)
    wait_for(lambda: tracked.spool.count_unsent() == 0, 60)
    assert uploader.close(60) == 0 and uploader.error is None and len(tries) == 3


def test_a_missing_destination_is_reported(tracked):
    (tracked.spool.folder / "target.json").unlink()
    uploader = UploaderProcess(tracked.spool, pause=0.05)
    uploader.start()
    wait_for(lambda: uploader.error, 60)
    assert uploader.close(60) == 1 and "does not name its MLflow" in uploader.error


def test_a_signal_to_the_terminal_does_not_end_the_process(tracked):
    uploader = UploaderProcess(tracked.spool)
    uploader.start()
    wait_for(lambda: tracked.spool.count_unsent() == 0, 60)
    for number in (signal.SIGINT, signal.SIGTERM):
        os.kill(uploader.process_id, number)
    tell(tracked, range(3))
    assert os.getsid(uploader.process_id) != os.getsid(0)
    assert uploader.close(60) == 0 and len(tracked.curve(SWEEP, "val_srcc")) == 3


def test_an_unavailable_server_is_reported_without_a_wait(tracked):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound and not listening: refused at once
        store_destination(
            tracked.spool, TrackingDestination(f"http://127.0.0.1:{closed.getsockname()[1]}", "made", "made", "test")
        )
        uploader = UploaderProcess(tracked.spool)
        uploader.start()
        wait_for(lambda: uploader.error, 60)
        began = time.monotonic()
        assert uploader.close(600) == 1 and time.monotonic() - began < 60
    assert "refused" in uploader.error and uploader.sink is None and not alive(uploader.process_id)


def test_closing_gives_up_a_server_that_never_answers(tracked):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        store_destination(
            tracked.spool, TrackingDestination(f"http://127.0.0.1:{silent.getsockname()[1]}", "made", "made", "test")
        )
        uploader = UploaderProcess(tracked.spool)
        uploader.start()
        silent.accept()[0].close()
        connection, _ = silent.accept()
        with connection:
            began = time.monotonic()
            assert uploader.close(1) == 1 and time.monotonic() - began < 10
    assert not alive(uploader.process_id)


def test_the_process_ends_with_a_killed_driver(tracked):
    driver = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(_DRIVER), str(tracked.spool.folder)],
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )
    uploader = int(driver.stdout.readline())
    wait_for(lambda: tracked.spool.count_unsent() == 0, 60)
    assert alive(uploader)
    driver.kill()
    driver.wait()
    wait_for(lambda: not alive(uploader))
    again = UploaderProcess(tracked.spool)  # nobody holds the spool
    again.start()
    tell(tracked, range(3))
    assert again.close(60) == 0 and len(tracked.curve(SWEEP, "val_srcc")) == 3


_DRIVER = """
import sys, time
from pathlib import Path
from orchestrator.tracking.uploader_process import UploaderProcess
from orchestrator.tracking.spool import Spool
uploader = UploaderProcess(Spool(Path(sys.argv[1])))
uploader.start()
while uploader.process_id is None:
    time.sleep(0.01)
print(uploader.process_id, flush=True)
time.sleep(600)
"""
