"""MLflow's model registry: one registered model a variant, one version a promoted run, aliases."""

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
from orchestrator.tracking.mlflow_client import MlflowClient, MlflowException
from orchestrator.tracking.mlflow_sink import KEY_TAG, SWEEP_TAG
from orchestrator.tracking.pyfunc import DIGEST

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

    from orchestrator.data import Dataset

TEXT_LIMIT = 4900
"""Characters of a tag or a description: MLflow's databases keep 5000."""

_QUANTILES = 101


def alias_version(client: MlflowClient, name: str, alias: str) -> ModelVersion | None:
    """The version that an alias is on; None where it is on none, or there is no such model."""
    try:
        return client.get_model_version_by_alias(name, alias)
    except MlflowException as error:
        if error.error_code in {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE", "NOT_FOUND"}:
            return None
        raise


def versions(client: MlflowClient, name: str) -> list[int]:
    """Numbers of the versions that there are."""
    return sorted(int(version.version) for version in client.search_model_versions(f"name = '{name}'"))


def register(client: MlflowClient, name: str, candidate: Candidate, model: LoggedModelFiles) -> ModelVersion:
    """The run's model as a version of the registered model; the one that there is, where it was registered before.

    Raises:
        InputError: that one vouches for other files.
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
                    f"{name}/{version.version} in MLflow was registered with other files than this model has now: "
                    "they have changed since."
                )
            return version
    mlflow.set_tracking_uri(client.tracking_uri)  # a registry in a database looks the source up in the default one
    return client.create_model_version(name, source, run_id, model_id=model.model_id)


def describe(client: MlflowClient, version: ModelVersion, tags: Mapping[str, Any], description: str) -> None:
    """Writes a version's tags and description, as much of each as MLflow keeps; an empty tag is taken away."""
    for key, value in tags.items():
        if value != "":
            client.set_model_version_tag(version.name, version.version, key, _cut(str(value)))
        elif key in version.tags:
            client.delete_model_version_tag(version.name, version.version, key)
    client.update_model_version(version.name, version.version, _cut(description))


def identity_tags(candidate: Candidate, model: LoggedModelFiles, dataset: Dataset | None) -> dict[str, Any]:
    """What says which model a version is, and what its loader checks."""
    spec, run = candidate.evidence.spec, candidate.run
    found: dict[str, Any] = {
        "dataset": spec.dataset,
        "protocol": spec.protocol,
        "sweep": candidate.evidence.name,
        "configuration": candidate.source,
        KEY_TAG: run.data.tags[KEY_TAG],
        SWEEP_TAG: run.data.tags[SWEEP_TAG],
        "variant": spec.variant,
        "data_hash": candidate.evidence.data_hash,
        "test_hash": hash_of_test(candidate.table),
        DIGEST: model.digest,
    }
    if dataset is not None:
        found["mos_quantiles"] = json.dumps(training_quantiles(dataset, candidate))
    return found


def training_quantiles(dataset: Dataset, candidate: Candidate) -> dict[str, list[float]]:
    """Target → 101 quantiles (0 %, 1 %, … 100 %) of the scores that the candidate was trained on."""
    import numpy as np

    from orchestrator.data import make_split

    split = make_split(dataset, candidate.evidence.spec.protocol, int(candidate.run.data.tags["split"]))
    scores = dataset.scores(candidate.targets)[split.train]
    found = np.quantile(scores, np.linspace(0, 1, _QUANTILES), axis=0)
    return {target: [float(f"{q:.4g}") for q in found[:, column]] for column, target in enumerate(candidate.targets)}


def verdict_tags(refusals: Sequence[GateResult], forced: str | None) -> dict[str, str]:
    """What came of the judgement: which gates stood in the way, and why they were overruled, which is kept for good."""
    return {
        "verdict": "passed" if not refusals else "forced" if forced else "refused",
        "refused_by": ", ".join(verdict.gate for verdict in refusals),
        **({"forced_because": forced} if refusals and forced else {}),
    }


def gates_tag(verdicts: Sequence[GateResult]) -> dict[str, str]:
    """Every gate with its figures, as JSON; for people they stand in the description."""
    return {"gates": json.dumps([_finite(verdict.as_dict()) for verdict in verdicts])}


def _finite(value: Any) -> Any:
    """As JSON has it: NaN is null."""
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _cut(text: str) -> str:
    return text if len(text) <= TEXT_LIMIT else f"{text[: TEXT_LIMIT - 1]}…"


def _about(name: str) -> str:
    return (
        f"Models of the variant `{name}` that were judged by `orchestrator.promote`. The alias `champion` is the one "
        "to use; what a version can and cannot do stands in its description."
    )
