"""Scoring of a second data set by a job: once, after training, and never to choose anything."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch

from orchestrator.cluster.shared_features import open_features
from orchestrator.execution.prediction_metrics import flat_agreement
from orchestrator.training.baselines import OtherRows
from orchestrator.training.evaluate import predict, reads_of

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor, nn

    from orchestrator.data import FeatureSet
    from orchestrator.training.training_data import ScoreScale

CROSS = "cross"
"""Value of a table's column `part` in the rows of the second data set."""

CROSS_PREDICTIONS = "cross.csv"
"""File in the folder of a confirm run: true and predicted scores of each image of the second data set."""

# Bounds the features that are in memory at a time.
_ROWS_AT_ONCE = 512


@dataclass(frozen=True, eq=False)
class CrossDatasetEval:
    """Rows of a second data set; pickled to every worker with the SweepContext.

    Attributes:
        label: name of the data set inside metrics' names.
        features: paths of the stored features of all its rows; opened where the job runs.
        rows: rows of `features` that are scored, (M,).
        names: the scored rows' names, (M,).
        generators: the scored rows' generators, (M,).
        prompt_ids: equal where prompts are, (M,).
        scores: mean opinion scores in this data set's own units, (M, S).
        targets: names of the S scores, a subset of the learned ones.
    """

    label: str
    features: FeatureSet
    rows: NDArray[np.int64]
    names: tuple[str, ...]
    generators: tuple[str, ...]
    prompt_ids: NDArray[np.int64]
    scores: NDArray[np.float64]
    targets: tuple[str, ...]

    @property
    def prefix(self) -> str:
        """Prefix of its metrics' names."""
        return cross_prefix(self.label)

    def predict(self, model: nn.Module, scale: ScoreScale, device: torch.device) -> NDArray[np.float32]:
        """Return a trained model's scores (M, T), in the units that it learned."""
        reads = reads_of(model)
        return np.concatenate([predict(model, *batch, scale, device) for batch in self._batches(reads)])

    def table(self, predicted: NDArray[Any], targets: Sequence[str]) -> pd.DataFrame:
        """Return names, prompts, generators, true scores and predictions (M, T) of the T `targets` as a table."""
        columns: dict[str, Any] = {
            "part": CROSS,
            "name": self.names,
            "prompt_id": self.prompt_ids,
            "generator": self.generators,
        }
        for column, target in enumerate(self.targets):
            columns[target] = self.scores[:, column]
            columns[f"predicted_{target}"] = predicted[:, targets.index(target)]
        return pd.DataFrame(columns)

    def figures(self, validation: pd.DataFrame, table: pd.DataFrame, prefix: str) -> dict[str, float]:
        """Return the metrics of `table`, prefixed; fit the logistic curve on the rows of part "validation"."""
        return flat_agreement(pd.concat([validation, table]), self.targets, prefix, CROSS)

    def other_rows(self) -> OtherRows:
        """Return the rows in the form that baselines read."""
        return OtherRows(open_features(self.features), torch.from_numpy(self.rows), self.generators)

    def _batches(self, reads: Sequence[str]) -> Iterator[tuple[dict[str, Tensor], Tensor]]:
        tensors = open_features(self.features)
        for part in torch.split(torch.from_numpy(self.rows), _ROWS_AT_ONCE):
            yield {name: tensors[name].index_select(0, part) for name in reads}, torch.arange(len(part))


def cross_prefix(label: str) -> str:
    """Return the beginning of the metrics' names for a label: `cross_aigciqa2023_` in `cross_aigciqa2023_srcc`."""
    return f"{CROSS}_{label}_"
