"""Addresses of a sweep's pages."""

import json

import pytest

from orchestrator.core.errors import InputError
from orchestrator.sweeps import open_report
from orchestrator.sweeps.open_report import mlflow_address, report_address


@pytest.fixture
def workspace(make, monkeypatch):
    monkeypatch.setattr(open_report, "refused", lambda address: None)
    return make("mine", trials=1, finished=True)


def set_mlflow(workspace, **mlflow):
    result = json.loads(workspace.result.read_text(encoding="utf-8"))
    workspace.result.write_text(json.dumps(result | {"mlflow": mlflow}), encoding="utf-8")


def test_page_of_a_sweep_is_a_file(workspace):
    with pytest.raises(InputError, match="has no report page yet. Write it with: python -m orchestrator.report mine"):
        report_address(workspace)
    workspace.report_page.touch()
    assert report_address(workspace) == workspace.report_page.as_uri()


def test_runs_have_the_address_that_the_result_names(workspace):
    set_mlflow(workspace, tracking_uri="http://mlflow:5000", page="http://mlflow:5000/#/experiments/1/runs?x=1")
    assert mlflow_address(workspace) == "http://mlflow:5000/#/experiments/1/runs?x=1"


def test_an_earlier_result_gets_the_address_of_its_experiment(workspace):
    set_mlflow(workspace, tracking_uri="sqlite:////data/mlflow.db", experiment_id="7")
    assert mlflow_address(workspace).startswith(
        "http://127.0.0.1:5000/#/experiments/7/runs?workflowType=machine_learning"
    )


def test_a_database_that_no_server_shows_names_the_command(workspace, monkeypatch, capsys):
    monkeypatch.setattr(open_report, "refused", lambda address: OSError("refused"))
    set_mlflow(workspace, tracking_uri="sqlite:////data/mlflow.db", page="http://127.0.0.1:5000/#/experiments/1/runs")
    assert mlflow_address(workspace) == "http://127.0.0.1:5000/#/experiments/1/runs"
    assert capsys.readouterr().err.endswith("mlflow ui --backend-store-uri sqlite:////data/mlflow.db\n")


def test_runs_that_have_not_reached_mlflow_are_synced_first(workspace):
    set_mlflow(workspace, tracking_uri="http://mlflow:5000", page=None, experiment_id=None)
    with pytest.raises(InputError, match="orchestrator.sync"):
        mlflow_address(workspace)
