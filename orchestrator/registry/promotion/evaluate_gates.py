"""Finding the candidate, bringing its case together, and letting the gates judge it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.core.errors import InputError
from orchestrator.data.progress import Progress, silent
from orchestrator.registry.mlflow_lookup import find_run, sweep_condition
from orchestrator.registry.promotion.candidate import Candidate, candidate_of, choose
from orchestrator.registry.promotion.champion import champion_on_candidate_test
from orchestrator.registry.promotion.dataset import AvailableDataset, data_at_hand
from orchestrator.registry.promotion.gate_inputs import Champion, GateInputs, GateThresholds
from orchestrator.registry.promotion.gates import GATES, GateResult
from orchestrator.registry.promotion.logged_model import LoggedModelFiles, saved_model
from orchestrator.registry.promotion.model_version import alias_version
from orchestrator.registry.promotion.score_check import check_scores
from orchestrator.registry.promotion.sweep_results import evidence_of_run, find_evidence
from orchestrator.tracking.mlflow_client import MlflowClient
from orchestrator.training.bootstrap import Metric

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

CHAMPION = "champion"


@dataclass(frozen=True)
class CandidateQuery:
    """Which candidate is asked for: of all the sweeps of a variant, of one of them, or a given run.

    Attributes:
        variant: that is searched.
        dataset: only sweeps on it; None for the only one that there is.
        sweep: name, id or folder.
        run: an MLflow run id or `SWEEP/confirm-0003`.
        metric: that chooses, on validation.
    """

    variant: str
    dataset: str | None = None
    sweep: str | None = None
    run: str | None = None
    metric: Metric = "srcc"


@dataclass(frozen=True)
class GateResults:
    """A candidate after the gates.

    Attributes:
        case: what they looked at.
        verdicts: what each said.
        asked: names of the gates that have to pass for this alias.
        held: the version that the alias was on when this was judged.
        model: the candidate's, out of MLflow.
        data: its data set.
    """

    case: GateInputs
    verdicts: tuple[GateResult, ...]
    asked: tuple[str, ...]
    held: ModelVersion | None
    model: LoggedModelFiles
    data: AvailableDataset

    @property
    def refusals(self) -> tuple[GateResult, ...]:
        """Those that stand in the way."""
        return tuple(verdict for verdict in self.verdicts if not verdict.passed and verdict.gate in self.asked)


def find_candidate(client: MlflowClient, wanted: CandidateQuery, out: Path, scratch: Path) -> Candidate:
    """The candidate that is meant.

    Raises:
        InputError: there is none, or it could be of one data set or another.
    """
    if wanted.run:
        run = find_run(client, wanted.run, out)
        evidence = evidence_of_run(client, run, out, scratch)
        if evidence.spec.variant != wanted.variant:
            raise InputError(f"{wanted.run} is a run of {evidence.spec.variant}, not of {wanted.variant}.")
        if wanted.dataset not in {None, evidence.spec.dataset}:
            raise InputError(f"{wanted.run} is a run on {evidence.spec.dataset}, not on {wanted.dataset}.")
        if not evidence.finished:
            raise InputError(
                f"The sweep {evidence.name} of {wanted.run} has not finished, so its figures are not all there: let it "
                "run to its end, or go on with: python -m orchestrator.resume"
            )
        return candidate_of(evidence, run, wanted.metric)
    settings = {"variant": wanted.variant, **({"dataset": wanted.dataset} if wanted.dataset else {})}
    condition = sweep_condition(client, wanted.sweep, out) if wanted.sweep else ""
    found = list(find_evidence(client, out, scratch, condition, settings))
    datasets = sorted({evidence.spec.dataset for evidence in found})
    if len(datasets) > 1:
        raise InputError(
            f"{wanted.variant} was searched on {', '.join(datasets)}: say which with --dataset or --sweep."
        )
    candidate = choose(found, wanted.metric)
    if candidate is None:
        what = f"sweep {wanted.sweep}" if wanted.sweep else f"finished sweep of {wanted.variant}"
        on = f" on {wanted.dataset}" if wanted.dataset else ""
        there = "has no complete confirm run" if found else "is there"
        raise InputError(
            f"No {what}{on} {there} in MLflow at {client.tracking_uri}. What a sweep could not send goes out with: "
            "python -m orchestrator.sync"
        )
    return candidate


def evaluate_gates(
    client: MlflowClient,
    candidate: Candidate,
    alias: str,
    rules: GateThresholds,
    out: Path,
    scratch: Path,
    data_root: Path | None = None,
    progress: Progress = silent,
    dry_run: bool = False,
) -> GateResults:
    """Brings the case together and asks every gate; whatever the alias, it is compared with the champion.

    Args:
        client: MLflow's.
        candidate: who is judged.
        alias: that it is judged for.
        rules: of the comparison.
        out: folder that sweeps live in.
        scratch: folder for what is downloaded.
        data_root: folder of the data set, where it is not where it was.
        progress: told while images are scored.
        dry_run: whether nothing may be changed in MLflow.

    Raises:
        InputError: the candidate has no model or no predictions to be judged by.
    """
    model = saved_model(client, candidate, scratch, dry_run)
    data = data_at_hand(candidate.evidence, data_root, progress)
    logged = candidate.run.data.metrics.get("test_srcc", float("nan"))
    name = candidate.evidence.spec.variant
    held = alias_version(client, name, alias)
    version = held if alias == CHAMPION else alias_version(client, name, CHAMPION)
    champion: Champion | None = None
    if version is not None:
        champion = champion_on_candidate_test(client, version, candidate, data, out, scratch, progress)
    threads = candidate.evidence.spec.threads
    again = check_scores(model.folder, candidate.table, logged, data, threads, progress)
    case = GateInputs(candidate, champion, again, rules)
    asked = tuple(gate.name for gate in GATES if alias == CHAMPION or not gate.comparative)
    return GateResults(case, tuple(gate.judge(case) for gate in GATES), asked, held, model, data)
