"""Life of a sweep through the real Ray and MLflow: interrupted, resumed, extended, rerun, exported, deleted."""

import json
import re
import signal
import time
import zipfile
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient

from orchestrator.core.spec import load_spec
from orchestrator.core.sweep_folder import Workspace
from orchestrator.execution.prepare import prepare
from orchestrator.search.outcome import Outcome
from orchestrator.search.read_ledger import read_studies
from orchestrator.search.space import load_space
from orchestrator.tracking.run_facts import run_facts
from tests.commands import invoke, run, start
from tests.mlflow_database import copy_database
from tests.ratings import make_ratings
from tests.records import Budget, Records
from tests.running import wait_for_epochs
from tests.terminal import run_on_terminal

pytestmark = [  # the first test waits for a whole sweep, and cores may be shared
    pytest.mark.long,
    pytest.mark.timeout(1800),
]

TRIALS, EPOCHS, CONFIRM, SPLITS = 2, 3, 1, 1
SMALL = ["--epochs", EPOCHS, "--confirm", CONFIRM, "--splits", SPLITS]
REPOSITORY = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def folder(module_folder, mlflow_database):
    """The working folder: two data sets whose score is the brightness of the images but for noise."""
    make_ratings(module_folder)
    (module_folder / "other").mkdir()
    make_ratings(module_folder / "other", prompts=6, name="other", seed=1)
    copy_database(mlflow_database, module_folder)
    return module_folder


@pytest.fixture(scope="module")
def workspace(folder):
    return Workspace(folder / "sweeps" / "life")


@pytest.fixture(scope="module")
def interrupted(folder, workspace):
    """The sweep `life`, stopped by SIGINT after three epochs: exit code, output, and its studies at that time."""
    data = ("--dataset", f"csv:{folder}/ratings.csv", "--test-dataset", f"csv:{folder}/other/other.csv")
    process = start(folder, "sweep", *data, *SMALL, "--trials", TRIALS, "--name", "life", "--concurrency", 2)
    try:
        wait_for_epochs(process, workspace.ledger, 3)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=300)
    finally:
        process.kill()
    return process.returncode, out, err, read_studies(workspace)


def test_interrupted_sweep_prints_how_to_resume(folder, workspace, interrupted):
    code, out, err, _ = interrupted
    assert code == 130, err[-3000:]
    assert "Stopping after the running epochs." in out, "it is acknowledged before the epochs have ended"
    assert "python -m orchestrator.resume life" in out and "Traceback" not in out + err, out + err
    assert not workspace.result.exists()
    (line,) = json.loads(invoke(folder, "sweeps", "list", "--json").out)
    assert (line["state"], line["budget"]) == ("interrupted", TRIALS)
    assert "python -m orchestrator.resume life" in invoke(folder, "sweeps", "life").out
    assert mlflow_runs(folder, "sweep").info.status == "KILLED"


@pytest.fixture(scope="module")
def resumed(folder, interrupted):
    """JSON object that `sweep --name life --json` printed, with another concurrency than at first."""
    done = run(folder, "sweep", "--name", "life", "--concurrency", 1, "--json")
    assert done.out.count("\n") == 1, "standard output holds the one object and nothing else"
    assert "Confirm runs also score 24 images of 6 prompts of csv:other.csv." in done.err, done.err
    return json.loads(done.out)


@pytest.fixture(scope="module")
def records(folder, workspace, resumed):
    return Records(workspace, f"sqlite:///{folder}/mlflow.db", Budget(TRIALS, EPOCHS, CONFIRM, SPLITS))


def mlflow_runs(folder, key=None):
    """Return MLflow's runs, or the one with a run key."""
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    runs = client.search_runs([experiment.experiment_id for experiment in client.search_experiments()])
    if key is None:
        return runs
    (found,) = [run for run in runs if run.data.tags.get("run_key") == key]
    return found


def test_resumed_sweep_meets_its_budget(workspace, interrupted, resumed):
    assert sum(resumed["counts"].values()) == sum(resumed["control_counts"].values()) == resumed["budget"] == TRIALS
    assert resumed["counts"]["failed"] == 0
    after = read_studies(workspace)
    assert len(after["confirm"]) == (2 * CONFIRM + 1) * SPLITS
    for study, trials in interrupted[-1].items():
        for old, new in zip(trials, after[study], strict=False):
            assert old.params == new.params and old.epochs.items() <= new.epochs.items()
            assert old.outcome in {None, new.outcome}


def test_resumed_sweep_has_records_that_agree(records, resumed):
    """The ledger, the folder and MLflow: one run for every trial with the same parameters, curve and outcome."""
    assert records.check() > 30
    parent = next(run.info.run_id for run in records.runs if run.data.tags["run_key"] == "sweep")
    assert parent == resumed["mlflow"]["run_id"]
    assert all(
        run.data.tags["mlflow.parentRunId"] == parent for run in records.runs if run.data.tags["run_key"] != "sweep"
    )


def test_result_is_described_in_json(resumed, workspace):
    assert set(resumed) >= {
        "sweep_id",
        "variant",
        "dataset",
        "protocol",
        "best",
        "control",
        "baselines",
        "counts",
        "mlflow",
        "seconds",
    }
    assert (resumed["variant"], resumed["protocol"]) == ("text_hyper", "disjoint")
    assert resumed["dataset"] == "csv:ratings.csv" and resumed["targets"] == ["alignment"]
    for part in ("best", "control"):
        described = resumed[part]
        assert set(described) >= {"trial", "params", "val", "test", "mlflow_run_id"}
        assert isinstance(described["trial"], int) and described["params"] and described["mlflow_run_id"]
        low, high = described["test"]["interval"]
        assert low <= high
        _assert_figures_are_those_of_the_predictions(described, workspace)
    assert set(resumed["baselines"]) >= {"ridge", "generator_mean", "prompt_mean"}
    assert all({"srcc", "plcc"} <= set(figures) for figures in resumed["baselines"].values())
    assert resumed["baselines"]["prompt_mean"]["reason"], "prompts are disjoint, so there is no mean to predict"
    assert set(resumed["counts"]) == {"complete", "pruned", "diverged", "infeasible", "failed"}
    assert set(resumed["mlflow"]) >= {"tracking_uri", "experiment_id", "run_id"}
    assert resumed["seconds"] > 0 and resumed == json.loads(workspace.result.read_text(encoding="utf-8"))


def _assert_figures_are_those_of_the_predictions(described, workspace):
    """Compare correlations with pandas' of the predictions: one confirm run is the median of its split."""
    table = pd.read_csv(workspace.trials / described["run"] / "predictions.csv")
    for part, rows in (("val", "validation"), ("test", "test")):
        own = table[table["part"] == rows]
        srcc, plcc = (
            own["predicted_alignment"].corr(own["alignment"], method=method) for method in ("spearman", "pearson")
        )
        assert described[part]["srcc"] == pytest.approx(srcc, abs=1e-5)
        assert described[part]["plcc"] == pytest.approx(plcc, abs=1e-5)


def test_sweep_run_describes_the_sweep(folder, resumed):
    sweep = mlflow_runs(folder, "sweep")
    assert (sweep.info.status, sweep.info.run_name) == ("FINISHED", "life")
    assert sweep.data.metrics["test_srcc"] == pytest.approx(resumed["best"]["test"]["srcc"], abs=1e-6)
    assert "text_hyper" in sweep.data.tags["mlflow.note.content"]


def test_confirm_runs_score_the_second_data_set(folder, workspace, resumed):
    """The folder, the result and MLflow have the figures."""
    assert resumed["cross"]["dataset"] == "csv:other.csv" and resumed["cross"]["images"] == 24
    runs = {run.data.tags["run_key"]: run for run in mlflow_runs(folder)}
    confirm = {key: run.data.metrics for key, run in runs.items() if key.startswith("confirm")}
    models = [metrics for key, metrics in confirm.items() if runs[key].data.params["variant"] != "baselines"]
    assert len(models) == 2 * CONFIRM * SPLITS
    (name,) = {key for metrics in models for key in metrics if key.startswith("cross_") and key.endswith("_srcc")}
    assert all({"test_srcc", name, name.replace("srcc", "krcc")} <= set(metrics) for metrics in models)
    assert sum(f"ridge_{name}" in metrics for metrics in confirm.values()) == SPLITS
    assert not any(name in run.data.metrics for key, run in runs.items() if key.startswith("trial"))
    uses = sorted(used.tags[0].value for used in runs["sweep"].inputs.dataset_inputs)
    assert uses == ["testing", "training"]
    assert runs["sweep"].data.metrics[name] == pytest.approx(resumed["best"]["cross"]["srcc"], abs=1e-6)
    best = resumed["best"]["run"]
    table = pd.read_csv(workspace.trials / best / "cross.csv")
    assert len(table) == 24 and confirm[best][name] == pytest.approx(
        table["predicted_alignment"].corr(table["alignment"], method="spearman"), abs=1e-6
    )
    changed = invoke(folder, "sweep", "--name", "life", "--test-dataset", "shapes:1", code=2)
    assert "test_dataset was" in changed.err and "now shapes:1" in changed.err


def test_best_model_in_mlflow_scores_as_measured(folder, workspace, resumed):
    client, best = MlflowClient(f"sqlite:///{folder}/mlflow.db"), resumed["best"]
    (model,) = [
        model
        for model in client.search_logged_models([resumed["mlflow"]["experiment_id"]])
        if model.source_run_id == best["mlflow_run_id"]
    ]
    mlflow.set_tracking_uri(client.tracking_uri)
    scorer = mlflow.pyfunc.load_model(f"models:/{model.model_id}")
    rows = pd.read_csv(workspace.trials / best["run"] / "predictions.csv").head(6)
    prompts = pd.read_csv(folder / "ratings.csv").set_index("image")["prompt"]
    images = [str(folder / name) for name in rows["name"]]
    scored = scorer.predict(pd.DataFrame({"image": images, "prompt": [prompts[name] for name in rows["name"]]}))
    np.testing.assert_allclose(scored["alignment"], rows["predicted_alignment"], atol=2e-3)


def test_sweep_folder_holds_no_pickle_but_tunes_own(workspace, resumed):
    assert load_spec(workspace.spec).trials == TRIALS
    assert len(list(workspace.splits.iterdir())) == SPLITS + 1
    assert {path.name for path in workspace.report.iterdir()} >= {"result.md", "result.csv", "search.png"}
    assert [path for path in workspace.root.rglob("*.pkl") if not path.is_relative_to(workspace.tune)] == []


def test_sweep_folder_is_enough_to_prepare_it(workspace, resumed):
    """`resume` depends on it."""
    prepared = prepare(load_spec(workspace.spec), space=load_space(workspace.space))
    assert json.loads(json.dumps(prepared.identity())) == json.loads(workspace.identity.read_text(encoding="utf-8"))


def test_finished_sweep_shows_its_result_and_runs_nothing(folder, resumed):
    before = {run.info.run_id for run in mlflow_runs(folder)}
    done = invoke(folder, "sweep", "--name", "life", "--json")
    assert json.loads(done.out) == resumed and "is finished" in done.err
    assert {run.info.run_id for run in mlflow_runs(folder)} == before


def test_finished_sweep_refuses_other_settings(folder, resumed):
    refused = invoke(folder, "sweep", "--name", "life", "--trials", 9, code=2)
    assert refused.out == "" and "trials was 2, now 9" in refused.err and refused.err.count("\n") == 1


def test_dry_run_estimates_and_writes_nothing(folder):
    before = sorted(path.name for path in folder.iterdir())
    data = ("--dataset", f"csv:{folder}/ratings.csv", "--trials", TRIALS)
    done = invoke(folder, "sweep", *data, *SMALL, "--name", "dry", "--dry-run", "--json")
    estimate = json.loads(done.out)
    assert estimate["trainings"] == 2 * (TRIALS + CONFIRM * SPLITS) and estimate["images"] == 96
    assert [corner["name"] for corner in estimate["corners"]] == ["smallest", "largest"]
    assert estimate["corners"][0]["parameters"] < estimate["corners"][1]["parameters"]
    assert sorted(path.name for path in folder.iterdir()) == before and not (folder / "sweeps" / "dry").exists()


def test_sweep_terminated_before_its_first_trial_can_be_resumed(folder):
    process = start(folder, "sweep", "--dataset", f"csv:{folder}/ratings.csv", *SMALL, "--name", "early")
    spec = Workspace(folder / "sweeps" / "early").spec
    try:
        while not spec.exists():
            assert process.poll() is None, process.communicate()
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=300)
    finally:
        process.kill()
    assert process.returncode == 130, err[-3000:]
    assert "resume early" in out and "Traceback" not in out + err


@pytest.fixture(scope="module")
def extended(folder, workspace, resumed):
    """The studies of `life` before its budget was raised, its result after that, and the terminal it ran on."""
    before = read_studies(workspace)
    session = run_on_terminal(folder, "resume", "life", "--trials", TRIALS + 1, "--json", columns=100, rows=30)
    assert session.code == 0, session.lines
    return before, json.loads(session.out), session


def test_nothing_that_libraries_print_reaches_the_terminal(folder, extended):
    lines = extended[-1].lines
    title = next(place for place, line in enumerate(lines) if line.startswith("text_hyper on csv:ratings.csv"))
    announced = ("RATINGS", "Confirm runs also score", "Read as")
    assert all(line.startswith(announced) for line in lines[:title]), lines
    assert not [line for line in lines if "Error" in line or "Warning" in line or "JobTrainable" in line], lines
    assert any(line.startswith("Took") for line in lines) and any(line.startswith("Results") for line in lines)


def test_the_terminal_shows_the_phases_the_best_runs_and_the_running_ones(extended):
    frames = extended[-1].frames
    for words in ("loading libraries", "reading data", "connecting to Ray", "starting workers", "confirm trial"):
        assert any(words in frame for frame in frames), words
    title = "life: text_hyper on csv:ratings.csv"
    shown = [title + after for _, found, after in (frame.partition(title) for frame in frames) if found]
    assert any("best     trial" in frame and "lr=" in frame and "CPU" in frame for frame in shown)
    whole = [frame for frame in shown if frame.rstrip().rpartition("\n")[2].startswith("CPU")]  # not half drawn
    for frame in whole:
        counted = re.search(r"(\d+) running", frame)
        assert int(counted[1] if counted else 0) == len(re.findall(r" running {3,}", frame)), frame


def test_extended_sweep_keeps_its_ledger(workspace, extended):
    before, result, _ = extended
    budget = TRIALS + 1
    assert sum(result["counts"].values()) == sum(result["control_counts"].values()) == result["budget"] == budget
    after = read_studies(workspace)
    for study, trials in before.items():
        assert after[study][: len(trials)] == trials
    assert load_spec(workspace.spec).trials == budget
    assert sum(json.loads(workspace.earlier_result(TRIALS).read_text(encoding="utf-8"))["counts"].values()) == TRIALS
    confirmed = [trial.attributes["source"] for trial in after["confirm"]]
    assert len(set(confirmed)) == len(confirmed)
    assert {result["best"]["source"], result["control"]["source"]} < set(confirmed)


def test_every_run_names_its_origin(folder, workspace, extended):
    studies = read_studies(workspace)
    sweep_id = load_spec(workspace.spec).id
    runs = {run.data.tags["run_key"]: run for run in mlflow_runs(folder) if run.data.tags.get("sweep_id") == sweep_id}
    assert len(runs) == 1 + sum(map(len, studies.values()))
    expected = {"version.torch", "data_hash", "split_hash", "seed", "host", "device", "spec", "job"}
    if (REPOSITORY / ".git").exists():
        expected |= {"git.commit", "git.dirty", "mlflow.source.git.commit"}
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    facts = {key: run_facts(client, run) for key, run in runs.items()}
    assert all(expected <= found.keys() for key, found in facts.items() if key != "sweep")
    assert not {"version.torch", "split_hash", "job"} & runs["trial-0001"].data.tags.keys()
    assert set(json.loads(facts["sweep"]["splits"]).values()) >= {
        found["split_hash"] for key, found in facts.items() if key != "sweep"
    }
    assert all(run.inputs.dataset_inputs for run in runs.values())
    assert runs["sweep"].data.tags["budget"] == str(TRIALS + 1) and runs["sweep"].info.status == "FINISHED"
    trial = runs["trial-0001"]
    own = facts["trial-0001"]
    assert json.loads(own["job"])["params"]["lr"] == float(trial.data.params["lr"])
    assert own["encoder.image"] and own["encoder.prompt"]


def test_rerun_repeats_a_trial_and_a_confirm_run_bit_for_bit(folder, workspace, extended):
    # Which trials are trained to their end depends on which report first.
    trials = read_studies(workspace)["search"]
    complete = next(f"life/trial-{trial.number:04d}" for trial in trials if trial.outcome is Outcome.COMPLETE)
    comparison = json.loads(run(folder, "rerun", complete, "--json").out)
    changed = [line for line in comparison["changed"] if not line.startswith("git.")]  # someone may commit meanwhile
    assert comparison["same"] and changed == []
    assert [line["epoch"] for line in comparison["epochs"]] == [1, 2, 3, 0]
    assert all(line["then"]["train_loss"] == line["now"]["train_loss"] for line in comparison["epochs"][:3])
    (again,) = [run for run in mlflow_runs(folder) if run.data.tags.get("rerun_of") == complete]
    assert again.data.tags["same"] == "true" and "sweep_id" not in again.data.tags
    confirm = mlflow_runs(folder, extended[1]["best"]["run"]).info.run_id
    comparison = json.loads(invoke(folder, "rerun", confirm, "--no-log", "--out", "elsewhere", "--json").out)
    assert comparison["same"] and {"test_srcc", "best_val_srcc"} <= comparison["epochs"][-1]["now"].keys()


def test_rerun_of_another_seed_finds_another_curve(folder, extended):
    """The comparison is with the new training, not with the stored one."""
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    first = mlflow_runs(folder, "trial-0000")
    facts = run_facts(client, first)
    job = {**json.loads(facts["job"]), "seed": 99}
    tags = {**first.data.tags, "spec": facts["spec"], "job": json.dumps(job), "run_key": "copy"}
    copy = client.create_run(first.info.experiment_id, tags=tags)
    for name in ("val_srcc", "train_loss"):
        for point in client.get_metric_history(first.info.run_id, name):
            client.log_metric(copy.info.run_id, name, point.value, step=point.step)
    try:
        done = invoke(folder, "rerun", copy.info.run_id, "--no-log", "--json", code=1)
    finally:
        client.delete_run(copy.info.run_id)
    comparison = json.loads(done.out)
    assert not comparison["same"] and comparison["first_difference"].startswith("epoch 1: ")


def test_sweep_is_exported_archived_restored_and_deleted(folder, workspace, extended):
    invoke(folder, "sweeps", "export", "life", "--to", "life.zip")
    with zipfile.ZipFile(folder / "life.zip") as file:
        names = set(file.namelist())
        file.extractall(folder / "given")
    assert {"life/models/best/model.json", "life/trials.csv", "life/ledger.journal", "life/result.json"} <= names
    model = ("--model", "given/life/models/best")
    scored = invoke(folder, "score", "00_0.png", "--prompt", "a scene 0", *model, "--json")
    assert len(json.loads(scored.out)["scores"]) == 1
    invoke(folder, "sweeps", "archive", "life")
    assert not workspace.root.exists() and "archived" in invoke(folder, "sweeps").out
    invoke(folder, "resume", "life", code=2)
    invoke(folder, "sweeps", "restore", "life")
    assert json.loads(invoke(folder, "resume", "life", "--json").out) == extended[1]
    invoke(folder, "sweeps", "delete", "life", code=1)  # the end of the input in place of an answer
    assert workspace.spec.is_file()
    assert "stay in MLflow" in invoke(folder, "sweeps", "delete", "life", "--yes").out
    assert not workspace.root.exists()
