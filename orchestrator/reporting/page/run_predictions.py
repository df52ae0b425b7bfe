"""Predictions of the run that stands for the best configuration, on the test images."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.core.training_files import PREDICTIONS
from orchestrator.data.read_predictions import read_predictions
from orchestrator.execution.job import job_key
from orchestrator.reporting.sweep_record import SweepRecord

if TYPE_CHECKING:
    import pandas as pd


class NoPredictions(Exception):
    """Predictions cannot be shown; the message is the reason, as a sentence."""


@dataclass(frozen=True)
class RunPredictions:
    """Predictions of one confirm run.

    Attributes:
        key: key of the run, such as "confirm-0005".
        split: number of the split that it was trained on.
        targets: its scores.
        table: its test rows, with a column `predicted_TARGET` next to each score.
        metrics: target → metric → value on the test rows, as the run logged it.
    """

    key: str
    split: int | None
    targets: tuple[str, ...]
    table: pd.DataFrame
    metrics: dict[str, dict[str, float]]

    def agreement(self, target: str) -> str:
        """Return SRCC and PLCC of a score in a few words."""
        values = (self.metrics[target].get(name, math.nan) for name in ("srcc", "plcc"))
        srcc, plcc = ("–" if math.isnan(value) else f"{value:.3f}" for value in values)
        return f"SRCC {srcc}, PLCC {plcc}"


def run_predictions(record: SweepRecord) -> RunPredictions | None:
    """Read the test predictions of the best configuration's representative run; None if the sweep is not finished.

    Raises:
        NoPredictions: nothing was confirmed, or the file cannot be read.
    """
    if record.result is None:
        return None
    best = record.result.get("best")
    if not best or not best.get("run"):
        raise NoPredictions("No configuration was confirmed, so no test image was scored.")
    key, targets = best["run"], tuple(record.result["targets"])
    path = record.workspace.trials / key / PREDICTIONS
    try:
        table = _test_rows(path, path.stat().st_mtime_ns)
        finite = table[[name for target in targets for name in (target, f"predicted_{target}")]].notna().all(axis=1)
    except (OSError, ValueError, KeyError):
        raise NoPredictions(f"The predictions of {key} are not at {path}.") from None
    if table.empty:
        raise NoPredictions(f"The predictions of {key} have no test images.")
    attributes = next(
        (t.attributes for t in record.studies.get("confirm", []) if job_key("confirm", t.number) == key), {}
    )
    final, table = attributes.get("final", {}), table[finite].reset_index(drop=True)
    return RunPredictions(
        key=key,
        split=attributes.get("split"),
        targets=targets,
        table=table,
        metrics={target: _logged(final, target, len(targets) > 1) or _computed(table, target) for target in targets},
    )


@lru_cache(maxsize=1)
def _test_rows(path: Path, changed: int) -> pd.DataFrame:
    """Return the test rows of a table of predictions; they are kept, since three sections read the same ones."""
    table = read_predictions(path)
    return table[table["part"] == "test"].reset_index(drop=True)


def _logged(final: dict[str, float], target: str, several: bool) -> dict[str, float]:
    found = {name: final.get(f"test_{name}{f'_{target}' if several else ''}") for name in ("srcc", "plcc")}
    return {name: value for name, value in found.items() if value is not None}


def _computed(table: pd.DataFrame, target: str) -> dict[str, float]:
    """Return the metrics of a run that the ledger does not have."""
    from orchestrator.training.metrics import correlations  # here, since it imports PyTorch

    found = correlations(table[f"predicted_{target}"], table[target])
    return {"srcc": found.srcc, "plcc": found.plcc}
