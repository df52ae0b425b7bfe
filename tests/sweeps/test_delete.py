"""A sweep is deleted from disk and, if asked, from MLflow."""

import pytest
from mlflow import MlflowClient

from orchestrator.core.errors import InputError
from orchestrator.core.spec import load_spec
from orchestrator.core.sweep_folder import lock_sweep
from orchestrator.sweeps.delete import delete_sweep
from orchestrator.tracking.destination import choose_destination
from orchestrator.tracking.event import Event
from orchestrator.tracking.spool import Spool


@pytest.fixture
def recorded(make, tmp_path):
    """A sweep with two runs in MLflow, next to another sweep's."""
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    workspaces = [make(name, trials=2, tracking_uri=uri) for name in ("mine", "other")]
    for workspace in workspaces:
        sink = choose_destination(load_spec(workspace.spec), Spool(workspace.spool)).open()
        sink.send([Event("start", key, {"name": key}) for key in ("sweep", "trial-0000")])
    return workspaces[0], MlflowClient(uri)


def runs(client):
    (experiment,) = [e for e in client.search_experiments() if e.name == "text_hyper on shapes"]
    return client.search_runs([experiment.experiment_id])


def test_runs_in_mlflow_stay_unless_they_are_asked_for(recorded, out):
    workspace, client = recorded
    said = str(delete_sweep(workspace))
    assert not workspace.root.exists() and {p.name for p in out.iterdir()} == {"other"}
    assert len(runs(client)) == 4 and "stay in MLflow" in said and "text_hyper on shapes" in said


def test_with_mlflow_its_own_go_and_no_others(recorded):
    workspace, client = recorded
    kept = load_spec(workspace.root.parent / "other" / "spec.yaml").id
    assert "its 2 runs" in str(delete_sweep(workspace, with_mlflow=True))
    assert {run.data.tags["sweep_id"] for run in runs(client)} == {kept} and len(runs(client)) == 2


def test_what_made_a_registered_model_stays(recorded):
    workspace, client = recorded
    sweep_id = load_spec(workspace.spec).id
    run = next(run for run in runs(client) if run.data.tags["sweep_id"] == sweep_id)
    client.create_registered_model("champion")
    client.create_model_version("champion", "somewhere", run.info.run_id)
    with pytest.raises(InputError, match="champion version 1"):
        delete_sweep(workspace, with_mlflow=True)
    assert workspace.spec.is_file() and len(runs(client)) == 4


def test_a_running_one_is_refused(recorded):
    workspace, _ = recorded
    with lock_sweep(workspace), pytest.raises(InputError, match="mine is running"):
        delete_sweep(workspace)
    assert workspace.spec.is_file()
