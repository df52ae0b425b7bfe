"""Scores of the current champion on the candidate's test images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from orchestrator.core.errors import InputError
from orchestrator.data.progress import Progress, silent
from orchestrator.registry.download import fetch_version
from orchestrator.registry.promotion.candidate import Candidate
from orchestrator.registry.promotion.gate_inputs import Champion
from orchestrator.registry.promotion.rescore import CannotScore, score_rows
from orchestrator.registry.promotion.sweep_dataset import AvailableDataset
from orchestrator.registry.promotion.sweep_results import hash_of_test, results_of_run, rows_of_test
from orchestrator.tracking.model_digest import folder_digest
from orchestrator.tracking.pyfunc import DIGEST
from orchestrator.tracking.quiet_mlflow import MlflowClient, MlflowException

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

DISJOINT = "disjoint"
"""Protocol that derives test prompts from the prompts alone, so no model trained under it has seen one."""


def champion_on_candidate_test(
    client: MlflowClient,
    version: ModelVersion,
    candidate: Candidate,
    data: AvailableDataset,
    out: Path,
    scratch: Path,
    progress: Progress = silent,
) -> Champion:
    """Return the champion with its recorded scores of the candidate's test images, or with new ones.

    Args:
        client: MLflow's client.
        version: version of the champion.
        candidate: who is evaluated.
        data: the candidate's data set.
        out: folder that sweeps live in.
        scratch: folder for downloads.
        progress: receives the number of images scored.
    """
    number = f"version {version.version}"
    table, protocol = _recorded(client, version, out, scratch)
    if table is not None and version.tags.get("data_hash") == candidate.results.data_hash:
        if hash_of_test(table) == hash_of_test(candidate.table):
            return Champion(version, table, f"same data and test set as {number}", True)
        what = f"{number} was tested on other images"
    elif table is not None:
        what = f"{number} was trained on other data"
    else:
        what = f"the predictions of {number} are missing"
    protocols = {protocol or version.tags.get("protocol"), candidate.results.spec.protocol}
    if protocols != {DISJOINT}:
        return Champion(version, None, f"{what}, and it may have been trained on these test images", False)
    if data.dataset is None:
        return Champion(version, None, f"{what}, and cannot be re-scored: {data.reason}", False)
    names = list(rows_of_test(candidate.table)["name"])
    try:
        folder = fetch_version(client, version.name, version.version, scratch / f"version-{version.version}")
        if folder_digest(folder) != version.tags.get(DIGEST):
            raise CannotScore(f"its files are not those of the {DIGEST} in the registry")
        again = score_rows(folder, data.dataset, names, progress)
    except (InputError, CannotScore) as error:
        return Champion(version, None, f"{what}, and cannot be re-scored: {error}", False)
    source = f"{what}: re-scored on these {len(names)} test images, whose prompts neither was trained on"
    return Champion(version, again, source, False)


def _recorded(
    client: MlflowClient, version: ModelVersion, out: Path, scratch: Path
) -> tuple[pd.DataFrame | None, str | None]:
    """Return the champion's recorded predictions and the protocol of its sweep; None if they are missing."""
    try:
        run = client.get_run(version.run_id)
        results = results_of_run(client, run, out, scratch)
    except (InputError, MlflowException):
        return None, None
    return results.predictions(run), results.spec.protocol
