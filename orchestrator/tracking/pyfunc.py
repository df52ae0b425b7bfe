"""What `mlflow.pyfunc.load_model` and `mlflow models serve` run: this package on a folder of safetensors and JSON.

MLflow imports this module by its name; no object of it is ever pickled.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.tracking.digest import folder_digest

if TYPE_CHECKING:
    import pandas as pd

LOADER = __name__
DIGEST = "sha256"
"""In the metadata of the file `MLmodel`: what `folder_digest` has to say of the model's folder."""


class ScoringModel:
    """Scores the rows of a table.

    Args:
        folder: of the saved model.
    """

    def __init__(self, folder: Path) -> None:
        from orchestrator.scoring import load_scorer

        self._score = load_scorer(folder)

    def predict(self, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Scores, and why an image has none.

        Args:
            model_input: columns `image` (a path on the machine that scores, a `data:` URL, or base64 of an image
                file), `prompt` and, for a model that reads them, `criteria`.
            params: none are known.
        """
        criteria = list(model_input["criteria"]) if self._score.needs_criteria else None
        scored = self._score(list(model_input["image"]), list(model_input["prompt"]), criteria)
        scored = scored.drop(columns=["image", "prompt"])
        if scored["reason"].isna().all():
            return scored
        return scored.astype(object).where(scored.notna(), None)  # JSON has no NaN


def _load_pyfunc(data_path: str) -> ScoringModel:
    """MLflow's entry point.

    Raises:
        ModelLoadError: the files are not those that were logged, or not those of the registered version that MLflow was
            asked for, or cannot be scored with.
    """
    from orchestrator.scoring import ModelLoadError

    folder = Path(data_path)
    root, found = folder.parents[1], folder_digest(folder)
    if _said(root / "MLmodel") != found:
        raise ModelLoadError(f"The model in {folder} is not the one that was logged: its files have changed.")
    vouched = _vouched(root / "registered_model_meta")
    if vouched is not None and vouched != found:
        raise ModelLoadError(f"The model in {folder} is not one that the registry vouches for: it is not loaded.")
    return ScoringModel(folder)


def _said(file: Path) -> str | None:
    found = (_read(file).get("metadata") or {}).get(DIGEST)
    return found if isinstance(found, str) else None


def _vouched(file: Path) -> str | None:
    """What the registry says of the version that was asked for, "" where it says nothing; None where none was.

    Args:
        file: MLflow's note of the version, which it writes beside `MLmodel` whenever it loads one by its name.
    """
    import mlflow

    note = _read(file)
    name, number = note.get("model_name"), note.get("model_version")
    # An image that a model was built into has no registry to ask; MLflow would make an empty one in the working folder.
    if not name or not mlflow.is_tracking_uri_set():
        return None
    from orchestrator.core.errors import reason
    from orchestrator.scoring import ModelLoadError
    from orchestrator.tracking.mlflow_client import MlflowClient, MlflowException

    try:
        return MlflowClient().get_model_version(name, str(number)).tags.get(DIGEST, "")
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":  # a note of another registry's, or of a deleted version
            return None
        raise ModelLoadError(f"MLflow cannot be asked who vouches for {name}/{number}: {reason(error)}") from error


def _read(file: Path) -> dict[str, Any]:
    """A file of YAML; empty where there is none."""
    import yaml

    try:
        found = yaml.safe_load(file.read_text())
    except (OSError, ValueError, yaml.YAMLError):
        return {}
    return found if isinstance(found, dict) else {}
