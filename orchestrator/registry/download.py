"""Download of a model's files from MLflow, checked before anything is loaded."""

from __future__ import annotations

from pathlib import Path

from orchestrator.core.errors import InputError, reason
from orchestrator.tracking.pyfunc import LOADER
from orchestrator.tracking.quiet_mlflow import MlflowClient, MlflowException


def fetch_logged(client: MlflowClient, model_id: str, title: str, folder: Path) -> Path:
    """Download a logged model and return the folder of its scorer; see `scorer_folder`.

    Args:
        client: MLflow's client.
        model_id: id of the logged model.
        title: name of the model in messages.
        folder: folder for the files.

    Raises:
        InputError: the download fails, or it is not a model of this project.
    """
    try:
        location = client.get_logged_model(model_id).artifact_location
    except (MlflowException, OSError) as error:
        raise _not_fetched(title, error) from error
    return _fetch(client, location, title, folder)


def fetch_version(client: MlflowClient, name: str, version: str, folder: Path) -> Path:
    """Download a registered version and return the folder of its scorer; see `fetch_logged`."""
    title = f"{name}/{version}"
    try:
        location = client.get_model_version_download_uri(name, version)
    except (MlflowException, OSError) as error:
        raise _not_fetched(title, error) from error
    return _fetch(client, location, title, folder)


def _fetch(client: MlflowClient, location: str, title: str, folder: Path) -> Path:
    """Download from the files' own location, since MLflow resolves `models:/…` with its default tracking URI."""
    import mlflow

    folder.mkdir(parents=True, exist_ok=True)
    try:
        root = mlflow.artifacts.download_artifacts(location, dst_path=str(folder), tracking_uri=client.tracking_uri)
    except (MlflowException, OSError) as error:
        raise _not_fetched(title, error) from error
    return scorer_folder(Path(root), title)


def _not_fetched(title: str, error: Exception) -> InputError:
    return InputError(f"The model {title} cannot be downloaded from MLflow: {reason(error)}")


def scorer_folder(root: Path, title: str) -> Path:
    """Return the folder of the saved scorer in the files of an MLflow model.

    Args:
        root: folder with `MLmodel`.
        title: name of the model in messages.

    Raises:
        InputError: MLflow would run other code than this package for it.
    """
    import yaml

    try:
        flavor = yaml.safe_load((root / "MLmodel").read_text(encoding="utf-8"))["flavors"]["python_function"]
        loader, data = flavor["loader_module"], Path(flavor["data"])
        code = flavor.get("code") or flavor.get("python_model") or flavor.get("model_code_path")
    except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"The model {title} is not a model of this project, so it is not loaded.") from error
    if loader != LOADER or code:
        raise InputError(f"The model {title} contains code of its own ({code or loader}), so it is not loaded.")
    folder = root / data
    if data.is_absolute() or ".." in data.parts or not folder.is_dir():
        raise InputError(f"The model {title} refers to data outside its folder, so it is not loaded.")
    return folder
