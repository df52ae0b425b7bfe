"""A view of a sweep's runs for MLflow's experiment page, and the link that opens it.

The page's button "Share" stores such a view as a tag of the experiment. It has columns and charts, which the page's
address cannot have.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote, urlencode
from uuid import NAMESPACE_URL, uuid5

LOCAL_SERVER = "http://127.0.0.1:5000"
"""Address at which `mlflow ui` serves its pages."""

OBJECTIVE = "best_val_srcc"
"""Metric of a trial that the view sorts by."""

_CHART = ("Validation SRCC", "val_srcc")
"""Section and metric of the chart that stands before those of all metrics."""

_ALL_METRICS = ("Model metrics", "System metrics")
"""Sections to which MLflow's page adds a chart for each metric; it needs them to be there."""

_TAG = "mlflow.sharedViewState."
_MOST_PARAMETERS = 3


def view_tag(sweep_id: str, name: str, parameters: Sequence[str], time_ms: int) -> dict[str, str]:
    """Return the experiment's tag with the view of a sweep's runs.

    Args:
        sweep_id: id of the sweep, by which the view filters.
        name: name of the view, the sweep's.
        parameters: searched parameters, the most important first; the first three become columns.
        time_ms: milliseconds since 1970.
    """
    columns = [f"metrics.`{OBJECTIVE}`", *(f"params.`{parameter}`" for parameter in parameters[:_MOST_PARAMETERS])]
    listed: dict[str, Any] = {
        "searchFilter": _filter(sweep_id),
        "orderByKey": f"metrics.`{OBJECTIVE}`",
        "orderByAsc": False,
        "selectedColumns": [*columns, "tags.`outcome`"],
    }
    sections, charts = _charts(sweep_id)
    state = json.dumps({**listed, "compareRunSections": sections, "compareRunCharts": charts})
    # Versions of MLflow without named views read filter, order and columns from the tag itself.
    envelope = {"name": name, "createdAt": time_ms, "updatedAt": time_ms, "state": state}
    return {f"{_TAG}{sweep_id}": json.dumps({**listed, **envelope})}


def runs_address(server: str, experiment_id: str, sweep_id: str) -> str:
    """Return the address of a sweep's runs in MLflow's view of model trainings.

    Args:
        server: address of MLflow's pages.
        experiment_id: id of the experiment.
        sweep_id: id of the sweep.

    Example:
        >>> runs_address("http://127.0.0.1:5000", "3", "9b1e2bce")
        'http://127.0.0.1:5000/#/experiments/3/runs?workflowType=machine_learning&viewStateShareKey=9b1e2bce'
    """
    # Without the workflow type MLflow opens a page about traces of language models.
    query = urlencode({"workflowType": "machine_learning", "viewStateShareKey": sweep_id})
    return f"{server.rstrip('/')}/#/experiments/{quote(experiment_id)}/runs?{query}"


def _filter(sweep_id: str) -> str:
    return f"tags.sweep_id = '{sweep_id}'"


def _charts(sweep_id: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return sections and charts as MLflow's page stores them."""
    title, metric = _CHART
    sections = [
        {
            "uuid": str(uuid5(NAMESPACE_URL, f"{sweep_id}/{name}")),
            "name": name,
            "display": name != "System metrics",
            "isReordered": False,
            "deleted": False,
            "isGenerated": name != title,
        }
        for name in (title, *_ALL_METRICS)
    ]
    chart = {
        "uuid": str(uuid5(NAMESPACE_URL, f"{sweep_id}/{title}/{metric}")),
        "type": "LINE",
        "metricSectionId": sections[0]["uuid"],
        "metricKey": metric,
        "selectedMetricKeys": [metric],
        "displayName": metric,
        "isGenerated": False,
        "deleted": False,
        "runsCountToCompare": 10,
        "lineSmoothness": 0,
        "scaleType": "linear",
        "xAxisScaleType": "linear",
        "xAxisKey": "step",
        "selectedXAxisMetricKey": "",
        "useGlobalXaxisKey": True,
        "useGlobalLineSmoothing": True,
    }
    return sections, [chart]
