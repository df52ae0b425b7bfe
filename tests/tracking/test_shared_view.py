"""The shared view of a sweep's runs, as MLflow's page reads it."""

import json
from urllib.parse import parse_qs, urlsplit

from orchestrator.tracking.recorder import SWEEP
from orchestrator.tracking.shared_view import runs_address, view_tag
from tests.tracking.tracked import record_sweep


def test_a_view_has_filter_order_columns_and_a_chart():
    ((key, value),) = view_tag("9b1e2bce", "mine", ["lr", "depth", "rank", "widths"], 7).items()
    told = json.loads(value)
    assert (key, told["name"], told["createdAt"]) == ("mlflow.sharedViewState.9b1e2bce", "mine", 7)
    state = json.loads(told["state"])
    assert state["searchFilter"] == "tags.sweep_id = '9b1e2bce'" and state["orderByAsc"] is False
    columns = ["metrics.`best_val_srcc`", "params.`lr`", "params.`depth`", "params.`rank`", "tags.`outcome`"]
    assert state["selectedColumns"] == columns and state["orderByKey"] == columns[0]
    (chart,) = state["compareRunCharts"]
    assert chart["metricKey"] == "val_srcc" and chart["metricSectionId"] == state["compareRunSections"][0]["uuid"]
    assert told["selectedColumns"] == columns, "MLflow without named views reads the tag itself"
    assert len(value) < 20_000, "the longest tag of an experiment"


def test_the_address_names_the_view_of_model_trainings():
    address = urlsplit(runs_address("http://mlflow:5000/", "3", "9b1e2bce"))
    path, _, query = address.fragment.partition("?")
    assert (address.netloc, path) == ("mlflow:5000", "/experiments/3/runs")
    assert parse_qs(query) == {"workflowType": ["machine_learning"], "viewStateShareKey": ["9b1e2bce"]}


def test_the_experiment_gets_the_view_and_a_description_that_a_user_may_change(tracked):
    tags = view_tag(tracked.sweep_id, "mine", ["lr"], 7)
    about = {"mlflow.note.content": "Sweeps."}
    tracked.recorder.record("experiment", SWEEP, tags=tags, defaults=about)
    record_sweep(tracked.recorder, trials=1)
    sink = tracked.send_all()
    assert {**tags, **about}.items() <= tracked.client.get_experiment(sink.experiment_id).tags.items()
    tracked.client.set_experiment_tag(sink.experiment_id, "mlflow.note.content", "Mine.")
    tracked.send_all()
    assert tracked.client.get_experiment(sink.experiment_id).tags["mlflow.note.content"] == "Mine."
