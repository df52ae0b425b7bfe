"""Logged model of a confirm run: logged in MLflow if missing, then downloaded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.core.errors import InputError
from orchestrator.core.training_files import MODEL
from orchestrator.registry.download import fetch_logged
from orchestrator.registry.promotion.candidate import Candidate
from orchestrator.tracking.mlflow_sink import KEY_TAG
from orchestrator.tracking.model_digest import folder_digest
from orchestrator.tracking.pyfunc import DIGEST
from orchestrator.tracking.quiet_mlflow import MlflowClient

if TYPE_CHECKING:
    from mlflow.entities import LoggedModel


@dataclass(frozen=True)
class LoggedModelFiles:
    """Files of a logged model, downloaded.

    Attributes:
        model_id: id of the logged model; empty if a dry run found none.
        folder: folder of the scorer; the sweep's own if a dry run found no logged model.
        digest: SHA-256 of its files.
    """

    model_id: str
    folder: Path
    digest: str


def saved_model(client: MlflowClient, candidate: Candidate, scratch: Path, dry_run: bool = False) -> LoggedModelFiles:
    """Download the candidate's model from MLflow; log it first if the sweep has not.

    Args:
        client: MLflow's client.
        candidate: run that trained it.
        scratch: folder for downloads.
        dry_run: log nothing.

    Raises:
        InputError: neither MLflow nor the sweep's folder has it, it cannot be downloaded, or its files are not those
            that were logged.
    """
    run = candidate.run
    found = logged_model(client, run)
    if found is None:
        workspace = candidate.results.workspace
        folder = workspace.trials / run.data.tags[KEY_TAG] / MODEL if workspace else None
        if folder is None or not folder.is_dir():
            raise InputError(f"{candidate.name} has no model in MLflow, and its sweep's folder is not on this machine.")
        if dry_run:
            return LoggedModelFiles("", folder, folder_digest(folder))
        from orchestrator.tracking.mlflow_model import log_model

        spec = candidate.results.spec
        data: dict[str, Any] = {
            "path": str(folder),
            "name": f"{candidate.variant}-{candidate.source}",
            "targets": list(candidate.targets),
            "criteria": spec.criteria is not None and candidate.variant == spec.variant,
        }
        log_model(client, run.info.run_id, run.info.experiment_id, data)
        found = logged_model(client, run)
    if found is None:
        raise InputError(f"MLflow did not log the model of {candidate.name}.")
    folder = fetch_logged(client, found.model_id, f"of {candidate.name}", scratch / found.model_id)
    digest = folder_digest(folder)
    if found.tags.get(DIGEST) != digest:
        raise InputError(
            f"The model of {candidate.name} in MLflow is not the one that was logged: its files have changed since."
        )
    return LoggedModelFiles(found.model_id, folder, digest)


def logged_model(client: MlflowClient, run: Any) -> LoggedModel | None:
    """Return the run's logged model with status READY; None if there is none."""
    from mlflow.entities import LoggedModelStatus

    models = client.search_logged_models([run.info.experiment_id], filter_string=f"source_run_id = '{run.info.run_id}'")
    return next((model for model in models if model.status == LoggedModelStatus.READY), None)
