"""Predictions of a model in MOS units, and how well they agree with the truth."""

from collections.abc import Iterable, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from orchestrator.training.feature_batches import FeatureBatches
from orchestrator.training.metrics import Correlations, correlations
from orchestrator.training.training_data import ScoreScale, TrainingData

_BATCH_ROWS = 512


def predict(
    model: nn.Module,
    features: Mapping[str, Tensor] | FeatureBatches,
    rows: Tensor,
    scale: ScoreScale,
    device: torch.device | None = None,
    batch_rows: int = _BATCH_ROWS,
) -> NDArray[np.float32]:
    """Scores of rows (n,) int64 → (n, T) in MOS units; the model runs in eval mode and is left as it was.

    `features` are those of the whole dataset, name → (N, \\*shape). The device is the model's unless given.

    Raises:
        ValueError: a feature that the model reads is missing.
    """
    if not isinstance(features, FeatureBatches):
        home = device or next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
        features = FeatureBatches(features, reads_of(model), home)
    training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            outputs = [model(features.batch(part)) for part in torch.split(rows, batch_rows)]
            predicted: NDArray[np.float32] = scale.restore(torch.cat(outputs)).float().cpu().numpy()
    finally:
        model.train(training)
    return predicted


def evaluate(model: nn.Module, data: TrainingData, rows: Tensor, scale: ScoreScale) -> dict[str, Correlations]:
    """Target → agreement of the model's scores of rows (n,) with the truth."""
    return compare(predict(model, data.features, rows, scale), data.scores[rows], data.targets)


def compare(predicted: NDArray[np.float32], truth: Tensor, targets: Iterable[str]) -> dict[str, Correlations]:
    """Target → agreement of predictions (n, T) with true scores (n, T)."""
    true_scores = truth.cpu().numpy()
    return {target: correlations(predicted[:, column], true_scores[:, column]) for column, target in enumerate(targets)}


def reads_of(model: nn.Module) -> tuple[str, ...]:
    """The features that a scoring model reads."""
    reads = getattr(model, "reads", None)
    if not isinstance(reads, tuple):
        raise ValueError(f"{type(model).__name__} is no scoring model: it has no tuple `reads`")
    return reads
