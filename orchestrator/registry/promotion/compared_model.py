"""A model to compare: a run, a run of a sweep, or a registered version, with its predictions."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from orchestrator.core.errors import InputError, reason
from orchestrator.registry.mlflow_lookup import find_run, find_version
from orchestrator.registry.promotion.candidate import STUDIES, Candidate, candidate_of
from orchestrator.registry.promotion.sweep_results import SweepResults, results_of_run
from orchestrator.registry.version_reference import parse_version
from orchestrator.tracking.mlflow_sink import KEY_TAG
from orchestrator.tracking.quiet_mlflow import MlflowClient, MlflowException

if TYPE_CHECKING:
    from mlflow.entities import Run


@dataclass(frozen=True)
class ComparedModel:
    """A model with its scores of its sweep's test images.

    Attributes:
        name: its reference, with the run it stands for.
        table: true and predicted scores of its validation and test images.
        candidate: its configuration, with the confirm runs on other splits; None if it is not a complete one.
    """

    name: str
    table: pd.DataFrame
    candidate: Candidate | None = None


def find_compared(client: MlflowClient, reference: str, out: Path, scratch: Path) -> ComparedModel:
    """Return the model of `text_hyper@champion`, `text_hyper/3`, `SWEEP/confirm-0003` or a run's id.

    Raises:
        InputError: it does not exist, or has no predictions.
    """
    if registered := parse_version(reference):
        version = find_version(client, registered)
        title = f"{registered}, version {version.version}" if registered.alias else str(registered)
        try:
            run = client.get_run(version.run_id)
        except MlflowException as error:
            raise InputError(f"The run that trained {title} is not in MLflow: {reason(error)}") from error
    else:
        run = find_run(client, reference, out)
        title = str(run.info.run_name)
    results = results_of_run(client, run, out, scratch)
    key = run.data.tags[KEY_TAG]
    table = results.predictions(run)
    if table is None:
        raise InputError(
            f"{reference} is {results.name}/{key}, which has no predictions. Confirm runs have them, unless both "
            "their folder and their files in MLflow were deleted."
        )
    return ComparedModel(f"{title} ({results.name}/{key})", table, _configuration(results, run))


def _configuration(results: SweepResults, run: Run) -> Candidate | None:
    for study in STUDIES:
        with suppress(InputError):
            return candidate_of(results, run, "srcc", study)
    return None
