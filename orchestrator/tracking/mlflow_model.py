"""A trained model as an MLflow model: a pyfunc whose code is this package and whose data is safetensors and JSON."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlflow import MlflowClient
from mlflow.entities import LoggedModelStatus

if TYPE_CHECKING:
    import pandas as pd

_REQUIREMENTS = (
    "torch",
    "torchvision",
    "timm",
    "sentence-transformers",
    "safetensors",
    "pandas",
    "pillow",
    "numpy",
)


def log_model(client: MlflowClient, run_id: str, experiment_id: str, data: dict[str, Any]) -> None:
    """Logs a saved scorer's folder as the run's model; a second time changes nothing.

    Args:
        client: MLflow's.
        run_id: the run's id.
        experiment_id: of the run.
        data: `path` (folder of the scorer), `name`, `targets`, and `criteria` where it reads them.
    """
    import mlflow
    from mlflow.models import Model, ModelSignature
    from mlflow.types import ColSpec, DataType, Schema

    if not Path(data["path"]).is_dir():
        return
    filter_string = f"source_run_id = '{run_id}'"
    found = client.search_logged_models([experiment_id], filter_string=filter_string)
    if any(model.status == LoggedModelStatus.READY for model in found):
        return
    for torn in found:  # whoever logged it was killed; what is linked to its run already cannot be logged again
        client.delete_logged_model(torn.model_id)
    # Left to itself, `Model.log` files it under the experiment "Default".
    params = client.get_run(run_id).data.params
    model = client.create_logged_model(experiment_id, data["name"], run_id, params=params)
    mlflow.set_tracking_uri(client.tracking_uri)
    columns = ["image", "prompt", *(["criteria"] if data.get("criteria") else [])]
    inputs = Schema([ColSpec(DataType.string, column) for column in columns])
    outputs = Schema([ColSpec(DataType.double, target) for target in data["targets"]])
    Model.log(
        artifact_path=None,
        name=data["name"],
        model_id=model.model_id,
        flavor=mlflow.pyfunc,
        run_id=run_id,
        loader_module="orchestrator.tracking.mlflow_model",
        data_path=data["path"],
        signature=ModelSignature(inputs=inputs, outputs=outputs),
        pip_requirements=[f"{package}=={version(package).split('+')[0]}" for package in _REQUIREMENTS],
    )


class _Pyfunc:
    """What `mlflow.pyfunc.load_model` wraps."""

    def __init__(self, folder: Path) -> None:
        from orchestrator.scorer import load_scorer

        self._score = load_scorer(folder)

    def predict(self, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Scores of a table with columns image (a path), prompt and, for a model that reads them, criteria."""
        criteria = list(model_input["criteria"]) if self._score.needs_criteria else None
        scored = self._score(list(model_input["image"]), list(model_input["prompt"]), criteria)
        return scored[list(self._score.card.targets)]


def _load_pyfunc(data_path: str) -> _Pyfunc:
    """MLflow's entry point."""
    return _Pyfunc(Path(data_path))
