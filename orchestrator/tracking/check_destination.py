"""Check of MLflow before a sweep begins: never right, away for now, or ready."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from textwrap import shorten
from typing import Any
from urllib.parse import unquote, urlsplit
from uuid import uuid4

from orchestrator.core.errors import InputError
from orchestrator.core.sqlite_url import sqlite_file
from orchestrator.core.url_passwords import without_passwords
from orchestrator.tracking.check_uri_form import check_tracking_uri
from orchestrator.tracking.failure_kind import permanent_reason
from orchestrator.tracking.tracking_variables import IGNORED, quick_requests

_REASON_LENGTH = 160


def check_destination(uri: str, experiment: str) -> Iterator[str]:
    """Yield a sentence for everything that a user should know of MLflow before a sweep begins.

    Args:
        uri: tracking URI.
        experiment: name of the sweep's experiment.

    Raises:
        InputError: MLflow can never take the sweep's runs; the message says what to do.
    """
    if ignored := [name for name in IGNORED if os.environ.get(name)]:
        yield f"Ignored: {', '.join(ignored)}. The sweep's runs go to the experiment “{experiment}”."
    check_tracking_uri(uri)
    shown = without_passwords(uri)
    try:
        if (file := sqlite_file(uri)) is not None:
            found = _experiment_in_file(file, experiment)
        elif urlsplit(uri).scheme in {"http", "https"}:
            with quick_requests():
                found = _experiment_on_server(uri, experiment)
        else:
            return
    except Exception as error:
        yield _away(shown, error)
        return
    if found is None:
        return
    stage, location = found
    if stage == "deleted":
        yield f"The experiment “{experiment}” was deleted in MLflow and is restored."
    try:
        with quick_requests():
            _check_artifacts(uri, location)
    except Exception as error:
        yield _away(f"The artifact store {without_passwords(location)} of MLflow", error, prefix="")


def _away(shown: str, error: Exception, prefix: str = "MLflow at ") -> str:
    """Return the sentence for a failure that may pass.

    Raises:
        InputError: it never passes.
    """
    if isinstance(error, InputError):
        raise error
    if never := permanent_reason(error):
        raise InputError(f"{prefix}{shown} can never take this sweep: {never}.") from error
    why = shorten(str(error), _REASON_LENGTH)
    return f"{prefix}{shown} is away ({why}). The sweep runs, and its events wait in its folder."


def _experiment_in_file(file: Path, experiment: str) -> tuple[str, str] | None:
    """Return state and artifact location of an experiment in a SQLite file, None if it is not there yet.

    Raises:
        InputError: the file can never be written.
    """
    if not _writable(file if file.exists() else file.parent) or (file.exists() and not _writable(file.parent)):
        raise InputError(f"MLflow's database {file} cannot be written: choose another with --tracking-uri.")
    if not file.exists() or not file.stat().st_size:
        if {"'", '"'} & set(str(Path.cwd())):
            raise InputError("MLflow makes no database in a working folder with a quote in its name: use another.")
        return None
    with closing(sqlite3.connect(f"{file.as_uri()}?mode=rw", uri=True, timeout=5)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        connection.rollback()
        if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'experiments'").fetchone():
            return None
        query = "SELECT lifecycle_stage, artifact_location FROM experiments WHERE name = ?"
        row: tuple[str, str] | None = connection.execute(query, (experiment,)).fetchone()
        return row


def _experiment_on_server(uri: str, name: str) -> tuple[str, str] | None:
    """Return state and artifact location of an experiment on a server, after checking the right to write."""
    from orchestrator.tracking.quiet_mlflow import EXPERIMENT_KIND, MlflowClient, MlflowException

    client = MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        try:
            client.set_tag("0" * 32, "write-check", "")  # of a run that does not exist
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST" or permanent_reason(error):
                raise
        return None
    if experiment.lifecycle_stage == "active":
        for key, value in EXPERIMENT_KIND.items():
            client.set_experiment_tag(experiment.experiment_id, key, value)
    return experiment.lifecycle_stage, experiment.artifact_location


def _check_artifacts(uri: str, location: str) -> None:
    """Write a file to an artifact store and delete it.

    Raises:
        InputError: the store is a folder that this machine cannot write.
    """
    parts = urlsplit(location)
    if parts.scheme in {"", "file"}:
        folder = Path(unquote(parts.path) if parts.scheme else location)
        if not _writable(folder):
            raise InputError(
                f"MLflow keeps this experiment's files in {folder}, which this machine cannot write: "
                "start its server with --artifacts-destination."
            )
        return
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    repository: Any = get_artifact_repository(f"{location}/write-check-{uuid4().hex[:8]}", tracking_uri=uri)
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "empty"
        file.touch()
        repository.log_artifact(str(file))
    with suppress(Exception):  # some stores keep what they have
        repository.delete_artifacts()


def _writable(path: Path) -> bool:
    """Return whether a file, or the first folder above a path that exists, can be written; leaves nothing behind."""
    if path.is_file():
        return os.access(path, os.W_OK)
    folder = next(parent for parent in (path, *path.parents) if parent.exists())
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False
