"""Predictions of a model in MOS units, and their correlations with the true scores."""

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
    """Predict the scores (n, T) of rows (n,) int64 in MOS units; the model runs in eval mode and is restored after.

    Args:
        model: a scoring model.
        features: features of the whole dataset, name → (N, \\*shape).
        rows: rows to predict.
        scale: scale of the training scores.
        device: device of the features; by default the model's.
        batch_rows: rows of a forward pass.

    Raises:
        ValueError: a feature that the model reads is missing.

    Example:
        >>> from models import build_variant
        >>> model = build_variant("imagereward_head", {"image_prompt.embedding": (8,)}, widths=(4,))
        >>> scale = ScoreScale(torch.tensor([3.0]), torch.tensor([1.0]))
        >>> predict(model, {"image_prompt.embedding": torch.zeros(6, 8)}, torch.arange(4), scale).shape
        (4, 1)
    """
    if not isinstance(features, FeatureBatches):
        device = device or next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
        features = FeatureBatches(features, reads_of(model), device)
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
    """Correlate the model's scores of rows (n,) with the true scores, by target.

    Example:
        >>> rows, embedding = torch.arange(60), torch.randn(60, 8)
        >>> split = {"train": rows[:40], "validation": rows[40:50], "test": rows[50:]}
        >>> data = TrainingData(
        ...     {"image_prompt.embedding": embedding}, torch.rand(60, 1), ("alignment",), rows // 3, **split
        ... )
        >>> from models import build_variant
        >>> model = build_variant("imagereward_head", {"image_prompt.embedding": (8,)}, widths=(4,))
        >>> list(evaluate(model, data, data.test, ScoreScale.of(data.scores[data.train])))
        ['alignment']
    """
    return compare(predict(model, data.features, rows, scale), data.scores[rows], data.targets)


def compare(predicted: NDArray[np.float32], truth: Tensor, targets: Iterable[str]) -> dict[str, Correlations]:
    """Correlate predictions (n, T) with true scores (n, T), by target.

    Example:
        >>> scores = torch.arange(10.0).view(5, 2)
        >>> round(compare(scores.numpy(), scores, ["quality", "alignment"])["quality"].srcc, 6)
        1.0
    """
    true_scores = truth.cpu().numpy()
    return {target: correlations(predicted[:, column], true_scores[:, column]) for column, target in enumerate(targets)}


def reads_of(model: nn.Module) -> tuple[str, ...]:
    """Return the names of the features that a scoring model reads.

    Raises:
        ValueError: the module is not a scoring model.

    Example:
        >>> from models import build_variant
        >>> reads_of(build_variant("imagereward_head", {"image_prompt.embedding": (8,)}))
        ('image_prompt.embedding',)
    """
    reads = getattr(model, "reads", None)
    if not isinstance(reads, tuple):
        raise ValueError(f"{type(model).__name__} is not a scoring model: it has no tuple `reads`")
    return reads
