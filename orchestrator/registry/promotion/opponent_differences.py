"""Paired differences of a candidate's configuration to its control and its baselines, split by split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from models import CONTROL
from orchestrator.registry.promotion.candidate import Candidate, best_of
from orchestrator.registry.promotion.paired_bootstrap import Pair, paired_difference
from orchestrator.reporting.claims import OPPONENTS
from orchestrator.training.bootstrap import Interval, Metric

if TYPE_CHECKING:
    from mlflow.entities import Run


@dataclass(frozen=True)
class OpponentDifference:
    """Difference of a configuration to one opponent, the median over its splits.

    Attributes:
        interval: the difference with its interval; None if they are not compared.
        problem: why they cannot be compared; empty if they are, or if the opponent cannot rank the test images.
        splits: number of splits with predictions of both.
    """

    interval: Interval | None
    problem: str = ""
    splits: int = 0


def opponent_differences(candidate: Candidate, metric: Metric, confidence: float) -> dict[str, OpponentDifference]:
    """Return the differences to each opponent, by its key in `OPPONENTS`; the control has none to itself."""
    found = {}
    for name in OPPONENTS:
        if name == "control":
            if candidate.variant == CONTROL:
                continue
            control = best_of(candidate.results, metric, "control")
            pairs = _control_pairs(candidate, control.runs if control else ())
        else:
            pairs = _baseline_pairs(candidate, name)
        found[name] = pairs if isinstance(pairs, OpponentDifference) else _compare(candidate, pairs, metric, confidence)
    return found


def _compare(candidate: Candidate, pairs: list[Pair], metric: Metric, confidence: float) -> OpponentDifference:
    interval = paired_difference(pairs, candidate.targets, metric, confidence)
    return OpponentDifference(interval, splits=len(pairs))


def _by_split(runs: Sequence[Run]) -> dict[str, Run]:
    return {run.data.tags["split"]: run for run in reversed(runs)}


def _control_pairs(candidate: Candidate, control: Sequence[Run]) -> list[Pair] | OpponentDifference:
    """Return the tables of each split; a difference with a problem unless the control has all."""
    others = _by_split(control)
    pairs: list[Pair] = []
    for run in candidate.runs:
        other = others.get(run.data.tags["split"])
        table = candidate.results.predictions(other) if other is not None else None
        if table is not None:
            pairs.append((candidate.table_of(run), table))
    if not pairs:
        return OpponentDifference(None, f"the sweep {candidate.results.name} confirmed no control to compare with")
    if len(pairs) < len(candidate.runs):
        return OpponentDifference(
            None,
            f"only {len(pairs)} of the {len(candidate.runs)} confirm runs have a control with predictions on the "
            "same split, and a median over some of the splits is biased",
            len(pairs),
        )
    return pairs


def _baseline_pairs(candidate: Candidate, name: str) -> list[Pair] | OpponentDifference:
    runs = candidate.results.baselines()
    if not runs:
        return OpponentDifference(None, f"the sweep {candidate.results.name} has no run of the baselines")
    planned, by_split = {run.data.tags["split"] for run in candidate.runs}, _by_split(runs)
    if missing := planned - by_split.keys():
        return OpponentDifference(
            None,
            f"{len(missing)} of the {len(planned)} splits have no complete run of the baselines, and a median over "
            "the others is biased",
            len(planned) - len(missing),
        )
    pairs: list[Pair] = []
    for run in candidate.runs:
        baseline = by_split[run.data.tags["split"]]
        table = candidate.results.table(baseline, f"{name}.csv", "baselines")
        if table is not None:
            pairs.append((candidate.table_of(run), table))
        elif any(key.startswith(f"{name}_test_") for key in baseline.data.metrics):
            return OpponentDifference(
                None, f"the predictions of {OPPONENTS[name]} of {baseline.info.run_name} are missing", len(pairs)
            )
    # A baseline without predictions cannot rank the test images: `disjoint` has no prompt in training that is in test.
    return pairs or OpponentDifference(None)
