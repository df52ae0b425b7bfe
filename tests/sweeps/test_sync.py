"""Command `python -m orchestrator.sync`: uploaded and pending events, errors, exit codes."""

import json
import socket

import pytest
from mlflow import MlflowClient
from typer.testing import CliRunner

from orchestrator.core.spec import SweepSpec
from orchestrator.core.sweep_folder import Workspace, lock_sweep
from orchestrator.sync import sync
from orchestrator.tracking.destination import TrackingDestination, choose_destination
from orchestrator.tracking.recorder import SWEEP, Recorder
from orchestrator.tracking.spool import Spool
from orchestrator.tracking.spooled_runs import index_spool
from tests.tracking.tracked import MemoryTracked, job, record_epoch, record_sweep


@pytest.fixture
def mlflow(monkeypatch, tmp_path):
    """MLflow in memory for every sweep."""
    tracked = MemoryTracked(tmp_path / "unused")
    monkeypatch.setattr(TrackingDestination, "open", lambda target: tracked.sink())
    return tracked


def made(elsewhere, name):
    workspace = Workspace(elsewhere / "sweeps" / name)
    workspace.root.mkdir(parents=True)
    spec = SweepSpec(name=name)
    spec.save(workspace.spec)
    spool = Spool(workspace.spool)
    choose_destination(spec, spool)
    record_sweep(Recorder(spool, workspace.trials))
    return workspace, spool


def call(*arguments):
    done = CliRunner().invoke(sync, [*arguments, "--wait", "0"], env={"COLUMNS": "300"})
    return done.exit_code, done.stdout, done.stderr


def test_all_events_are_uploaded_once(elsewhere, mlflow):
    _, spool = made(elsewhere, "mine")
    count = spool.count_unsent()
    code, out, _ = call("mine")
    assert code == 0 and f"mine: all {count} events that were left went to sqlite:///" in out
    assert mlflow.shown()["trial-0000"]["status"] == "FINISHED" and spool.count_unsent() == 0
    assert call("mine")[:2] == (0, "mine: nothing was left.\n")


def test_events_that_cannot_be_uploaded_are_reported_with_the_reason(elsewhere, mlflow):
    _, spool = made(elsewhere, "mine")
    mlflow.mlflow.away = True
    code, out, _ = call("mine")
    assert code == 1 and "0 events went to" in out and f"{spool.count_unsent()} are left: ConnectionError: away." in out


def test_every_sweep_with_pending_events_is_uploaded_without_an_argument(elsewhere, mlflow):
    _, first = made(elsewhere, "first")
    _, second = made(elsewhere, "second")
    call("first")
    code, out, _ = call()
    assert code == 0 and "second: all" in out and "first" not in out
    assert first.count_unsent() == second.count_unsent() == 0
    code, out, _ = call()
    assert code == 0 and "No sweep in sweeps has anything left" in out


def test_running_sweep_is_not_uploaded(elsewhere, mlflow):
    workspace, spool = made(elsewhere, "mine")
    with lock_sweep(workspace):
        code, out, _ = call("mine")
        assert code == 1 and f"{spool.count_unsent()} events are left. The sweep mine is running on" in out
        assert "It sends them itself." in out and mlflow.mlflow.runs == []
        spool.mark_sent(spool.read()[1])
        assert call("mine")[0] == 0


def test_open_runs_of_a_killed_sweep_are_closed(elsewhere, mlflow):
    workspace, spool = made(elsewhere, "mine")
    recorder = Recorder(spool, workspace.trials)
    recorder.on_job_start(job(1))
    record_epoch(recorder, job(1), 1)
    (workspace.root / ".holder.json").write_text(
        json.dumps({"host": socket.gethostname(), "pid": 1, "since": "then"}), encoding="utf-8"
    )
    code, out, _ = call()
    assert code == 0 and "1 runs that it left open are closed as interrupted" in out
    assert mlflow.shown()["trial-0001"]["status"] == "KILLED" and not index_spool(spool).runs["trial-0001"].open


def test_damaged_and_refused_events_are_reported(elsewhere, mlflow):
    _, spool = made(elsewhere, "mine")
    path = spool.folder / "events.jsonl"
    content = bytearray(path.read_bytes())
    content[content.index(b"\n") + 40] ^= 1
    path.write_bytes(content)
    spool.store_refused(spool.read()[0][0], "because")
    code, out, _ = call("mine")
    assert code == 0 and "is damaged (its checksum differs)" in out
    assert "MLflow refused 1 events" in out and "refused.jsonl" in out


def test_unknown_sweep_is_an_error(elsewhere):
    code, _, error = call("mine")
    assert code == 2 and "no sweeps in" in error


def test_given_tracking_server_is_remembered_and_its_run_ids_are_added_to_the_result(elsewhere):
    workspace, spool = made(elsewhere, "mine")
    count = spool.count_unsent()
    spool.mark_sent(spool.read()[1])  # all events were uploaded to another server
    ids = {"tracking_uri": "x", "experiment": "x", "experiment_id": None, "run_id": None}
    best = {"run": None, "source": "trial-0000"}
    workspace.result.write_text(json.dumps({"best": best, "control": None, "mlflow": ids}), encoding="utf-8")
    uri = f"sqlite:///{elsewhere / 'other.db'}"
    code, out, _ = call("mine", "--tracking-uri", uri)
    assert code == 0 and out == f"mine: all {count} events that were left went to {uri}.\n"
    result = json.loads(workspace.result.read_text(encoding="utf-8"))
    client = MlflowClient(uri)
    assert client.get_run(result["mlflow"]["run_id"]).data.tags["run_key"] == SWEEP
    assert client.get_run(result["best"]["mlflow_run_id"]).data.tags["run_key"] == "trial-0000"
    assert call("mine")[:2] == (0, "mine: nothing was left.\n")
