"""Data set that a sweep ran on, if its images are on this machine."""

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
    """A sweep's data set, or the reason why it is not available."""

    dataset: Dataset | None
    reason: str = ""


def load_sweep_dataset(
    results: SweepResults, data_root: Path | None = None, progress: Progress = silent
) -> AvailableDataset:
    """Load the data set of a sweep again.

    Args:
        results: results of the sweep.
        data_root: folder of the data set, if it has moved.
        progress: receives the number of images verified.
    """
    from orchestrator.execution.sweep_data import load_sweep_data

    spec = results.spec
    try:
        dataset, _ = load_sweep_data(spec, progress, data_root)
    except InputError as error:
        return AvailableDataset(None, f"the images of {spec.dataset} are not on this machine: {error}")
    if dataset.data_hash != results.data_hash:
        return AvailableDataset(
            None, f"{spec.dataset} is not the data set that the sweep {results.name} ran on: its hash differs"
        )
    return AvailableDataset(dataset)
