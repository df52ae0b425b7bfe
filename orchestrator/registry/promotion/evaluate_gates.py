"""Choice of a candidate, and its evaluation by the gates."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.core.errors import InputError
from orchestrator.data.progress import Progress, silent
from orchestrator.registry.mlflow_lookup import find_run, sweep_condition
from orchestrator.registry.promotion.candidate import Candidate, candidate_of, choose
from orchestrator.registry.promotion.champion_scores import champion_on_candidate_test
from orchestrator.registry.promotion.gate_inputs import Champion, GateInputs, GateThresholds
from orchestrator.registry.promotion.gates import GATES, GateResult
from orchestrator.registry.promotion.logged_model import LoggedModelFiles, saved_model
from orchestrator.registry.promotion.model_version import alias_version
from orchestrator.registry.promotion.rescore import check_scores
from orchestrator.registry.promotion.sweep_dataset import AvailableDataset, load_sweep_dataset
from orchestrator.registry.promotion.sweep_results import find_sweep_results, results_of_run
from orchestrator.tracking.mlflow_client import MlflowClient
from orchestrator.training.bootstrap import Metric

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

CHAMPION = "champion"


@dataclass(frozen=True)
class CandidateQuery:
    """Search for a candidate: among all sweeps of a variant, in one sweep, or a given run.

    Attributes:
        variant: searched variant.
        dataset: only sweeps on this data set; None if all are on the same one.
        sweep: name, id or folder.
        run: an MLflow run id or `SWEEP/confirm-0003`.
        metric: validation metric that chooses.
    """

    variant: str
    dataset: str | None = None
    sweep: str | None = None
    run: str | None = None
    metric: Metric = "srcc"


@dataclass(frozen=True)
class GateResults:
    """A candidate and the results of all gates.

    Attributes:
        inputs: inputs of the gates.
        results: result of each gate.
        required: names of the gates that must pass for this alias.
        current: version that the alias was on during the evaluation; None if it was on none.
        model: the candidate's model, downloaded from MLflow.
        data: its data set.
    """

    inputs: GateInputs
    results: tuple[GateResult, ...]
    required: tuple[str, ...]
    current: ModelVersion | None
    model: LoggedModelFiles
    data: AvailableDataset

    @property
    def refusals(self) -> tuple[GateResult, ...]:
        """Results of the required gates that failed."""
        return tuple(result for result in self.results if not result.passed and result.gate in self.required)


def find_candidate(client: MlflowClient, query: CandidateQuery, out: Path, scratch: Path) -> Candidate:
    """Return the candidate of a query.

    Raises:
        InputError: there is no candidate, or there are sweeps on several data sets.
    """
    if query.run:
        run = find_run(client, query.run, out)
        results = results_of_run(client, run, out, scratch)
        if results.spec.variant != query.variant:
            raise InputError(f"{query.run} is a run of {results.spec.variant}, not of {query.variant}.")
        if query.dataset not in {None, results.spec.dataset}:
            raise InputError(f"{query.run} is a run on {results.spec.dataset}, not on {query.dataset}.")
        if not results.finished:
            raise InputError(
                f"The sweep {results.name} of {query.run} has not finished, so some of its figures are missing: wait "
                "for its end, or resume it with: python -m orchestrator.resume"
            )
        return candidate_of(results, run, query.metric)
    settings = {"variant": query.variant, **({"dataset": query.dataset} if query.dataset else {})}
    condition = sweep_condition(client, query.sweep, out) if query.sweep else ""
    sweeps = list(find_sweep_results(client, out, scratch, condition, settings))
    datasets = sorted({results.spec.dataset for results in sweeps})
    if len(datasets) > 1:
        raise InputError(f"{query.variant} was searched on {', '.join(datasets)}: give --dataset or --sweep.")
    candidate = choose(sweeps, query.metric)
    if candidate is None:
        what = f"sweep {query.sweep}" if query.sweep else f"finished sweep of {query.variant}"
        on = f" on {query.dataset}" if query.dataset else ""
        state = "has a complete confirm run" if sweeps else "was found"
        raise InputError(
            f"No {what}{on} {state} in MLflow at {client.tracking_uri}. Upload what a sweep could not send with: "
            "python -m orchestrator.sync"
        )
    return candidate


def evaluate_gates(
    client: MlflowClient,
    candidate: Candidate,
    alias: str,
    thresholds: GateThresholds,
    out: Path,
    scratch: Path,
    data_root: Path | None = None,
    progress: Progress = silent,
    dry_run: bool = False,
) -> GateResults:
    """Evaluate every gate; compare with the champion, whatever the alias.

    Args:
        client: MLflow's client.
        candidate: run to promote.
        alias: alias to move.
        thresholds: thresholds of the comparisons.
        out: folder that sweeps live in.
        scratch: folder for downloads.
        data_root: folder of the data set, if it has moved.
        progress: receives the number of images scored.
        dry_run: change nothing in MLflow.

    Raises:
        InputError: the candidate has no model or no predictions.
    """
    model = saved_model(client, candidate, scratch, dry_run)
    data = load_sweep_dataset(candidate.results, data_root, progress)
    logged = candidate.run.data.metrics.get("test_srcc", float("nan"))
    name = candidate.results.spec.variant
    current = alias_version(client, name, alias)
    version = current if alias == CHAMPION else alias_version(client, name, CHAMPION)
    champion: Champion | None = None
    if version is not None:
        champion = champion_on_candidate_test(client, version, candidate, data, out, scratch, progress)
    threads = candidate.results.spec.threads
    score_check = check_scores(model.folder, candidate.table, logged, data, threads, progress)
    inputs = GateInputs(candidate, champion, score_check, thresholds)
    required = tuple(gate.name for gate in GATES if alias == CHAMPION or not gate.comparative)
    return GateResults(inputs, tuple(gate.evaluate(inputs) for gate in GATES), required, current, model, data)
