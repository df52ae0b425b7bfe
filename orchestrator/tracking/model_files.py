"""Downloading a model from the MLflow that a client speaks to.

MLflow itself looks a `models:/` address up at the tracking URI of the process, whatever it is told; and that one may be
another, since a client is made for each.
"""

from __future__ import annotations

import re
from pathlib import Path

from orchestrator.tracking.client import MlflowClient

_LOGGED = re.compile(r"models:/(m-[0-9a-f]+)")
_VERSION = re.compile(r"models:/(?P<name>[^/@]+)(/(?P<version>\d+)|@(?P<alias>[^/]+))")


def download_model(client: MlflowClient, uri: str, where: Path) -> Path:
    """Downloads the files of a model; gives the folder that holds `MLmodel`.

    Args:
        client: of the MLflow that has it.
        uri: `models:/m-<id>`, `models:/<name>/<version>` or `models:/<name>@<alias>`.
        where: folder to download into; made where it is not there.

    Raises:
        MlflowException: there is no such model, or MLflow does not answer.
        OSError: its files cannot be had or written.
    """
    import mlflow

    where.mkdir(parents=True, exist_ok=True)
    location = _location(client, uri)
    found = mlflow.artifacts.download_artifacts(
        artifact_uri=location, dst_path=str(where), tracking_uri=client.tracking_uri, registry_uri=client.tracking_uri
    )
    return Path(found)


def _location(client: MlflowClient, uri: str) -> str:
    """Where a model's files are, by an address that needs no looking up."""
    if logged := _LOGGED.fullmatch(uri):
        return str(client.get_logged_model(logged[1]).artifact_location)
    if registered := _VERSION.fullmatch(uri):
        name, version = registered["name"], registered["version"]
        if version is None:
            version = client.get_model_version_by_alias(name, registered["alias"]).version
        return _location(client, client.get_model_version_download_uri(name, version))
    return uri
