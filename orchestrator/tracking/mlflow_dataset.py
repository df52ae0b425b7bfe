"""Dataset inputs of a run: the data set and its split."""

from __future__ import annotations

import json
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag

DIGEST_LENGTH = 32
"""Characters of a data hash that are logged, of at most 36 that MLflow keeps."""


def log_dataset(client: MlflowClient, run_id: str, data: dict[str, Any]) -> None:
    """Log a data set as an input of a run.

    Args:
        client: MLflow's client.
        run_id: id of the run.
        data: `name`, `digest` (data hash), `rows`, `columns`, `source`, `split` (protocol and sizes), and `context`,
            by default "training".
    """
    described = Dataset(
        name=data["name"],
        digest=data["digest"][:DIGEST_LENGTH],
        source_type="local",
        source=json.dumps({"uri": data["source"]}),
        schema=json.dumps({"mlflow_colspec": [{"name": c, "type": t, "required": True} for c, t in data["columns"]]}),
        profile=json.dumps({"num_rows": data["rows"], **data["split"]}),
    )
    tags = [InputTag("mlflow.data.context", data.get("context", "training"))]
    client.log_inputs(run_id, [DatasetInput(described, tags)])
