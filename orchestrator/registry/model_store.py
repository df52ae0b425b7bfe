"""Models out of MLflow: of an alias, of a version, of a run; fetched as files, and only as files."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orchestrator.core.errors import InputError, reason
from orchestrator.registry.download import fetch_logged, fetch_version
from orchestrator.registry.mlflow_lookup import find_version
from orchestrator.registry.model_reference import VersionReference
from orchestrator.tracking.mlflow_client import MlflowClient, MlflowException
from orchestrator.tracking.pyfunc import DIGEST

QUANTILES = "mos_quantiles"
"""Tag of a registered version: JSON, target → quantiles of the training scores."""


@dataclass(frozen=True)
class DownloadedModel:
    """A model's files, downloaded.

    Attributes:
        folder: the saved scorer, not yet compared with its digest.
        sha256: what the registry, or for a run the logged model, says its digest is.
        run_id: of the run that trained it.
        tags: of the registered version, else of the run.
        description: of the version; empty where there is none.
        mos_quantiles: of the training scores, where the version has them.
    """

    folder: Path
    sha256: str
    run_id: str
    tags: dict[str, str]
    description: str = ""
    mos_quantiles: dict[str, Any] = field(default_factory=dict)


class ModelStore:
    """The models of one MLflow.

    Args:
        tracking_uri: MLflow's.
        scratch: folder for what is downloaded.
    """

    def __init__(self, tracking_uri: str, scratch: Path) -> None:
        self._client = MlflowClient(tracking_uri=tracking_uri)
        self._uri = tracking_uri
        self._scratch = scratch

    def version(self, reference: VersionReference) -> DownloadedModel:
        """Download a registered version.

        Raises:
            InputError: it does not exist, has no digest, or is not a model of this project.
        """
        found = find_version(self._client, reference)
        name = reference.name
        called = f"{name}/{found.version}"
        if not found.tags.get(DIGEST):
            raise InputError(
                f"{called} in MLflow has no tag {DIGEST}, so nobody vouches for its files: it is not loaded. "
                "Models are registered by: python -m orchestrator.promote"
            )
        quantiles: dict[str, Any] = {}
        with suppress(ValueError, TypeError):  # the tag is a rough help, and MLflow may have cut it
            quantiles = dict(json.loads(found.tags.get(QUANTILES, "{}")))
        return DownloadedModel(
            folder=fetch_version(self._client, name, found.version, self._scratch),
            sha256=found.tags[DIGEST],
            run_id=found.run_id or "",
            tags={**found.tags, "registered": called},
            description=found.description or "",
            mos_quantiles=quantiles,
        )

    def of_run(self, run_id: str) -> DownloadedModel:
        """The model that a run logged.

        Raises:
            InputError: there is no such run, or it has none, nobody vouches for it, or it is no model of this project.
        """
        from mlflow.entities import LoggedModelStatus

        try:
            run = self._client.get_run(run_id)
            logged = self._client.search_logged_models([run.info.experiment_id], f"source_run_id = '{run_id}'")
        except (MlflowException, OSError) as error:
            raise InputError(f"MLflow at {self._shown} has no run {run_id}: {reason(error)}") from error
        whole = [model for model in logged if model.status == LoggedModelStatus.READY]
        if not whole:
            raise InputError(
                f"The run {run_id} has no model: only the confirm run that stands for a configuration has one."
            )
        if not whole[0].tags.get(DIGEST):
            raise InputError(
                f"The model of run {run_id} in MLflow has no tag {DIGEST}, so nobody vouches for its files: it is not "
                "loaded."
            )
        folder = fetch_logged(self._client, whole[0].model_id, f"of run {run_id}", self._scratch)
        return DownloadedModel(folder, whole[0].tags[DIGEST], run_id, dict(run.data.tags))

    def predictions(self, run_id: str) -> Path | None:
        """A run's table of predictions, downloaded; None where it has none."""
        try:
            return Path(self._client.download_artifacts(run_id, "checkpoint/predictions.csv", str(self._scratch)))
        except (MlflowException, OSError):
            return None

    def run_tags(self, run_id: str) -> dict[str, str]:
        """Tags of a run; none where it is gone."""
        try:
            return dict(self._client.get_run(run_id).data.tags)
        except (MlflowException, OSError):
            return {}

    @property
    def _shown(self) -> str:
        from orchestrator.core.credentials import without_passwords

        return without_passwords(self._uri)
