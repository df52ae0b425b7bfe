"""Hosts that join a running sweep on a real cluster and have other code of this project, or not all of it."""

import os
import shutil
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.allotment import room_for
from orchestrator.execution.plan import Plan
from orchestrator.execution.run import run_jobs
from orchestrator.execution.session import ray_session
from orchestrator.search.outcome import Outcome
from orchestrator.source_code import code_digest
from orchestrator.spec import build_spec
from tests.execution.fakes import FakeSweep, Watched
from tests.execution.nodes import Nodes, can_hide
from tests.execution.slow import Slow
from tests.execution.tasks import make_task

PACKAGE = Path(__file__).parents[2] / "orchestrator"


@pytest.fixture
def nodes(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    if not can_hide():
        absent = "no mount namespaces here (unshare -m), so no node can have other code"
        pytest.fail(absent) if os.environ.get("CI") == "true" and os.geteuid() == 0 else pytest.skip(absent)
    nodes = Nodes(tmp_path_factory.mktemp("cluster") / "ray")
    nodes.head()
    yield nodes
    nodes.close()


def copied(folder):
    return Path(shutil.copytree(PACKAGE, folder, ignore=shutil.ignore_patterns("__pycache__")))


def test_a_sweep_goes_on_without_hosts_that_join_with_other_code(nodes, tmp_path):
    edited, broken = copied(tmp_path / "edited"), copied(tmp_path / "broken")
    with (edited / "training" / "metrics.py").open("a") as file:
        file.write("# another line\n")
    (broken / "execution" / "task.py").unlink()
    watched, errors = Watched(), []
    sweep = FakeSweep(Plan(trials=4, confirm=0, splits=1, seed=3, epochs=150), control=False)
    desk = sweep.desk(watched)
    room = room_for(build_spec({"name": "made"}))
    counted = []

    def come():
        try:
            wait_for(lambda: watched.of("epoch"), 90)
            for code in (edited, broken):
                joined = nodes.join(instead={PACKAGE: code})
                before = len(desk.left_out)
                wait_for(lambda before=before: len(desk.left_out) > before, 90, joined)
            counted.extend([room(()), room(desk.left_out)])
            (tmp_path / "hurry").touch()
        except BaseException as error:
            errors.append(error)
            desk.stop("the test failed")

    with ray_session(nodes.address, 1, 0) as slots:
        thread = threading.Thread(target=come)
        thread.start()
        task = replace(make_task(tmp_path), code=code_digest())
        run_jobs(desk, task, tmp_path / "tune", slots, 1, 0, worker=Slow)
        thread.join()
    print(watched.of("noted"), desk.left_out, len(watched.of("epoch")), watched.of("ended"), watched.of("started"))
    assert not errors, errors
    sweep.assert_done()
    assert {trial.outcome for trial in sweep.arms[0].ledger.all()} == {Outcome.COMPLETE}
    assert counted == [3, 1]
    notes = [note for _, note in watched.of("noted")]
    assert len(notes) == 2 and all("; it is left out, and the trial starts elsewhere" in note for note in notes)
    assert notes[0].startswith("The code of this project on the node ") and "other code of this project" in notes[1]


def wait_for(condition, seconds, process=None):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end and (process is None or process.poll() is None)
        time.sleep(0.1)
