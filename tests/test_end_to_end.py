"""A tiny sweep on a CSV made here, through the real Ray and into MLflow on SQLite, as a user would run it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient

from orchestrator.core.spec import load_spec
from orchestrator.core.workspace import Workspace
from orchestrator.execution.prepare import prepare
from orchestrator.scoring import load_scorer
from orchestrator.search.journal_storage import open_journal
from orchestrator.search.ledger import Ledger
from orchestrator.search.space import load_space
from orchestrator.tracking.recorder import STATUS
from tests.ratings import make_ratings

pytestmark = pytest.mark.long

TRIALS, EPOCHS, CONFIRM, SPLITS = 3, 4, 1, 2
REPORTED = '"op_code":7'
"""In Optuna's journal: an epoch's objective."""
SETTINGS = ["--trials", str(TRIALS), "--epochs", str(EPOCHS), "--confirm", str(CONFIRM), "--splits", str(SPLITS)]


@pytest.fixture(scope="module")
def folder(module_folder):
    """24 prompts × 4 little images whose brightness is the score, all but for noise."""
    make_ratings(module_folder)
    return module_folder


def start(folder: Path, *arguments: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "orchestrator.sweep", "--dataset", f"csv:{folder}/ratings.csv", *arguments]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def run(folder: Path, *arguments: str) -> tuple[int, str, str]:
    process = start(folder, *arguments)
    out, err = process.communicate(timeout=400)
    return process.returncode, out, err


@pytest.fixture(scope="module")
def finished(folder):
    """The sweep `tiny`, run once: what it printed."""
    code, out, err = run(folder, *SETTINGS, "--name", "tiny", "--json")
    assert code == 0, err[-3000:]
    assert out.count("\n") == 1, "standard output holds the one object and nothing else"
    return json.loads(out)


@pytest.fixture(scope="module")
def workspace(folder, finished):
    return Workspace(folder / "sweeps" / "tiny")


def test_the_json_object(finished, folder, workspace):
    assert set(finished) >= {
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
    assert (finished["variant"], finished["protocol"]) == ("text_hyper", "disjoint")
    assert finished["dataset"] == "csv:ratings.csv" and finished["targets"] == ["alignment"]
    for part in ("best", "control"):
        found = finished[part]
        assert set(found) >= {"trial", "params", "val", "test", "mlflow_run_id"}
        assert isinstance(found["trial"], int) and found["params"]
        for figures in (found["val"], found["test"]):
            assert all(-1 <= figures[name] <= 1 for name in ("srcc", "plcc"))
        low, high = found["test"]["interval"]
        assert low <= high and found["mlflow_run_id"]
    assert set(finished["baselines"]) >= {"ridge", "generator_mean", "prompt_mean"}
    assert all({"srcc", "plcc"} <= set(figures) for figures in finished["baselines"].values())
    assert finished["baselines"]["prompt_mean"]["reason"], "prompts are disjoint, so there is no mean to predict"
    assert set(finished["counts"]) == {"complete", "pruned", "diverged", "infeasible", "failed"}
    assert set(finished["mlflow"]) >= {"tracking_uri", "experiment_id", "run_id"}
    assert finished["seconds"] > 0 and finished == json.loads(workspace.result.read_text())


def test_counts_add_up_to_the_budget(finished):
    assert sum(finished["counts"].values()) == sum(finished["control_counts"].values()) == TRIALS
    assert finished["counts"]["failed"] == 0


def studies(workspace):
    storage, space = open_journal(workspace.ledger), load_space(workspace.space)
    spaces = {"search": space, "control": space.without_hypernet(), "confirm": None}
    return {study: Ledger(storage, study, own) for study, own in spaces.items()}


def mlflow_runs(folder, workspace):
    """MLflow's runs of a sweep by their key."""
    client, sweep_id = MlflowClient(f"sqlite:///{folder}/mlflow.db"), load_spec(workspace.spec).id
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    runs = client.search_runs(experiments, f"tags.sweep_id = '{sweep_id}'", max_results=1000)
    keyed = {run.data.tags["run_key"]: run for run in runs}
    assert len(keyed) == len(runs), "a run is there twice"
    return client, keyed


def assert_ledger_and_mlflow_agree(folder, workspace):
    client, runs = mlflow_runs(folder, workspace)
    titles = {"search": "trial", "control": "control", "confirm": "confirm"}
    trials = {f"{titles[s]}-{t.number:04d}": t for s, ledger in studies(workspace).items() for t in ledger.all()}
    assert set(runs) == {"sweep", *trials}
    for key, trial in trials.items():
        run = runs[key]
        assert run.data.tags["mlflow.parentRunId"] == runs["sweep"].info.run_id
        assert run.data.tags["outcome"] == str(trial.outcome) and run.info.status == STATUS[trial.outcome]
        assert {name: str(value) for name, value in trial.params.items()}.items() <= run.data.params.items() or (
            key.startswith("confirm")
        )
        if run.data.params["variant"] != "baselines":
            history = client.get_metric_history(run.info.run_id, "val_srcc")
            points = {point.step: point.value for point in history}
            assert len(history) == len(points) and points == pytest.approx(trial.epochs)
            assert run.data.metrics["best_val_srcc"] == pytest.approx(trial.objective)
    return runs


def test_every_trial_is_one_run_with_the_same_end(finished, folder, workspace):
    runs = assert_ledger_and_mlflow_agree(folder, workspace)
    assert len(runs) == 1 + 2 * TRIALS + (2 * CONFIRM + 1) * SPLITS
    sweep = runs["sweep"]
    assert (sweep.info.status, sweep.info.run_name) == ("FINISHED", "tiny")
    assert sweep.info.run_id == finished["mlflow"]["run_id"]
    assert sweep.data.metrics["test_srcc"] == pytest.approx(finished["best"]["test"]["srcc"], abs=1e-6)
    assert "text_hyper" in sweep.data.tags["mlflow.note.content"]
    assert sweep.inputs.dataset_inputs[0].dataset.name == "ratings.csv"


def test_the_best_model_is_in_mlflow_and_scores(finished, folder, workspace):
    client, runs = mlflow_runs(folder, workspace)
    models = client.search_logged_models([runs["sweep"].info.experiment_id])
    best = next(model for model in models if model.source_run_id == finished["best"]["mlflow_run_id"])
    assert runs[finished["best"]["run"]].info.run_id == best.source_run_id
    import mlflow

    mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
    scorer = mlflow.pyfunc.load_model(f"models:/{best.model_id}")
    rows = pd.read_csv(workspace.trials / finished["best"]["run"] / "predictions.csv").head(6)
    prompts = pd.read_csv(folder / "ratings.csv").set_index("image")["prompt"]
    images = [str(folder / name) for name in rows["name"]]
    scored = scorer.predict(pd.DataFrame({"image": images, "prompt": [prompts[name] for name in rows["name"]]}))
    np.testing.assert_allclose(scored["alignment"], rows["predicted_alignment"], atol=2e-3)


def test_the_folder_of_a_sweep(workspace, finished):
    assert load_spec(workspace.spec).trials == TRIALS
    assert len(list(workspace.splits.iterdir())) == SPLITS + 1
    assert {path.name for path in workspace.report.iterdir()} >= {"result.md", "result.csv", "search.png"}
    assert not list(workspace.root.glob("**/*.pkl")) or all("tune" in str(p) for p in workspace.root.glob("**/*.pkl"))


def test_run_again_by_its_name_it_shows_the_result_and_runs_nothing(folder, finished, workspace):
    before = set(mlflow_runs(folder, workspace)[1])
    began = time.monotonic()
    code, out, err = run(folder, "--name", "tiny", "--json")
    assert code == 0 and json.loads(out) == finished and "is finished" in err
    assert time.monotonic() - began < 60
    assert set(mlflow_runs(folder, workspace)[1]) == before


def test_a_name_with_other_settings_is_refused(folder, finished):
    code, out, err = run(folder, "--name", "tiny", "--trials", "9")
    assert (code, out) == (2, "") and "trials was 3, now 9" in err and err.count("\n") == 1


def test_interrupted_and_gone_on_with_it_ends_with_exactly_its_budget(folder):
    name = "stopped"
    process = start(folder, *SETTINGS, "--name", name, "--concurrency", "2")
    journal = Workspace(folder / "sweeps" / name).ledger
    deadline = time.monotonic() + 240
    try:
        while not (journal.exists() and journal.read_text().count(REPORTED) >= 3):
            assert process.poll() is None and time.monotonic() < deadline, process.communicate()
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=120)
    finally:
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
    assert process.returncode == 130, err[-3000:]
    assert f"python -m orchestrator.resume {name}" in out and "Traceback" not in out + err, out + err
    workspace = Workspace(folder / "sweeps" / name)
    before = {study: ledger.all() for study, ledger in studies(workspace).items()}
    assert not workspace.result.exists()
    assert mlflow_runs(folder, workspace)[1]["sweep"].info.status == "KILLED"

    code, out, err = run(folder, "--name", name, "--concurrency", "1", "--json")
    assert code == 0, err[-3000:]
    result = json.loads(out)
    assert sum(result["counts"].values()) == sum(result["control_counts"].values()) == TRIALS
    after = {study: ledger.all() for study, ledger in studies(workspace).items()}
    for study, trials in before.items():
        for old, new in zip(trials, after[study], strict=False):
            assert old.params == new.params and old.epochs.items() <= new.epochs.items()
            assert old.outcome in {None, new.outcome}
    assert len(after["confirm"]) == (2 * CONFIRM + 1) * SPLITS
    assert_ledger_and_mlflow_agree(folder, workspace)


def test_interrupted_before_the_first_trial_it_can_go_on(folder):
    process = start(folder, *SETTINGS, "--name", "early", "--tracking-uri", f"sqlite:///{folder}/early.db")
    spec = Workspace(folder / "sweeps" / "early").spec
    while not spec.exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130, err[-3000:]
    assert "resume early" in out and "Traceback" not in out + err


def test_criteria_from_a_file_are_searched_with_and_scored_with(folder):
    lines = [json.dumps({"prompt": f"a scene {n}", "criteria": f"bright, of kind {n % 5}"}) for n in range(24)]
    (folder / "criteria.jsonl").write_text("\n".join(lines))
    small = ("--trials", "1", "--epochs", "2", "--confirm", "1", "--splits", "1", "--pruner", "none")
    criteria = ("--variant", "criteria_hyper", "--criteria", "criteria.jsonl")
    code, out, err = run(folder, *criteria, *small, "--name", "criteria", "--json")
    assert code == 0, err[-3000:]
    result = json.loads(out)
    assert result["counts"]["complete"] == 1 and result["best"]["test"]["srcc"] is not None
    scorer = load_scorer(folder / "sweeps" / "criteria" / "trials" / result["best"]["run"] / "model")
    image = folder / "00_0.png"
    one, other = (scorer([image], ["a scene 0"], [text])["alignment"][0] for text in ("bright", "a dark night"))
    assert one != other
    with pytest.raises(ValueError, match="criteria for each image"):
        scorer([image], ["a scene 0"])


def test_a_second_data_set_is_scored_by_every_confirm_run(folder):
    """Trained on the CSV, tested on `shapes` as well: in the folder, in the result, in MLflow."""
    small = ("--trials", "1", "--epochs", "2", "--confirm", "1", "--splits", "2", "--pruner", "none")
    code, out, err = run(folder, *small, "--test-dataset", "shapes", "--name", "cross", "--json")
    assert code == 0, err[-3000:]
    result, workspace = json.loads(out), Workspace(folder / "sweeps" / "cross")
    assert result["cross"]["dataset"] == "shapes" and result["cross"]["images"] == 480
    assert "Confirm runs also score 480 images of 60 prompts of shapes." in err and "The same on shapes" in err
    _, runs = mlflow_runs(folder, workspace)
    confirm = {key: run.data.metrics for key, run in runs.items() if key.startswith("confirm")}
    models = [found for key, found in confirm.items() if runs[key].data.params["variant"] != "baselines"]
    assert len(models) == 4 and all({"test_srcc", "cross_shapes_srcc", "cross_shapes_krcc"} <= set(m) for m in models)
    assert sum("ridge_cross_shapes_srcc" in found for found in confirm.values()) == 2
    assert not any("cross_shapes_srcc" in run.data.metrics for key, run in runs.items() if key.startswith("trial"))
    inputs = {found.dataset.name: found.tags[0].value for found in runs["sweep"].inputs.dataset_inputs}
    assert inputs == {"ratings.csv": "training", "shapes": "testing"}
    headline = runs["sweep"].data.metrics["cross_shapes_srcc"]
    assert headline == pytest.approx(result["best"]["cross"]["srcc"], abs=1e-6)

    best = result["best"]["run"]
    table = pd.read_csv(workspace.trials / best / "cross.csv")
    assert len(table) == 480 and confirm[best]["cross_shapes_srcc"] == pytest.approx(
        table["predicted_alignment"].corr(table["alignment"], method="spearman"), abs=1e-6
    )
    code, out, err = run(folder, "--name", "cross", "--test-dataset", "shapes:1")
    assert code == 2 and "test_dataset was shapes, now shapes:1" in err


def test_dry_run_says_what_would_happen_and_writes_nothing(folder):
    before = sorted(path.name for path in folder.iterdir())
    code, out, err = run(folder, *SETTINGS, "--name", "dry", "--dry-run", "--json")
    assert code == 0, err
    estimate = json.loads(out)
    assert estimate["trainings"] == 2 * (TRIALS + CONFIRM * SPLITS) and estimate["images"] == 96
    assert [corner["name"] for corner in estimate["corners"]] == ["smallest", "largest"]
    assert estimate["corners"][0]["parameters"] < estimate["corners"][1]["parameters"]
    assert sorted(path.name for path in folder.iterdir()) == before and not (folder / "sweeps" / "dry").exists()


def test_a_space_of_the_shipped_kind_prepares(folder, workspace, finished):
    """A sweep's own folder is enough to prepare it again: what `resume` stands on."""
    prepared = prepare(load_spec(workspace.spec), space=load_space(workspace.space))
    assert json.loads(json.dumps(prepared.identity())) == json.loads(workspace.identity.read_text())
