"""Choice of the run to promote, by validation only."""

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
    """A run that may become the champion, with the other runs of its configuration.

    Attributes:
        results: results of its sweep.
        source: key of the searched trial that it retrains.
        runs: the configuration's complete confirm runs, by split.
        run: run whose model is promoted.
        validation: median of the configuration's validation metric.
        named: whether the run was given by `--run`, not chosen by validation.
    """

    results: SweepResults
    source: str
    runs: tuple[Run, ...]
    run: Run
    validation: float
    named: bool = False

    @property
    def name(self) -> str:
        """Reference to the run, `SWEEP/confirm-0003`."""
        return f"{self.results.name}/{self.run.data.tags[KEY_TAG]}"

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


def choose(sweeps: Iterable[SweepResults], metric: Metric) -> Candidate | None:
    """Return the best configuration by its validation median, with the run of median validation score.

    If test images are part of validation, its score is too high and would win. Sweeps under such a protocol are used
    only if there is no other; a gate then refuses them with the reason.
    """
    candidates = list(sweeps)
    separate = [results for results in candidates if keeps_test_apart(results.spec.protocol)]
    return _best(separate, metric) or _best(candidates, metric)


def _best(sweeps: Iterable[SweepResults], metric: Metric) -> Candidate | None:
    candidates = [
        candidate
        for results in sweeps
        for source, runs in results.configurations().items()
        if (candidate := _candidate(results, source, runs, metric)) is not None
    ]
    return max(candidates, key=lambda candidate: candidate.validation, default=None)


def candidate_of(results: SweepResults, run: Run, metric: Metric) -> Candidate:
    """Return the candidate of a given run.

    Raises:
        InputError: it is not a complete confirm run of the variant.
    """
    for source, runs in results.configurations().items():
        if any(other.info.run_id == run.info.run_id for other in runs):
            candidate = _candidate(results, source, runs, metric, run)
            if candidate is not None:
                return candidate
    raise InputError(
        f"{run.info.run_name!r} of {results.name} is not a complete confirm run of {results.spec.variant}: only "
        "those were evaluated on test, once, and have a model."
    )


def _candidate(
    results: SweepResults, source: str, runs: list[Run], metric: Metric, chosen: Run | None = None
) -> Candidate | None:
    scores = {run.info.run_id: run.data.metrics.get(f"best_val_{metric}") for run in runs}
    known = {run_id: score for run_id, score in scores.items() if score is not None}
    middle = median_run(known)
    run = chosen or next((run for run in runs if run.info.run_id == middle), None)
    if run is None:
        return None
    validation = median(known.values()) if known else float("nan")
    return Candidate(results, source, tuple(runs), run, validation, named=chosen is not None)
