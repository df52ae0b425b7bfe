"""The process that carries a spool: what it says, what becomes of it, and of what it was carrying."""

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

from orchestrator.tracking.destination import Target, remember
from orchestrator.tracking.recorder import SWEEP
from orchestrator.tracking.uploader_process import Courier
from tests.tracking.test_uploader import wait_for
from tests.tracking.tracked import Tracked


@pytest.fixture
def tracked(database, tmp_path):
    """A spool whose target is an SQLite database of MLflow's, as a sweep's on one machine is."""
    shutil.copy(database, tmp_path / "mlflow.db")
    made = Tracked(f"sqlite:///{tmp_path / 'mlflow.db'}", tmp_path)
    remember(made.spool, Target(made.uri, made.experiment, made.sweep_id, "test"))
    made.recorder.record("start", SWEEP, name="made", params={"a": 1}, tags={})
    return made


def tell(tracked, steps):
    for step in steps:
        tracked.recorder.record("metrics", SWEEP, 1_000 + step, step=step, metrics={"val_srcc": step / 100})


def alive(process_id):
    return psutil.pid_exists(process_id) and psutil.Process(process_id).status() != psutil.STATUS_ZOMBIE


def test_all_arrives_and_the_runs_are_known(tracked):
    courier = Courier(tracked.spool)
    courier.start()
    tell(tracked, range(50))
    wait_for(lambda: courier.sink, 60)
    assert courier.sink.run_id(SWEEP) == tracked.run(SWEEP).info.run_id
    tracked.recorder.record("start", "trial-0", name="a trial", params={}, tags={})
    tell(tracked, range(50, 60))
    assert courier.close(60) == 0 and courier.error is None
    assert courier.sink.run_ids == {key: run.info.run_id for key, run in tracked.runs().items()}
    assert courier.sink.run_ids.keys() == {SWEEP, "trial-0"} and courier.sink.run_id("trial-1") is None
    assert courier.sink.experiment_id == tracked.run(SWEEP).info.experiment_id
    assert [step for step, *_ in tracked.curve(SWEEP, "val_srcc")] == list(range(60))
    assert not alive(courier.process_id) and courier.close(60) == 0


def test_one_that_is_killed_is_replaced_and_nothing_is_there_twice(tracked):
    courier = Courier(tracked.spool, pause=0.1)
    courier.start()
    tell(tracked, range(10))
    wait_for(lambda: tracked.spool.left() == 0, 60)
    first = courier.process_id
    tell(tracked, range(10, 5_000))
    os.kill(first, signal.SIGKILL)
    wait_for(lambda: courier.process_id != first)
    assert courier.close(120) == 0 and courier.error is None
    assert [step for step, *_ in tracked.curve(SWEEP, "val_srcc")] == list(range(5_000))


def test_where_no_process_can_be_started_it_is_tried_again(tracked, monkeypatch):
    started, tries = subprocess.Popen, []

    def start(*arguments, **options):
        tries.append(1)
        if len(tries) < 3:
            raise OSError(12, "Cannot allocate memory")
        return started(*arguments, **options)

    monkeypatch.setattr(subprocess, "Popen", start)
    courier = Courier(tracked.spool, pause=0.05)
    courier.start()
    wait_for(lambda: courier.error and "Cannot allocate memory" in courier.error)
    wait_for(lambda: tracked.spool.left() == 0, 60)
    assert courier.close(60) == 0 and courier.error is None and len(tries) == 3


def test_where_it_cannot_go_is_said(tracked):
    (tracked.spool.folder / "target.json").unlink()
    courier = Courier(tracked.spool, pause=0.05)
    courier.start()
    wait_for(lambda: courier.error, 60)
    assert courier.close(60) == 1 and "does not say which MLflow it goes to" in courier.error


def test_a_signal_to_the_terminal_does_not_end_it(tracked):
    courier = Courier(tracked.spool)
    courier.start()
    wait_for(lambda: tracked.spool.left() == 0, 60)
    for number in (signal.SIGINT, signal.SIGTERM):
        os.kill(courier.process_id, number)
    tell(tracked, range(3))
    assert os.getsid(courier.process_id) != os.getsid(0)
    assert courier.close(60) == 0 and len(tracked.curve(SWEEP, "val_srcc")) == 3


def test_a_server_that_is_away_is_said_and_not_waited_for(tracked):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound and not listening: refused at once
        remember(tracked.spool, Target(f"http://127.0.0.1:{closed.getsockname()[1]}", "made", "made", "test"))
        courier = Courier(tracked.spool)
        courier.start()
        wait_for(lambda: courier.error, 60)
        began = time.monotonic()
        assert courier.close(600) == 1 and time.monotonic() - began < 60
    assert "refused" in courier.error and courier.sink is None and not alive(courier.process_id)


def test_a_server_that_never_answers_is_given_up(tracked):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        remember(tracked.spool, Target(f"http://127.0.0.1:{silent.getsockname()[1]}", "made", "made", "test"))
        courier = Courier(tracked.spool)
        courier.start()
        silent.accept()[0].close()
        connection, _ = silent.accept()
        with connection:
            began = time.monotonic()
            assert courier.close(1) == 1 and time.monotonic() - began < 10
    assert not alive(courier.process_id)


def test_it_ends_with_the_driver_whatever_ends_that(tracked):
    driver = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(_DRIVER), str(tracked.spool.folder)], stdout=subprocess.PIPE, text=True
    )
    courier = int(driver.stdout.readline())
    wait_for(lambda: tracked.spool.left() == 0, 60)
    assert alive(courier)
    driver.kill()
    driver.wait()
    wait_for(lambda: not alive(courier))
    again = Courier(tracked.spool)  # nobody holds the spool
    again.start()
    tell(tracked, range(3))
    assert again.close(60) == 0 and len(tracked.curve(SWEEP, "val_srcc")) == 3


_DRIVER = """
import sys, time
from pathlib import Path
from orchestrator.tracking.uploader_process import Courier
from orchestrator.tracking.spool import Spool
courier = Courier(Spool(Path(sys.argv[1])))
courier.start()
while courier.process_id is None:
    time.sleep(0.01)
print(courier.process_id, flush=True)
time.sleep(600)
"""
