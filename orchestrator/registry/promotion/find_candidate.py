"""Search for the candidate of a promotion in MLflow: by variant, by sweep, or by run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from models import CONTROL
from orchestrator.core.errors import InputError
from orchestrator.core.url_passwords import without_passwords
from orchestrator.registry.mlflow_lookup import find_run, sweep_condition
from orchestrator.registry.promotion.candidate import Arm, Candidate, best_of, candidate_of
from orchestrator.registry.promotion.choose_candidate import Choice, choose
from orchestrator.registry.promotion.compare_on_common_splits import common_splits, validation_medians
from orchestrator.registry.promotion.sweep_results import find_sweep_results, results_of_run
from orchestrator.tracking.quiet_mlflow import MlflowClient
from orchestrator.training.bootstrap import Metric


@dataclass(frozen=True)
class CandidateQuery:
    """Search for a candidate: among all sweeps of a variant, in one sweep, or a given run.

    Attributes:
        variant: searched variant; None for that of the sweep or run.
        dataset: only sweeps on this data set; None if all are on the same one.
        sweep: name, id or folder.
        run: an MLflow run id or `SWEEP/confirm-0003`.
        metric: validation metric that chooses.
        control: take the configurations of the sweep's control.
    """

    variant: str | None = None
    dataset: str | None = None
    sweep: str | None = None
    run: str | None = None
    metric: Metric = "srcc"
    control: bool = False

    @property
    def study(self) -> Arm:
        """Search of the sweep whose configurations are meant."""
        return "control" if self.control else "search"


def find_candidate(client: MlflowClient, query: CandidateQuery, out: Path, scratch: Path) -> Choice:
    """Return the candidate of a query.

    Raises:
        InputError: there is no candidate, there are sweeps on several data sets, or sweeps without common ground.
    """
    if query.run:
        return Choice(_given(client, query, query.run, out, scratch))
    wanted = {"variant": query.variant, "dataset": query.dataset}
    condition = sweep_condition(client, query.sweep, out) if query.sweep else ""
    settings = {name: value for name, value in wanted.items() if value}
    sweeps = list(find_sweep_results(client, out, scratch, condition, settings))
    datasets = sorted({results.spec.dataset for results in sweeps})
    if len(datasets) > 1:
        raise InputError(f"{query.variant} was searched on {', '.join(datasets)}: give --dataset or --sweep.")
    choice = choose(sweeps, query.metric, query.study)
    if choice is None:
        raise InputError(_nothing_found(client, query, bool(sweeps)))
    return choice


def better_control(candidate: Candidate, metric: Metric) -> str:
    """Return a sentence if the control is the better model by validation; else empty text.

    The control's best configuration is compared over the splits that both have.
    """
    control = None if candidate.variant == CONTROL else best_of(candidate.results, metric, "control")
    if control is None:
        return ""
    if not (common := common_splits([candidate, control], metric)):
        return ""
    values = validation_medians([candidate, control], metric, common)
    if values[1] <= values[0]:
        return ""
    return f"By validation the control is the better model: {metric.upper()} {values[1]:.4f}, not {values[0]:.4f}."


def control_command(candidate: Candidate) -> str:
    """Return the command that promotes the control of a candidate's sweep."""
    return f"python -m orchestrator.promote --sweep {candidate.results.name} --control"


def _given(client: MlflowClient, query: CandidateQuery, reference: str, out: Path, scratch: Path) -> Candidate:
    """Return the candidate of `--run`."""
    run = find_run(client, reference, out)
    results = results_of_run(client, run, out, scratch)
    if query.variant not in {None, results.spec.variant}:
        raise InputError(f"{reference} is a run of {results.spec.variant}, not of {query.variant}.")
    if query.dataset not in {None, results.spec.dataset}:
        raise InputError(f"{reference} is a run on {results.spec.dataset}, not on {query.dataset}.")
    if not results.finished:
        raise InputError(
            f"The sweep {results.name} of {reference} has not finished, so some of its figures are missing: wait "
            "for its end, or resume it with: python -m orchestrator.resume"
        )
    return candidate_of(results, run, query.metric, query.study)


def _nothing_found(client: MlflowClient, query: CandidateQuery, sweeps: bool) -> str:
    what = f"sweep {query.sweep}" if query.sweep else f"finished sweep of {query.variant}"
    on = f" on {query.dataset}" if query.dataset else ""
    state = f"has a complete confirm run{' of its control' if query.control else ''}" if sweeps else "was found"
    sentence = f"No {what}{on} {state} in MLflow at {without_passwords(client.tracking_uri)}. "
    if query.variant == CONTROL:
        return f"{sentence}Register the control of a sweep with: python -m orchestrator.promote --sweep SWEEP --control"
    return f"{sentence}Upload what a sweep could not send with: python -m orchestrator.sync"
