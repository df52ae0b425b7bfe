"""Evaluation of a candidate: gates of use, and claims."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.data.progress import Progress, silent
from orchestrator.registry.promotion.candidate import Candidate
from orchestrator.registry.promotion.champion_scores import champion_on_candidate_test
from orchestrator.registry.promotion.evaluate_claims import as_gate, evaluate_claims
from orchestrator.registry.promotion.gate_inputs import Champion, GateInputs, GateThresholds
from orchestrator.registry.promotion.gates import GATES, GateResult
from orchestrator.registry.promotion.logged_model import LoggedModelFiles, saved_model
from orchestrator.registry.promotion.model_version import alias_version
from orchestrator.registry.promotion.rescore import check_scores
from orchestrator.registry.promotion.sweep_dataset import AvailableDataset, load_sweep_dataset
from orchestrator.reporting.claims import Claim
from orchestrator.tracking.quiet_mlflow import MlflowClient

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

CHAMPION = "champion"


@dataclass(frozen=True)
class GateResults:
    """A candidate and the results of all gates.

    Attributes:
        inputs: inputs of the gates.
        results: result of each gate.
        claims: claims with what their intervals say.
        required: names of the gates, and with `--require-claims` of the claims, that must pass for this alias.
        current: version that the alias was on during the evaluation; None if it was on none.
        model: the candidate's model, downloaded from MLflow.
        data: its data set.
    """

    inputs: GateInputs
    results: tuple[GateResult, ...]
    claims: tuple[Claim, ...]
    required: tuple[str, ...]
    current: ModelVersion | None
    model: LoggedModelFiles
    data: AvailableDataset

    @property
    def refusals(self) -> tuple[GateResult, ...]:
        """Results of the required gates and claims that failed."""
        results = (*self.results, *map(as_gate, self.claims))
        return tuple(result for result in results if not result.passed and result.gate in self.required)


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
    require_claims: bool = False,
) -> GateResults:
    """Evaluate every gate and claim; compare with the champion, whatever the alias.

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
        require_claims: require every claim to be shown, whatever the alias.

    Raises:
        InputError: the candidate has no model or no predictions.
    """
    model = saved_model(client, candidate, scratch, dry_run)
    data = load_sweep_dataset(candidate.results, data_root, progress)
    logged = candidate.run.data.metrics.get("test_srcc", float("nan"))
    name = candidate.variant
    current = alias_version(client, name, alias)
    version = current if alias == CHAMPION else alias_version(client, name, CHAMPION)
    champion: Champion | None = None
    if version is not None:
        champion = champion_on_candidate_test(client, version, candidate, data, out, scratch, progress)
    threads = candidate.results.spec.threads
    score_check = check_scores(model.folder, candidate.table, logged, data, threads, progress)
    inputs = GateInputs(candidate, champion, score_check, thresholds)
    results, claims = tuple(gate.evaluate(inputs) for gate in GATES), evaluate_claims(inputs)
    required = [gate.name for gate in GATES if alias == CHAMPION or not gate.comparative]
    required += [claim.name for claim in claims] if require_claims else []
    return GateResults(inputs, results, claims, tuple(required), current, model, data)
