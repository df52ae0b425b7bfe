"""Runs that a killed sweep left open are closed; those of a living one are left alone."""

import json
import socket
import subprocess
import sys

import pytest

from orchestrator.core.sweep_folder import Workspace, lock_sweep
from orchestrator.tracking.destination import TrackingDestination, store_destination
from orchestrator.tracking.orphaned_runs import close_open_runs, close_orphans, find_killed_sweeps
from orchestrator.tracking.recorder import SWEEP
from orchestrator.tracking.spool import Spool
from orchestrator.tracking.spooled_runs import index_spool
from tests.tracking.tracked import MemoryTracked, job, record_epoch, record_trial

pytestmark = pytest.mark.integration

HOLD = """
import sys, time
from pathlib import Path
from orchestrator.core.sweep_folder import Workspace, lock_sweep
with lock_sweep(Workspace(Path(sys.argv[1]))):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def own(tmp_path):
    workspace = Workspace(tmp_path / "sweeps" / "own")
    with lock_sweep(workspace):
        yield workspace


@pytest.fixture
def mlflow(monkeypatch):
    """Every target's MLflow, by its URI."""
    opened = {}
    monkeypatch.setattr(TrackingDestination, "open", lambda target: opened[target.tracking_uri].sink())
    return opened


def left(tmp_path, mlflow, name, host=None):
    """Create a sweep that was killed while trial 1 ran, after trial 0 ended; half of its events were sent."""
    workspace = Workspace(tmp_path / "sweeps" / name)
    tracked = mlflow[f"memory:{name}"] = MemoryTracked(workspace.root)
    tracked.recorder.record("start", SWEEP, name=name, params={}, tags={})
    record_trial(tracked.recorder, job(0))
    tracked.uploader().finish(0)
    tracked.recorder.on_job_start(job(1))
    record_epoch(tracked.recorder, job(1), 1)
    store_destination(tracked.spool, TrackingDestination(f"memory:{name}", "e", name, "test"))
    holder = {"host": host or socket.gethostname(), "pid": 1, "since": "then"}
    (workspace.root / ".holder.json").write_text(json.dumps(holder), encoding="utf-8")
    return workspace, tracked


def statuses(tracked):
    return {key: (run["status"], run["tags"].get("outcome")) for key, run in tracked.shown().items()}


def test_open_runs_of_a_killed_sweep_are_ended_in_its_mlflow(own, tmp_path, mlflow):
    workspace, tracked = left(tmp_path, mlflow, "dead")
    close_orphans(own).join(20)
    assert statuses(tracked) == {
        SWEEP: ("KILLED", "interrupted"),
        "trial-0000": ("FINISHED", "complete"),
        "trial-0001": ("KILLED", "interrupted"),
    }
    assert tracked.spool.count_unsent() == 0 and not (workspace.root / ".holder.json").exists()
    with lock_sweep(workspace):
        pass  # and nobody holds it any longer


def test_a_running_sweep_and_one_of_another_machine_are_not_changed(own, tmp_path, mlflow):
    living, tracked = left(tmp_path, mlflow, "living")
    elsewhere, other = left(tmp_path, mlflow, "elsewhere", host="another")
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(living.root)], stdout=subprocess.PIPE, text=True, encoding="utf-8"
    )
    try:
        assert process.stdout.readline() == "held\n"
        close_orphans(own).join(20)
        for workspace, of in ((living, tracked), (elsewhere, other)):
            assert index_spool(of.spool).runs["trial-0001"].open and of.spool.count_unsent() == 2
            assert (workspace.root / ".holder.json").exists()
    finally:
        process.kill()
        process.wait()


def test_the_events_wait_in_the_spool_if_mlflow_is_not_available(own, tmp_path, mlflow):
    _, tracked = left(tmp_path, mlflow, "dead")
    tracked.mlflow.away = True
    close_orphans(own).join(30)
    assert not index_spool(tracked.spool).runs["trial-0001"].open and tracked.spool.count_unsent() == 6
    tracked.mlflow.away = False
    assert tracked.uploader().finish(0) == 0 and statuses(tracked)[SWEEP] == ("KILLED", "interrupted")


def test_a_sweep_of_a_later_version_is_not_changed(own, tmp_path, mlflow):
    workspace, tracked = left(tmp_path, mlflow, "later")
    with (workspace.spool / "events.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"v": 9}\n')
    before = (workspace.spool / "events.jsonl").read_bytes()
    close_orphans(own).join(20)
    assert (workspace.spool / "events.jsonl").read_bytes() == before


def test_a_sweep_does_not_end_its_own_runs(own):
    assert [workspace.root for workspace in find_killed_sweeps(own.root.parent)] == [own.root]
    assert close_orphans(own).join(20) is None and (own.root / ".holder.json").exists()


def test_open_runs_are_ended_once(tmp_path):
    spool = Spool(tmp_path / "spool")
    tracked = MemoryTracked(tmp_path)
    tracked.recorder.record("start", SWEEP, name="s", params={}, tags={})
    tracked.recorder.on_job_start(job(0))
    assert close_open_runs(spool) == 2 and close_open_runs(spool) == 0
    ends = [event.run for event in spool.read()[0] if event.kind == "end"]
    assert ends == ["trial-0000", SWEEP]
