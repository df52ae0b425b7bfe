"""Which run is to be promoted: chosen on validation, test plays no part."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from statistics import median
from typing import TYPE_CHECKING

import pandas as pd

from orchestrator.core.errors import InputError
from orchestrator.data.splits import keeps_test_apart
from orchestrator.execution.median_run import median_run
from orchestrator.registry.promotion.sweep_results import SweepResults, targets_of
from orchestrator.tracking.mlflow_sink import KEY_TAG
from orchestrator.training.bootstrap import Metric

if TYPE_CHECKING:
    from mlflow.entities import Run


@dataclass(frozen=True)
class Candidate:
    """A run that may become the champion, among its configuration's runs.

    Attributes:
        evidence: the sweep it comes from.
        source: key of the searched trial that it retrains.
        runs: the configuration's complete confirm runs, by split.
        run: the one whose model is meant.
        validation: the configuration's median of the metric on validation.
        named: whether a person named the run, rather than validation.
    """

    evidence: SweepResults
    source: str
    runs: tuple[Run, ...]
    run: Run
    validation: float
    named: bool = False

    @property
    def name(self) -> str:
        """As people call it, `SWEEP/confirm-0003`."""
        return f"{self.evidence.name}/{self.run.data.tags[KEY_TAG]}"

    @cached_property
    def table(self) -> pd.DataFrame:
        """True and predicted scores of the run's validation and test parts.

        Raises:
            InputError: they are neither here nor in MLflow.
        """
        return self.table_of(self.run)

    def table_of(self, run: Run) -> pd.DataFrame:
        """The same of another run of the configuration."""
        found = self.evidence.predictions(run)
        if found is None:
            key = run.data.tags[KEY_TAG]
            raise InputError(
                f"The predictions of {self.evidence.name}/{key} are neither in its sweep's folder nor in MLflow, "
                "so it cannot be judged."
            )
        return found

    @property
    def targets(self) -> tuple[str, ...]:
        """The scores that it gives."""
        return targets_of(self.table)


def choose(sweeps: Iterable[SweepResults], metric: Metric) -> Candidate | None:
    """The best configuration by its validation median, and of its runs the one with the median validation score.

    Validation that test has a part in is higher than it should be, and would win: sweeps under such a protocol are
    looked at only where there is no other, for the gates to say what is wrong with them.
    """
    every = list(sweeps)
    apart = [evidence for evidence in every if keeps_test_apart(evidence.spec.protocol)]
    return _best(apart, metric) or _best(every, metric)


def _best(sweeps: Iterable[SweepResults], metric: Metric) -> Candidate | None:
    found = [
        candidate
        for evidence in sweeps
        for source, runs in evidence.configurations().items()
        if (candidate := _candidate(evidence, source, runs, metric)) is not None
    ]
    return max(found, key=lambda candidate: candidate.validation, default=None)


def candidate_of(evidence: SweepResults, run: Run, metric: Metric) -> Candidate:
    """The candidate that a given run is.

    Raises:
        InputError: it is no complete confirm run of the variant.
    """
    for source, runs in evidence.configurations().items():
        if any(other.info.run_id == run.info.run_id for other in runs):
            found = _candidate(evidence, source, runs, metric, run)
            if found is not None:
                return found
    raise InputError(
        f"{run.info.run_name!r} of {evidence.name} is no complete confirm run of {evidence.spec.variant}: only those "
        "were read on test, once, and have a model."
    )


def _candidate(
    evidence: SweepResults, source: str, runs: list[Run], metric: Metric, chosen: Run | None = None
) -> Candidate | None:
    scores = {run.info.run_id: run.data.metrics.get(f"best_val_{metric}") for run in runs}
    known = {run_id: score for run_id, score in scores.items() if score is not None}
    middle = median_run(known)
    run = chosen or next((run for run in runs if run.info.run_id == middle), None)
    if run is None:
        return None
    validation = median(known.values()) if known else float("nan")
    return Candidate(evidence, source, tuple(runs), run, validation, named=chosen is not None)
