"""Hosts that join a running sweep on a real cluster and have other code of this project, or not all of it."""

import os
import shutil
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from ray.tune.schedulers import FIFOScheduler

from orchestrator.cluster.session import ray_session
from orchestrator.core.code_digest import code_digest
from orchestrator.core.spec import build_spec
from orchestrator.execution.plan import Plan
from orchestrator.execution.resources import count_slots
from orchestrator.execution.tune_runner import RayTune, run_jobs
from orchestrator.search.outcome import Outcome
from tests.execution.contexts import make_sweep_context
from tests.execution.fakes import FakeSweep, Watched
from tests.execution.nodes import Nodes, can_hide
from tests.execution.slow import Slow

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


def test_sweep_excludes_nodes_that_join_with_other_code(nodes, tmp_path, monkeypatch):
    monkeypatch.delattr(FIFOScheduler, "choose_trial_to_run")  # what stands in for ours in another version of Ray
    edited = Path(shutil.copytree(PACKAGE, tmp_path / "edited", ignore=shutil.ignore_patterns("__pycache__")))
    with (edited / "training" / "metrics.py").open("a", encoding="utf-8") as file:
        file.write("# another line\n")
    torn = tmp_path / "torn"
    torn.mkdir()
    (torn / "__init__.py").write_text("the rest of it is mis", encoding="utf-8")
    watched, errors = Watched(), []
    sweep = FakeSweep(Plan(trials=2, confirm=0, splits=1, seed=3, epochs=150), control=False)
    controller = sweep.controller(watched)
    room = count_slots(build_spec({"name": "made"}), RayTune().nodes)
    counted = []

    def come():
        try:
            wait_for(lambda: watched.of("epoch"), 90)
            for number, code in enumerate((edited, torn), 2):  # one after the other: two would take the same ports
                nodes.join(instead={PACKAGE: code})
                wait_for(lambda number=number: room(()) == number, 60)
            wait_for(lambda: len(controller.excluded_nodes) == 2, 120)
            counted.extend([room(()), room(controller.excluded_nodes)])
            (tmp_path / "hurry").touch()
        except BaseException as error:
            errors.append(error)
            controller.stop("the test failed")

    with ray_session(nodes.address, 1, 0) as slots:
        thread = threading.Thread(target=come)
        thread.start()
        context = replace(make_sweep_context(tmp_path), code=code_digest())
        controller.slots.update(slots, slots)
        run_jobs(controller, context, tmp_path / "tune", 1, 0, worker=Slow)
        thread.join()
    assert not errors, errors
    sweep.assert_done()
    assert {trial.outcome for trial in sweep.arms[0].ledger.all()} == {Outcome.COMPLETE}
    assert counted == [3, 1]
    notes = sorted(note for _, note in watched.of("noted"))
    assert len(notes) == 2 and all("; it is excluded until Ray is restarted there, " in note for note in notes)
    assert notes[0].startswith("The code of this project on the node ") and "other code of this project" in notes[1]


def wait_for(condition, seconds):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)
