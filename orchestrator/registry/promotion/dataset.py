"""The data set that a sweep ran on, where its images are at hand."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.core.errors import InputError
from orchestrator.data.progress import Progress, silent
from orchestrator.registry.promotion.sweep_results import SweepResults

if TYPE_CHECKING:
    from orchestrator.data import Dataset


@dataclass(frozen=True, eq=False)
class AvailableDataset:
    """The data set as the sweep saw it; where it is not, why."""

    dataset: Dataset | None
    reason: str = ""


def data_at_hand(
    evidence: SweepResults, data_root: Path | None = None, progress: Progress = silent
) -> AvailableDataset:
    """Reads the data set of a sweep again.

    Args:
        evidence: the sweep.
        data_root: folder of the data, where it is not where it was.
        progress: told while images are verified.
    """
    from orchestrator.data import load_dataset
    from orchestrator.data.criteria import read_criteria

    spec = evidence.spec
    try:
        dataset = load_dataset(spec.dataset, data_root or spec.data_root, progress)
        if spec.criteria:
            dataset = dataset.with_criteria(read_criteria(spec.criteria, dataset.prompts))
    except InputError as error:
        return AvailableDataset(None, f"the images of {spec.dataset} are not at hand: {error}")
    if dataset.data_hash != evidence.data_hash:
        return AvailableDataset(
            None, f"{spec.dataset} here is not what the sweep {evidence.name} ran on: its data differ"
        )
    return AvailableDataset(dataset)
