"""A model's files out of MLflow: fetched from the MLflow that is asked, and looked at before anything is loaded."""

from __future__ import annotations

from pathlib import Path

from orchestrator.core.errors import InputError, reason
from orchestrator.tracking.mlflow_client import MlflowClient, MlflowException
from orchestrator.tracking.pyfunc import LOADER


def fetch_logged(client: MlflowClient, model_id: str, called: str, where: Path) -> Path:
    """A logged model's scorer, downloaded; see `scorer_folder`.

    Args:
        client: MLflow's.
        model_id: of the logged model.
        called: the model, in a sentence.
        where: folder for the files.

    Raises:
        InputError: it cannot be had, or is no model of this project.
    """
    try:
        location = client.get_logged_model(model_id).artifact_location
    except (MlflowException, OSError) as error:
        raise _not_fetched(called, error) from error
    return _fetch(client, location, called, where)


def fetch_version(client: MlflowClient, name: str, version: str, where: Path) -> Path:
    """A registered version's scorer, downloaded; see `fetch_logged`."""
    called = f"{name}/{version}"
    try:
        location = client.get_model_version_download_uri(name, version)
    except (MlflowException, OSError) as error:
        raise _not_fetched(called, error) from error
    return _fetch(client, location, called, where)


def _fetch(client: MlflowClient, location: str, called: str, where: Path) -> Path:
    """From where the files lie: of `models:/…` MLflow asks the process's own MLflow, whichever is given."""
    import mlflow

    where.mkdir(parents=True, exist_ok=True)
    try:
        root = mlflow.artifacts.download_artifacts(location, dst_path=str(where), tracking_uri=client.tracking_uri)
    except (MlflowException, OSError) as error:
        raise _not_fetched(called, error) from error
    return scorer_folder(Path(root), called)


def _not_fetched(called: str, error: Exception) -> InputError:
    return InputError(f"The model {called} cannot be fetched from MLflow: {reason(error)}")


def scorer_folder(root: Path, called: str) -> Path:
    """The saved scorer in the files of an MLflow model.

    Args:
        root: holds `MLmodel`.
        called: the model, in a sentence.

    Raises:
        InputError: MLflow would run something else for it than this package on data.
    """
    import yaml

    try:
        flavor = yaml.safe_load((root / "MLmodel").read_text())["flavors"]["python_function"]
        loader, data = flavor["loader_module"], Path(flavor["data"])
        code = flavor.get("code") or flavor.get("python_model") or flavor.get("model_code_path")
    except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"The model {called} is no model of this project: it is not loaded.") from error
    if loader != LOADER or code:
        raise InputError(f"The model {called} brings code of its own ({code or loader}): it is not loaded.")
    folder = root / data
    if data.is_absolute() or ".." in data.parts or not folder.is_dir():
        raise InputError(f"The model {called} names data outside itself: it is not loaded.")
    return folder
