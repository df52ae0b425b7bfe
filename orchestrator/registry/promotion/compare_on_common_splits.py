"""Comparison of configurations of several sweeps by validation, on common ground only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import TYPE_CHECKING, Any

from orchestrator.registry.promotion.candidate import Candidate
from orchestrator.registry.promotion.sweep_results import SweepResults
from orchestrator.reporting.aggregate import number_json
from orchestrator.tracking.run_names import validation_of
from orchestrator.training.bootstrap import Metric
from orchestrator.training.metrics import plcc, srcc

if TYPE_CHECKING:
    import pandas as pd
    from mlflow.entities import Run

FEWEST_SPLITS = 2
"""Number of common splits over which medians are compared."""

FEWEST_PROMPTS = 20
"""Number of prompts that rows outside every training part must have."""


@dataclass(frozen=True)
class CommonGround:
    """Validation figures of several configurations that may be compared.

    Attributes:
        values: validation figure of each configuration, in their order.
        description: rows they are computed on, in a few words.
    """

    values: tuple[float, ...]
    description: str

    def as_dict(self) -> dict[str, Any]:
        """Return the figures for JSON, in the order of the configurations."""
        return {"srcc": [number_json(value) for value in self.values], "on": self.description}


def difference(one: SweepResults, reference: SweepResults) -> str:
    """Return what forbids a comparison of two sweeps; empty if they may be compared."""
    if one.spec.protocol != reference.spec.protocol:
        return f"protocol {one.spec.protocol}, not {reference.spec.protocol}"
    if one.data_hash != reference.data_hash:
        return f"other data: hash {one.data_hash[:8]}, not {reference.data_hash[:8]}"
    if set(one.targets) != set(reference.targets):
        return f"learned {', '.join(one.targets)}, not {', '.join(reference.targets)}"
    return ""


def common_splits(candidates: Sequence[Candidate], metric: Metric) -> frozenset[str]:
    """Return the hashes of the splits on which all configurations were confirmed and have a validation figure."""
    return frozenset.intersection(*(frozenset(_by_split(one, metric)) for one in candidates))


def validation_medians(candidates: Sequence[Candidate], metric: Metric, common: frozenset[str]) -> tuple[float, ...]:
    """Return the median validation figure of each configuration over common splits, of which there is at least one."""
    figures = [
        {split: validation_of(run.data.metrics, metric) for split, run in _by_split(one, metric).items()}
        for one in candidates
    ]
    return tuple(
        median(value for split, value in one.items() if split in common and value is not None) for one in figures
    )


def common_ground(candidates: Sequence[Candidate], metric: Metric) -> CommonGround | None:
    """Return validation figures over the splits that all have, else on rows that no compared model was trained on.

    Args:
        candidates: configurations of sweeps with the same data hash, protocol and targets.
        metric: correlation, the mean over targets.

    Returns:
        None if fewer than `FEWEST_SPLITS` splits are in common, and fewer than `FEWEST_PROMPTS` prompts are outside
        the training rows of every compared model, test excluded.

    Raises:
        InputError: the predictions of a configuration are missing.
    """
    common = common_splits(candidates, metric)
    if len(common) >= FEWEST_SPLITS:
        values = validation_medians(candidates, metric, common)
        return CommonGround(values, f"over the {len(common)} splits that all have")
    # One common split has the same training rows for all; without one, the runs stand that would be promoted.
    runs = [_by_split(one, metric)[next(iter(common))] if common else one.run for one in candidates]
    tables = [_validation(one.table_of(run)) for one, run in zip(candidates, runs, strict=True)]
    names = set.intersection(*(set(table["name"]) for table in tables))
    rows = [table[table["name"].isin(names)] for table in tables]
    prompts = rows[0]["prompt_id"].nunique()
    if prompts < FEWEST_PROMPTS:
        return None
    values = tuple(_correlation(table, one.targets, metric) for table, one in zip(rows, candidates, strict=True))
    return CommonGround(values, f"on the {len(names)} images of {prompts} prompts that none was trained or tested on")


def _by_split(candidate: Candidate, metric: Metric) -> dict[str, Run]:
    """Return hash of the split → confirm run with a validation figure."""
    return {
        split: run
        for run in reversed(candidate.runs)
        if validation_of(run.data.metrics, metric) is not None and (split := candidate.results.split_hash(run))
    }


def _validation(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["part"] == "validation"]


def _correlation(rows: pd.DataFrame, targets: Sequence[str], metric: Metric) -> float:
    correlate = {"srcc": srcc, "plcc": plcc}[metric]
    return fmean(correlate(rows[f"predicted_{target}"], rows[target]) for target in targets)
