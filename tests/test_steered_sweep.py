"""Sweep through the real Ray and MLflow that other terminals steer: paused, extended, stopped, resumed to its end."""

import contextlib
import json
import time

import mlflow
import psutil
import pytest

from orchestrator.core.sweep_folder import Workspace
from orchestrator.search.outcome import Outcome
from orchestrator.search.read_ledger import read_studies
from tests.commands import invoke, run, start
from tests.mlflow_database import copy_database
from tests.ratings import make_ratings
from tests.records import Budget, Records
from tests.running import wait_for_epochs

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]

TRIALS, EPOCHS, CONFIRM, SPLITS = 3, 40, 1, 1


def wait_until(condition, process):
    deadline = time.monotonic() + 120
    while not condition():
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()
        time.sleep(0.1)


def epochs(workspace):
    return {path.parent.name: path.read_bytes().count(b"\n") for path in workspace.trials.glob("*/epochs.jsonl")}


def workers(process):
    """Return how many processes of a sweep train."""
    found = 0
    for child in psutil.Process(process.pid).children(recursive=True):
        with contextlib.suppress(psutil.Error):  # it ended meanwhile
            found += "Trainable" in " ".join(child.cmdline())
    return found


def test_a_sweep_is_steered_from_another_terminal_and_resumed_to_its_end(module_folder, mlflow_database):
    folder, workspace = module_folder, Workspace(module_folder / "sweeps" / "steered")
    make_ratings(folder)
    copy_database(mlflow_database, folder)
    (folder / "more.yaml").write_text("- {lr: 0.0021}\n", encoding="utf-8")
    small = ["--trials", TRIALS, "--epochs", EPOCHS, "--confirm", CONFIRM, "--splits", SPLITS, "--pruner", "none"]
    data = ["--dataset", f"csv:{folder}/ratings.csv", "--name", "steered", "--concurrency", 2]
    process = start(folder, "sweep", *data, *small)
    try:
        wait_for_epochs(process, workspace.ledger, 3)
        assert workers(process) > 0
        assert invoke(folder, "sweeps", "pause", "steered").out.startswith("Paused: ")
        wait_until(lambda: json.loads(invoke(folder, "sweeps", "list", "--json").out)[0]["state"] == "paused", process)
        wait_until(lambda: workers(process) == 0, process)
        trained = epochs(workspace)
        enqueued = json.loads(invoke(folder, "sweeps", "enqueue", "steered", "more.yaml", "--json").out)
        assert invoke(folder, "stop", "steered", "--trial", "0").out == "trial-0000 ends as pruned.\n"
        assert epochs(workspace) == trained, "a paused sweep trains nothing"
        assert invoke(folder, "sweeps", "unpause", "steered").out.startswith("Unpaused: ")
        wait_until(lambda: epochs(workspace) != trained, process)
        said = invoke(folder, "stop", "steered", "--wait").out
        out, err = process.communicate(timeout=120)
    finally:
        process.kill()
    assert "steered has stopped; nothing is lost." in said and process.returncode == 130, err
    assert "Stopped by " in out and "python -m orchestrator.resume steered" in out and "Traceback" not in out + err

    result = json.loads(run(folder, "resume", "steered", "--json").out)
    assert sum(result["counts"].values()) == TRIALS and result["counts"]["pruned"] == 1
    search = read_studies(workspace)["search"]
    stopped, added = search[0], search[enqueued["trials"][0]]
    assert stopped.outcome is Outcome.PRUNED and "@" in stopped.attributes["stopped_by"]
    assert added.params["lr"] == 0.0021 and added.attributes["enqueued_by"] == enqueued["by"]
    assert all(count == EPOCHS for key, count in epochs(workspace).items() if key != "trial-0000"), epochs(workspace)
    uri = f"sqlite:///{folder}/mlflow.db"
    Records(workspace, uri, Budget(TRIALS, EPOCHS, CONFIRM, SPLITS)).check()
    client = mlflow.MlflowClient(uri)
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    tags = [found.data.tags for found in client.search_runs(experiments)]
    (run_of_stopped,) = [found for found in tags if "stopped_by" in found]
    assert run_of_stopped["stopped_by"] == stopped.attributes["stopped_by"] and run_of_stopped["outcome"] == "pruned"
