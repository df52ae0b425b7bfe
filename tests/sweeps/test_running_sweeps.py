"""List of running sweeps: from a folder, from this user's registry, from a cluster."""

import json
import time
from dataclasses import asdict, replace

import pytest
from typer.testing import CliRunner

from orchestrator.core.current_user import current_user
from orchestrator.core.spec import load_spec
from orchestrator.core.sweep_folder import lock_sweep
from orchestrator.execution.job import Job
from orchestrator.execution.progress import SweepProgress
from orchestrator.execution.slots import Slots
from orchestrator.execution.sweep_heartbeat import Heartbeat, HeartbeatPublisher, register
from orchestrator.search.outcome import Outcome
from orchestrator.status import status
from orchestrator.sweeps.running_sweeps import running_sweeps
from orchestrator.sweeps.sweep_status import State, standings


@pytest.fixture(autouse=True)
def own_state(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def progress_of_two() -> SweepProgress:
    progress = SweepProgress(budget=6, epochs=3, slots=Slots(2))
    for number in range(2):
        progress.on_job_start(job(number))
        progress.mark_running(job(number))
    progress.on_job_end(job(0), Outcome.COMPLETE, {}, None)
    return progress


def publisher(workspace) -> HeartbeatPublisher:
    progress = progress_of_two()
    return HeartbeatPublisher(load_spec(workspace.spec), workspace, progress, progress.slots, shared=False)


def job(number: int) -> Job:
    return Job("search", number, "plain_head", None, {}, {}, split=0, seed=0, test=False)


def wait_for(path) -> None:
    deadline = time.monotonic() + 10
    while not path.is_file():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def registered(workspace):
    """Return the file that a heartbeat writes last."""
    return register() / f"{load_spec(workspace.spec).id}.json"


def test_a_running_sweep_is_found_from_any_folder_and_forgotten_at_its_end(make, tmp_path):
    workspace = make("one", trials=2)
    elsewhere = tmp_path / "elsewhere"
    with lock_sweep(workspace):
        before = running_sweeps(workspace.root.parent, None, ())
        assert [(one.notice.name, one.notice.ended, one.notice.slots) for one in before] == [("one", 1, 0)]
        assert running_sweeps(elsewhere, None, ()) == []
        with publisher(workspace):
            wait_for(registered(workspace))
            [found] = running_sweeps(elsewhere, None, ())
            notice = found.notice
            assert (notice.ended, notice.budget, notice.running, notice.slots) == (1, 6, 1, 2)
            assert found.mine and found.silent is None and notice.owner == current_user()
        assert not workspace.progress.exists() and not list(register().iterdir())
    assert running_sweeps(workspace.root.parent, None, ()) == []


def test_the_command_lists_them_for_people_and_machines(make, tmp_path, monkeypatch):
    workspace = make("one")
    out = ["--out", str(workspace.root.parent)]
    assert "No sweep is running." in CliRunner().invoke(status, out).stdout
    with (
        lock_sweep(workspace),
        publisher(workspace),
    ):
        wait_for(workspace.progress)
        line = CliRunner().invoke(status, out, env={"COLUMNS": "200"}).stdout.splitlines()[-1].split()
        assert [line[at] for at in (0, 1, 4, 5)] == ["one", "you", "1/6", "1/2"]
        away = CliRunner().invoke(status, ["--json", "--address", "127.0.0.1:9", *out])
    told = json.loads(away.stdout)
    assert [one["name"] for one in told["sweeps"]] == ["one"] and told["sweeps"][0]["mine"]
    assert away.exit_code == 0 and "No Ray cluster answers at 127.0.0.1:9" in told["cluster"]["error"]


def test_a_paused_sweep_is_listed_as_paused(make):
    workspace = make("one", trials=2)
    out = ["--out", str(workspace.root.parent)]
    with lock_sweep(workspace), publisher(workspace) as published:
        published._slots.pause()
        wait_for(workspace.progress)
        workspace.progress.write_text(published.heartbeat().as_json(), encoding="utf-8")
        line = CliRunner().invoke(status, out, env={"COLUMNS": "200"}).stdout.splitlines()[-1]
        assert "paused, 1 ending" in line
        assert running_sweeps(workspace.root.parent, None, ())[0].as_dict()["paused"] is True
        (listed,) = standings(workspace.root.parent)
        assert (listed.state, listed.trials) == (State.PAUSED, 1)
        workspace.progress.write_text(replace(published.heartbeat(), pid=1).as_json(), encoding="utf-8")
        assert standings(workspace.root.parent)[0].state is State.RUNNING, "a killed driver left it behind"
        elsewhere = replace(published.heartbeat(), host="elsewhere", ended=5)
        workspace.progress.write_text(elsewhere.as_json(), encoding="utf-8")
        assert standings(workspace.root.parent)[0].state is State.RUNNING, "its process id is that of another host"
        assert running_sweeps(workspace.root.parent, None, ())[0].notice.ended != 5


def test_leftovers_of_a_killed_sweep_are_not_listed(make, tmp_path):
    workspace = make("one", trials=1)
    register().mkdir(parents=True)
    (register() / "a.json").write_text(json.dumps({"folder": str(workspace.root)}), encoding="utf-8")
    (register() / "b.json").write_text(json.dumps({"folder": str(tmp_path / "gone")}), encoding="utf-8")
    (register() / "c.json").write_text("{", encoding="utf-8")
    workspace.progress.write_text("{}", encoding="utf-8")
    assert running_sweeps(tmp_path, None, ()) == []


def test_cluster_lists_all_sweeps_this_users_first(make, tmp_path):
    workspace = make("mine")
    with (
        lock_sweep(workspace),
        publisher(workspace),
    ):
        wait_for(registered(workspace))
        local = Heartbeat(**json.loads(workspace.progress.read_text(encoding="utf-8")))
        theirs = replace(local, id="1", name="theirs", owner="ann", since="2000")
        silent = replace(theirs, id="2", name="silent", since="2001", at=time.time() - 120)
        gone = replace(theirs, id="3", at=time.time() - 3600)
        notices = tuple(asdict(one) for one in (local, theirs, silent, gone)) + ({"version": 9},)
        found = running_sweeps(tmp_path, "head:1", notices)
    assert [one.notice.name for one in found] == ["mine", "theirs", "silent"]
    assert [(one.mine, one.cluster) for one in found] == [(True, None), (False, "head:1"), (False, "head:1")]
    assert found[1].silent is None and found[2].silent == pytest.approx(120, abs=5)
