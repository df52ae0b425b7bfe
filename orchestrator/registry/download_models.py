"""Models in MLflow, of an alias, a version or a run, downloaded as files without loading them."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orchestrator.core.errors import InputError, reason
from orchestrator.registry.download import fetch_logged, fetch_version
from orchestrator.registry.mlflow_lookup import find_version
from orchestrator.registry.version_reference import VersionReference
from orchestrator.tracking.pyfunc import DIGEST
from orchestrator.tracking.quiet_mlflow import MlflowClient, MlflowException
from orchestrator.tracking.run_facts import run_facts

QUANTILES = "mos_quantiles"
"""Tag of a registered version: JSON, target → quantiles of the training scores."""


@dataclass(frozen=True)
class DownloadedModel:
    """Files of a model, downloaded.

    Attributes:
        folder: folder of the saved scorer, not yet compared with its digest.
        sha256: digest in the registry or, for a run, of the logged model.
        run_id: id of the run that trained it.
        tags: tags of the registered version, else of the run.
        description: description of the version; empty if there is none.
        mos_quantiles: quantiles of the training scores; empty if the version has none.
    """

    folder: Path
    sha256: str
    run_id: str
    tags: dict[str, str]
    description: str = ""
    mos_quantiles: dict[str, Any] = field(default_factory=dict)


class ModelStore:
    """Models in one MLflow.

    Args:
        tracking_uri: URI of MLflow.
        scratch: folder for downloads.
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
        version = find_version(self._client, reference)
        name = reference.name
        title = f"{name}/{version.version}"
        if not version.tags.get(DIGEST):
            raise InputError(
                f"{title} in MLflow has no tag {DIGEST}, so its files cannot be verified and it is not loaded. "
                "Models are registered by: python -m orchestrator.promote"
            )
        quantiles: dict[str, Any] = {}
        with suppress(ValueError, TypeError):  # the tag is optional, and MLflow may have cut it
            quantiles = dict(json.loads(version.tags.get(QUANTILES, "{}")))
        return DownloadedModel(
            folder=fetch_version(self._client, name, version.version, self._scratch),
            sha256=version.tags[DIGEST],
            run_id=version.run_id or "",
            tags={**version.tags, "registered": title},
            description=version.description or "",
            mos_quantiles=quantiles,
        )

    def of_run(self, run_id: str) -> DownloadedModel:
        """Download the model that a run logged.

        Raises:
            InputError: the run or its model does not exist, it has no digest, or it is not a model of this project.
        """
        from mlflow.entities import LoggedModelStatus

        try:
            run = self._client.get_run(run_id)
            logged = self._client.search_logged_models([run.info.experiment_id], f"source_run_id = '{run_id}'")
        except (MlflowException, OSError) as error:
            raise InputError(f"MLflow at {self._shown} has no run {run_id}: {reason(error)}") from error
        ready = [model for model in logged if model.status == LoggedModelStatus.READY]
        if not ready:
            raise InputError(f"The run {run_id} has no model: only the median confirm run of a configuration has one.")
        if not ready[0].tags.get(DIGEST):
            raise InputError(
                f"The model of run {run_id} in MLflow has no tag {DIGEST}, so its files cannot be verified and it "
                "is not loaded."
            )
        folder = fetch_logged(self._client, ready[0].model_id, f"of run {run_id}", self._scratch)
        return DownloadedModel(folder, ready[0].tags[DIGEST], run_id, dict(run.data.tags))

    def predictions(self, run_id: str) -> Path | None:
        """Download a run's table of predictions; return None if it has none."""
        try:
            return Path(self._client.download_artifacts(run_id, "checkpoint/predictions.csv", str(self._scratch)))
        except (MlflowException, OSError):
            return None

    def run_facts(self, run_id: str) -> dict[str, str]:
        """Return the tags and the provenance of a run; empty if it does not exist."""
        try:
            return run_facts(self._client, self._client.get_run(run_id))
        except (MlflowException, OSError):
            return {}

    @property
    def _shown(self) -> str:
        from orchestrator.core.url_passwords import without_passwords

        return without_passwords(self._uri)
