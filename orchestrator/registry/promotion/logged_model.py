"""The saved model of a confirm run: found in MLflow, logged there where it is not, and fetched from there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.core.errors import InputError
from orchestrator.core.run_files import MODEL
from orchestrator.registry.download import fetch_logged
from orchestrator.registry.promotion.candidate import Candidate
from orchestrator.tracking.digest import folder_digest
from orchestrator.tracking.mlflow_client import MlflowClient
from orchestrator.tracking.mlflow_sink import KEY_TAG
from orchestrator.tracking.pyfunc import DIGEST

if TYPE_CHECKING:
    from mlflow.entities import LoggedModel


@dataclass(frozen=True)
class LoggedModelFiles:
    """A model's files as MLflow gives them.

    Attributes:
        model_id: of the logged model; empty where a dry run found none.
        folder: the scorer's folder, downloaded; of a dry run that found none, the sweep's own.
        digest: hash of its files.
    """

    model_id: str
    folder: Path
    digest: str


def saved_model(client: MlflowClient, candidate: Candidate, scratch: Path, dry_run: bool = False) -> LoggedModelFiles:
    """The candidate's model out of MLflow. Of a run that the sweep logged none for, it is logged now.

    Args:
        client: MLflow's.
        candidate: whose model it is.
        scratch: folder for what is downloaded.
        dry_run: whether nothing may be changed: what is not logged stays so.

    Raises:
        InputError: there is none and the sweep's folder has none either, it cannot be fetched, or its files are not
            those that were logged.
    """
    run = candidate.run
    found = logged_model(client, run)
    if found is None:
        workspace = candidate.evidence.workspace
        folder = workspace.trials / run.data.tags[KEY_TAG] / MODEL if workspace else None
        if folder is None or not folder.is_dir():
            raise InputError(
                f"{candidate.name} has no model in MLflow, and its sweep's folder, which would have one, is not here."
            )
        if dry_run:
            return LoggedModelFiles("", folder, folder_digest(folder))
        from orchestrator.tracking.mlflow_model import log_model

        spec = candidate.evidence.spec
        data: dict[str, Any] = {
            "path": str(folder),
            "name": f"{spec.variant}-{candidate.source}",
            "targets": list(candidate.targets),
            "criteria": spec.criteria is not None,
        }
        log_model(client, run.info.run_id, run.info.experiment_id, data)
        found = logged_model(client, run)
    if found is None:
        raise InputError(f"MLflow did not take the model of {candidate.name}.")
    folder = fetch_logged(client, found.model_id, f"of {candidate.name}", scratch / found.model_id)
    digest = folder_digest(folder)
    if found.tags.get(DIGEST) != digest:
        raise InputError(
            f"The model of {candidate.name} in MLflow is not the one that was logged: its files have changed since."
        )
    return LoggedModelFiles(found.model_id, folder, digest)


def logged_model(client: MlflowClient, run: Any) -> LoggedModel | None:
    """The run's logged model that is whole; None where there is none."""
    from mlflow.entities import LoggedModelStatus

    models = client.search_logged_models([run.info.experiment_id], filter_string=f"source_run_id = '{run.info.run_id}'")
    return next((model for model in models if model.status == LoggedModelStatus.READY), None)
