"""What people call a model: a run, a trial of a sweep, a version, an alias."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from orchestrator.core.errors import InputError
from orchestrator.registry.promotion.evaluate_gates import find_run
from orchestrator.registry.promotion.model_version import alias_version
from orchestrator.registry.promotion.sweep_results import SweepResults, evidence_of_run
from orchestrator.tracking.mlflow_client import MlflowClient, MlflowException
from orchestrator.tracking.mlflow_sink import KEY_TAG

if TYPE_CHECKING:
    from mlflow.entities import Run

_VERSION = re.compile(r"([^/@]+)/(\d+)")
_ALIAS = re.compile(r"([^/@]+)@([^/@]+)")


@dataclass(frozen=True)
class ComparedModel:
    """A model with its scores of its sweep's test images.

    Attributes:
        name: as it was asked for, and as what it turned out to be.
        run: that trained it.
        evidence: its sweep.
        table: its predictions.
    """

    name: str
    run: Run
    evidence: SweepResults
    table: pd.DataFrame


def find_compared(client: MlflowClient, reference: str, out: Path, scratch: Path) -> ComparedModel:
    """The model that is meant by `text_hyper@champion`, `text_hyper/3`, `SWEEP/confirm-0003` or a run's id.

    Raises:
        InputError: there is none, or it was not tested.
    """
    run, title = _run(client, reference, out)
    evidence = evidence_of_run(client, run, out, scratch)
    key = run.data.tags[KEY_TAG]
    table = evidence.predictions(run)
    if table is None:
        raise InputError(
            f"{reference} is {evidence.name}/{key}, which has no predictions: confirm runs have them, where neither "
            "their folder nor what MLflow has of them was deleted."
        )
    return ComparedModel(f"{title} ({evidence.name}/{key})", run, evidence, table)


def _run(client: MlflowClient, reference: str, out: Path) -> tuple[Run, str]:
    numbered, aliased = _VERSION.fullmatch(reference), _ALIAS.fullmatch(reference)
    if not numbered and not aliased:
        run = find_run(client, reference, out)
        return run, str(run.info.run_name)
    try:
        if numbered:
            version = client.get_model_version(numbered[1], numbered[2])
        else:
            assert aliased is not None
            version = alias_version(client, aliased[1], aliased[2])
            if version is None:
                raise InputError(f"MLflow at {client.tracking_uri} has no {reference}.")
        title = f"{version.name}/{version.version}" if numbered else f"{reference}, version {version.version}"
        return client.get_run(version.run_id), title
    except MlflowException as error:
        raise InputError(f"MLflow at {client.tracking_uri} has no {reference}: {error.message}") from error
