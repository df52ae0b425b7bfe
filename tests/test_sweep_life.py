"""A sweep from its beginning to its deletion, through the real Ray and MLflow, as a user would lead it."""

import json
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
from mlflow import MlflowClient

from orchestrator.core.spec import load_spec
from orchestrator.core.workspace import Workspace
from orchestrator.search.outcome import Outcome
from orchestrator.search.read_ledger import read_studies
from tests.ratings import make_ratings

REPORTED = '"op_code":7'
"""In Optuna's journal: an epoch's objective."""
pytestmark = [  # the first test waits for a whole sweep, and cores may be shared
    pytest.mark.long,
    pytest.mark.timeout(1800),
]

SMALL = ["--epochs", "3", "--confirm", "1", "--splits", "1"]


@pytest.fixture(scope="module")
def folder(module_folder):
    """24 prompts × 4 little images whose brightness is the score, all but for noise."""
    make_ratings(module_folder)
    return module_folder


def start(folder: Path, command: str, *arguments: str) -> subprocess.Popen:
    whole = [sys.executable, "-m", f"orchestrator.{command}", *arguments]
    return subprocess.Popen(whole, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def run(folder: Path, command: str, *arguments: str, code: int = 0) -> str:
    process = start(folder, command, *arguments)
    out, err = process.communicate(timeout=900)
    assert process.returncode == code, (out + err)[-3000:]
    return out


@pytest.fixture(scope="module")
def resumed(folder):
    """The sweep `life`, killed after three epochs and resumed: what it printed in the end."""
    data = ("--dataset", f"csv:{folder}/ratings.csv", "--trials", "2", "--name", "life")
    process = start(folder, "sweep", *data, *SMALL)
    journal = Workspace(folder / "sweeps" / "life").ledger
    deadline = time.monotonic() + 600
    try:
        while not (journal.exists() and journal.read_text().count(REPORTED) >= 3):
            assert process.poll() is None and time.monotonic() < deadline, process.communicate()
            time.sleep(0.05)
    finally:
        process.kill()
        process.communicate()
    (line,) = json.loads(run(folder, "sweeps", "list", "--json"))
    assert (line["state"], line["budget"]) == ("interrupted", 2)
    assert "python -m orchestrator.resume life" in run(folder, "sweeps", "life")
    return json.loads(run(folder, "resume", "life", "--json"))


@pytest.fixture(scope="module")
def extended(folder, resumed):
    """The same sweep with its budget raised."""
    workspace = Workspace(folder / "sweeps" / "life")
    before = read_studies(workspace)
    result = json.loads(run(folder, "resume", "life", "--trials", "3", "--json"))
    return before, result


def mlflow_runs(folder):
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    return client, client.search_runs([experiment.experiment_id for experiment in client.search_experiments()])


def test_killed_and_resumed_its_budget_is_met(resumed):
    assert sum(resumed["counts"].values()) == sum(resumed["control_counts"].values()) == resumed["budget"] == 2


def test_extended_it_goes_on_with_the_same_ledger(folder, extended):
    before, result = extended
    assert sum(result["counts"].values()) == sum(result["control_counts"].values()) == result["budget"] == 3
    workspace = Workspace(folder / "sweeps" / "life")
    after = read_studies(workspace)
    for study, trials in before.items():
        assert after[study][: len(trials)] == trials
    assert load_spec(workspace.spec).trials == 3
    assert sum(json.loads(workspace.earlier_result(2).read_text())["counts"].values()) == 2
    confirmed = [trial.attributes["source"] for trial in after["confirm"]]
    assert len(set(confirmed)) == len(confirmed) and {result["best"]["source"], result["control"]["source"]} < set(
        confirmed
    )


def test_every_trial_has_one_run_that_says_where_it_comes_from(folder, extended):
    _, runs = mlflow_runs(folder)
    runs = [run for run in runs if "run_key" in run.data.tags]
    studies = read_studies(Workspace(folder / "sweeps" / "life"))
    assert len(runs) == 1 + sum(map(len, studies.values()))
    for run in runs:
        wanted = {
            "git.commit",
            "git.dirty",
            "version.torch",
            "data_hash",
            "split_hash",
            "seed",
            "host",
            "device",
            "spec",
        }
        assert wanted <= run.data.tags.keys() | ({"git.commit", "git.dirty"} if not has_git() else set())
    sweep = next(run for run in runs if run.data.tags["run_key"] == "sweep")
    assert sweep.data.tags["budget"] == "3" and sweep.info.status == "FINISHED"
    one = next(run for run in runs if run.data.tags["run_key"] == "trial-0001")
    assert json.loads(one.data.tags["job"])["params"]["lr"] == float(one.data.params["lr"])
    assert one.data.tags["encoder.image"] and one.data.tags["encoder.prompt"]


def has_git() -> bool:
    return (Path(__file__).parents[1] / ".git").exists()


def test_a_trial_and_a_confirm_run_are_trained_again_bit_for_bit(folder, extended):
    # Which trials are trained to their end depends on which report first.
    trials = read_studies(Workspace(folder / "sweeps" / "life"))["search"]
    whole = next(f"life/trial-{trial.number:04d}" for trial in trials if trial.outcome is Outcome.COMPLETE)
    found = json.loads(run(folder, "rerun", whole, "--json"))
    changed = [line for line in found["changed"] if not line.startswith("git.")]  # whoever works here may commit
    assert found["same"] and changed == [] and [line["epoch"] for line in found["epochs"]] == [1, 2, 3, 0]
    assert all(line["then"]["train_loss"] == line["now"]["train_loss"] for line in found["epochs"][:3])
    _, runs = mlflow_runs(folder)
    (again,) = [run for run in runs if run.data.tags.get("rerun_of") == whole]
    assert again.data.tags["same"] == "true" and "sweep_id" not in again.data.tags
    confirm = next(run for run in runs if run.data.tags.get("run_key") == extended[1]["best"]["run"])
    found = json.loads(run(folder, "rerun", confirm.info.run_id, "--no-log", "--out", "elsewhere", "--json"))
    assert found["same"] and {"test_srcc", "best_val_srcc"} <= found["epochs"][-1]["now"].keys()


def test_another_seed_is_another_curve(folder, extended):
    """What is compared is what is trained now, not what was stored."""
    client, runs = mlflow_runs(folder)
    one = next(run for run in runs if run.data.tags.get("run_key") == "trial-0000")
    job = {**json.loads(one.data.tags["job"]), "seed": 99}
    copy = client.create_run(one.info.experiment_id, tags={**one.data.tags, "job": json.dumps(job), "run_key": "copy"})
    for name in ("val_srcc", "train_loss"):
        for point in client.get_metric_history(one.info.run_id, name):
            client.log_metric(copy.info.run_id, name, point.value, step=point.step)
    try:
        out = run(folder, "rerun", copy.info.run_id, "--no-log", "--json", code=1)
    finally:
        client.delete_run(copy.info.run_id)
    found = json.loads(out)
    assert not found["same"] and found["first_difference"].startswith("epoch 1: ")


def test_exported_archived_restored_and_deleted(folder, extended):
    run(folder, "sweeps", "export", "life", "--to", "life.zip")
    with zipfile.ZipFile(folder / "life.zip") as file:
        names = set(file.namelist())
        file.extractall(folder / "given")
    assert {"life/models/best/model.json", "life/trials.csv", "life/ledger.journal", "life/result.json"} <= names
    scored = run(folder, "score", "00_0.png", "--prompt", "a scene 0", "--model", "given/life/models/best", "--json")
    assert len(json.loads(scored)["scores"]) == 1
    run(folder, "sweeps", "archive", "life")
    assert not (folder / "sweeps" / "life").exists() and "archived" in run(folder, "sweeps")
    run(folder, "resume", "life", code=2)
    run(folder, "sweeps", "restore", "life")
    assert json.loads(run(folder, "resume", "life", "--json")) == extended[1]
    process = start(folder, "sweeps", "delete", "life")
    process.communicate()  # an empty answer
    assert process.returncode != 0 and (folder / "sweeps" / "life" / "spec.yaml").is_file()
    assert "stay in MLflow" in run(folder, "sweeps", "delete", "life", "--yes")
    assert not (folder / "sweeps" / "life").exists()


def test_a_search_that_time_ends_has_a_result_and_goes_on(folder):
    data = ("--dataset", f"csv:{folder}/ratings.csv", "--trials", "1", "--name", "timed", "--max-hours", "1e-9")
    out = run(folder, "sweep", *data, *SMALL)
    assert "ended the search after 0 of 1 trials" in out and "python -m orchestrator.resume timed" in out
    (line,) = [line for line in json.loads(run(folder, "sweeps", "list", "--json")) if line["name"] == "timed"]
    assert (line["state"], line["trials"], line["budget"]) == ("finished", 0, 1)
    result = json.loads(run(folder, "resume", "timed", "--json"))
    assert sum(result["counts"].values()) == sum(result["control_counts"].values()) == 1 and result["best"]["test"]
