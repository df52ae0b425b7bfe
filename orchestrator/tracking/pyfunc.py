"""Loader of saved models for `mlflow.pyfunc.load_model` and `mlflow models serve`.

A saved model is a folder of safetensors and JSON. MLflow imports this module by its name; nothing is pickled.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.tracking.model_digest import folder_digest

if TYPE_CHECKING:
    import pandas as pd

LOADER = __name__
DIGEST = "sha256"
"""Key of the result of `folder_digest`, in the metadata of the file `MLmodel` and the tags of a version."""

REGISTERED_MODEL_META = "registered_model_meta"
"""File next to `MLmodel` with the registered version that MLflow loaded by its name."""


class ScoringModel:
    """A saved model that scores the rows of a table.

    Args:
        folder: folder of the saved model.
    """

    def __init__(self, folder: Path) -> None:
        from orchestrator.scoring import load_scorer

        self._score = load_scorer(folder)

    def predict(self, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Return the scores of images, and the reason if an image has none.

        Args:
            model_input: columns `image`, `prompt` and, for a model that reads them, `criteria`. An image is a path on
                the machine that scores, a `data:` URL, or the base64 of an image file.
            params: ignored.
        """
        criteria = list(model_input["criteria"]) if self._score.needs_criteria else None
        scored = self._score(list(model_input["image"]), list(model_input["prompt"]), criteria)
        scored = scored.drop(columns=["image", "prompt"])
        if scored["reason"].isna().all():
            return scored
        return scored.astype(object).where(scored.notna(), None)  # JSON has no NaN


def _load_pyfunc(data_path: str) -> ScoringModel:
    """Load a saved model; MLflow's entry point.

    Raises:
        ModelLoadError: the files are not the logged ones or not those of the registered version, or the model cannot
            be loaded.
    """
    from orchestrator.scoring import ModelLoadError

    folder = Path(data_path)
    root, digest = folder.parents[1], folder_digest(folder)
    if _logged_digest(root / "MLmodel") != digest:
        raise ModelLoadError(f"The model in {folder} is not the one that was logged: its files have changed.")
    registered = _registered_digest(root / REGISTERED_MODEL_META)
    if registered is not None and registered != digest:
        raise ModelLoadError(f"The model in {folder} differs from the registered version: it is not loaded.")
    return ScoringModel(folder)


def _logged_digest(file: Path) -> str | None:
    digest = (_read(file).get("metadata") or {}).get(DIGEST)
    return digest if isinstance(digest, str) else None


def _registered_digest(file: Path) -> str | None:
    """Return the digest of the registered version; "" if it has none, None if the model was not loaded by its name.

    Args:
        file: file with the version, which MLflow writes next to `MLmodel` when it loads a model by its name.
    """
    import mlflow

    note = _read(file)
    name, number = note.get("model_name"), note.get("model_version")
    # An image with a model has no registry; MLflow would create an empty one in the working folder.
    if not name or not mlflow.is_tracking_uri_set():
        return None
    from orchestrator.core.errors import reason
    from orchestrator.scoring import ModelLoadError
    from orchestrator.tracking.quiet_mlflow import MlflowClient, MlflowException

    try:
        return MlflowClient().get_model_version(name, str(number)).tags.get(DIGEST, "")
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":  # the version is of another registry, or deleted
            return None
        raise ModelLoadError(f"The digest of {name}/{number} cannot be read from MLflow: {reason(error)}") from error


def _read(file: Path) -> dict[str, Any]:
    """Return the content of a YAML file; empty if it is missing or not a mapping."""
    import yaml

    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return {}
    return content if isinstance(content, dict) else {}
