"""Versions in MLflow's model registry: a registered model per variant, a version per promoted run."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from orchestrator.core.errors import InputError
from orchestrator.registry.promotion.candidate import Candidate
from orchestrator.registry.promotion.gates import GateResult
from orchestrator.registry.promotion.logged_model import LoggedModelFiles
from orchestrator.registry.promotion.sweep_results import hash_of_test
from orchestrator.reporting.claims import Claim, Status
from orchestrator.tracking.mlflow_sink import KEY_TAG, SWEEP_TAG
from orchestrator.tracking.pyfunc import DIGEST
from orchestrator.tracking.quiet_mlflow import MlflowClient, MlflowException

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

    from orchestrator.data import Dataset

TEXT_LIMIT = 4900
"""Longest text of a tag or a description in characters; MLflow's databases keep 5000."""

_QUANTILES = 101


def alias_version(client: MlflowClient, name: str, alias: str) -> ModelVersion | None:
    """Return the version that an alias is on; None if the alias or the registered model does not exist."""
    try:
        return client.get_model_version_by_alias(name, alias)
    except MlflowException as error:
        if error.error_code in {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE", "NOT_FOUND"}:
            return None
        raise


def versions(client: MlflowClient, name: str) -> list[int]:
    """Return the numbers of a registered model's versions."""
    return sorted(int(version.version) for version in client.search_model_versions(f"name = '{name}'"))


def register(client: MlflowClient, name: str, candidate: Candidate, model: LoggedModelFiles) -> ModelVersion:
    """Return the version of the run's model; create it if it is not registered yet.

    Raises:
        InputError: it was registered with other files.
    """
    import mlflow

    try:
        client.create_registered_model(name, tags={"variant": name}, description=_about(name))
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    source = f"models:/{model.model_id}"
    run_id = candidate.run.info.run_id
    for version in client.search_model_versions(f"name = '{name}'"):
        if version.run_id == run_id and version.source == source:
            if version.tags.get(DIGEST, model.digest) != model.digest:
                raise InputError(
                    f"{name}/{version.version} in MLflow was registered with other files than this model has now, "
                    "so they have changed since."
                )
            return version
    mlflow.set_tracking_uri(client.tracking_uri)  # a registry in a database looks for the source in the default one
    return client.create_model_version(name, source, run_id, model_id=model.model_id)


def describe(client: MlflowClient, version: ModelVersion, tags: Mapping[str, Any], description: str) -> None:
    """Write a version's tags and description, cut to the length that MLflow keeps; remove empty tags."""
    for key, value in tags.items():
        if value != "":
            client.set_model_version_tag(version.name, version.version, key, _cut(str(value)))
        elif key in version.tags:
            client.delete_model_version_tag(version.name, version.version, key)
    client.update_model_version(version.name, version.version, _cut(description))


def identity_tags(candidate: Candidate, model: LoggedModelFiles, dataset: Dataset | None) -> dict[str, Any]:
    """Return the tags that identify a version, with the digest that its loader checks."""
    spec, run = candidate.results.spec, candidate.run
    tags: dict[str, Any] = {
        "dataset": spec.dataset,
        "protocol": spec.protocol,
        "sweep": candidate.results.name,
        "configuration": candidate.source,
        KEY_TAG: run.data.tags[KEY_TAG],
        SWEEP_TAG: run.data.tags[SWEEP_TAG],
        "variant": candidate.variant,
        "data_hash": candidate.results.data_hash,
        "test_hash": hash_of_test(candidate.table),
        DIGEST: model.digest,
    }
    if candidate.variant != spec.variant:
        tags["control_of"] = spec.variant
    if dataset is not None:
        tags["mos_quantiles"] = json.dumps(training_quantiles(dataset, candidate))
    return tags


def training_quantiles(dataset: Dataset, candidate: Candidate) -> dict[str, list[float]]:
    """Return target → 101 quantiles (0 %, 1 %, … 100 %) of the training scores."""
    import numpy as np

    from orchestrator.data import make_split

    split = make_split(dataset, candidate.results.spec.protocol, int(candidate.run.data.tags["split"]))
    scores = dataset.scores(candidate.targets)[split.train]
    quantiles = np.quantile(scores, np.linspace(0, 1, _QUANTILES), axis=0)
    return {
        target: [float(f"{q:.4g}") for q in quantiles[:, column]] for column, target in enumerate(candidate.targets)
    }


def decision_tags(refusals: Sequence[GateResult], forced: str | None) -> dict[str, str]:
    """Return the decision: the required gates that failed, and the reason for `--force`, which is never removed."""
    return {
        "verdict": "passed" if not refusals else "forced" if forced else "refused",
        "refused_by": ", ".join(result.gate for result in refusals),
        **({"forced_because": forced} if refusals and forced else {}),
    }


def claim_tags(claims: Sequence[Claim]) -> dict[str, str]:
    """Return the names of the claims in the tags `claims_shown`, `claims_not_shown` and `claims_refuted`."""
    return {
        f"claims_{status.replace(' ', '_')}": ", ".join(claim.name for claim in claims if claim.status is status)
        for status in Status
    }


def gates_tag(results: Sequence[GateResult], claims: Sequence[Claim]) -> dict[str, str]:
    """Return every gate and every claim with its figures as JSON; the description has them as text."""
    listed = {"gates": [one.as_dict() for one in results], "claims": [one.as_dict() for one in claims]}
    return {name: json.dumps([_finite(one) for one in found]) for name, found in listed.items()}


def _finite(value: Any) -> Any:
    """Return a value for JSON, with None for NaN."""
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _cut(text: str) -> str:
    return text if len(text) <= TEXT_LIMIT else f"{text[: TEXT_LIMIT - 1]}…"


def _about(name: str) -> str:
    return (
        f"Models of the variant `{name}`, evaluated by `orchestrator.promote`. Use the alias `champion`; each "
        "version's description has its figures and limits."
    )
