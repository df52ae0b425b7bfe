"""The data set and its split as MLflow's dataset inputs of a run."""

from __future__ import annotations

import json
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag


def log_dataset(client: MlflowClient, run_id: str, data: dict[str, Any]) -> None:
    """Ties a data set to a run.

    Args:
        client: MLflow's.
        run_id: the run's id.
        data: `name`, `digest` (data hash), `rows`, `columns`, `source`, `split` (protocol and sizes), and `context`
            where it is not "training".
    """
    described = Dataset(
        name=data["name"],
        digest=data["digest"][:32],
        source_type="local",
        source=json.dumps({"uri": data["source"]}),
        schema=json.dumps({"mlflow_colspec": [{"name": c, "type": t, "required": True} for c, t in data["columns"]]}),
        profile=json.dumps({"num_rows": data["rows"], **data["split"]}),
    )
    tags = [InputTag("mlflow.data.context", data.get("context", "training"))]
    client.log_inputs(run_id, [DatasetInput(described, tags)])
