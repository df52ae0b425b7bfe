"""Candidates for promotion: a confirmed configuration with the run that stands for it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from statistics import median
from typing import TYPE_CHECKING, Literal

import pandas as pd

from models import CONTROL
from orchestrator.core.errors import InputError
from orchestrator.execution.job import KEY_PREFIX
from orchestrator.execution.median_run import median_run
from orchestrator.registry.promotion.sweep_results import SweepResults, targets_of
from orchestrator.tracking.mlflow_sink import KEY_TAG
from orchestrator.tracking.run_facts import run_facts
from orchestrator.tracking.run_names import validation_of
from orchestrator.training.bootstrap import Metric

if TYPE_CHECKING:
    from mlflow.entities import Run


Arm = Literal["search", "control"]
"""Search of a sweep whose configurations are meant: the variant's or its control's."""

STUDIES: tuple[Arm, ...] = ("search", "control")


@dataclass(frozen=True)
class Candidate:
    """A run that may become the champion, with the other runs of its configuration.

    Attributes:
        results: results of its sweep.
        source: key of the searched trial that it retrains.
        runs: the configuration's complete confirm runs, by split.
        run: run whose model is promoted.
        validation: median of the configuration's validation metric.
        named: whether the run was given by `--run`, not chosen by validation.
        compared: comparison with the best of other sweeps, in a sentence; empty if there was none.
    """

    results: SweepResults
    source: str
    runs: tuple[Run, ...]
    run: Run
    validation: float
    named: bool = False
    compared: str = ""

    @property
    def variant(self) -> str:
        """Variant of the model: the sweep's, or `plain_head` for a configuration of its control."""
        return CONTROL if self.source.startswith(KEY_PREFIX["control"]) else self.results.spec.variant

    @property
    def name(self) -> str:
        """Reference to the run, `SWEEP/confirm-0003`."""
        return f"{self.results.name}/{self.run.data.tags[KEY_TAG]}"

    @cached_property
    def facts(self) -> dict[str, str]:
        """Versions, hashes and settings of the run, with its tags."""
        return run_facts(self.results.client, self.run)

    @cached_property
    def table(self) -> pd.DataFrame:
        """True and predicted scores of the run's validation and test parts.

        Raises:
            InputError: they are neither on this machine nor in MLflow.
        """
        return self.table_of(self.run)

    def table_of(self, run: Run) -> pd.DataFrame:
        """Return the table of another run of the configuration; raise InputError if it is missing."""
        table = self.results.predictions(run)
        if table is None:
            key = run.data.tags[KEY_TAG]
            raise InputError(
                f"The predictions of {self.results.name}/{key} are neither in its sweep's folder nor in MLflow, "
                "so it cannot be evaluated."
            )
        return table

    @property
    def targets(self) -> tuple[str, ...]:
        """Names of the scores that it predicts."""
        return targets_of(self.table)


def candidates_of(results: SweepResults, metric: Metric, study: Arm = "search") -> list[Candidate]:
    """Return the confirmed configurations of a sweep, each with the run of median validation that stands for it.

    Configurations whose confirm runs lack a split are returned only if all of them do, for the gate that refuses them.
    """
    found = [
        candidate
        for source, runs in results.configurations(KEY_PREFIX[study]).items()
        if (candidate := _candidate(results, source, runs, metric)) is not None
    ]
    complete = [one for one in found if len({run.data.tags["split"] for run in one.runs}) >= results.spec.splits]
    return complete or found


def best_of(results: SweepResults, metric: Metric, study: Arm = "search") -> Candidate | None:
    """Return the best configuration of one sweep by its validation median; its configurations share their splits."""
    return max(candidates_of(results, metric, study), key=lambda one: one.validation, default=None)


def candidate_of(results: SweepResults, run: Run, metric: Metric, study: Arm = "search") -> Candidate:
    """Return the candidate of a given run.

    Raises:
        InputError: it is not a complete confirm run of the variant, or of its control.
    """
    for source, runs in results.configurations(KEY_PREFIX[study]).items():
        if any(other.info.run_id == run.info.run_id for other in runs):
            candidate = _candidate(results, source, runs, metric, run)
            if candidate is not None:
                return candidate
    variant = results.spec.variant if study == "search" else CONTROL
    raise InputError(
        f"{run.info.run_name!r} of {results.name} is not a complete confirm run of {variant}: only "
        "those were evaluated on test, once, and have a model."
    )


def _candidate(
    results: SweepResults, source: str, runs: list[Run], metric: Metric, chosen: Run | None = None
) -> Candidate | None:
    scores = {run.info.run_id: validation_of(run.data.metrics, metric) for run in runs}
    known = {run_id: score for run_id, score in scores.items() if score is not None}
    middle = median_run(known)
    run = chosen or next((run for run in runs if run.info.run_id == middle), None)
    if run is None:
        return None
    validation = median(known.values()) if known else float("nan")
    return Candidate(results, source, tuple(runs), run, validation, named=chosen is not None)
